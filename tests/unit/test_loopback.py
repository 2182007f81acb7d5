"""What this machine is called where its server is announced."""

from pathlib import Path

import pytest

from polycast.settings import loopback


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("127.0.0.1\tlocalhost\n::1 localhost ip6-localhost\n", "localhost"),
        ("# the machine\n127.0.0.1 box.lan box localhost # itself\n", "localhost"),
        ("::1 localhost\n", "127.0.0.1"),  # the server may listen on IPv4 alone
        ("127.0.0.1 box # localhost\n", "127.0.0.1"),
        ("127.0.1.1 localhost.lan\n\n", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_localhost_is_used_where_it_is_known(tmp_path: Path, table: str, name: str) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(table)
    assert loopback(hosts) == name


def test_without_a_table_the_number_is_used(tmp_path: Path) -> None:
    assert loopback(tmp_path / "none") == "127.0.0.1"
    (tmp_path / "binary").write_bytes(b"\xff\xfe localhost")
    assert loopback(tmp_path / "binary") == "127.0.0.1"
