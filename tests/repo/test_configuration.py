"""One declaration of each setting; the page and everything that names one follow it."""

import re
from ipaddress import ip_address
from pathlib import Path

import pytest
from pydantic import ValidationError

from polycast.net.addresses import AddressPolicy
from polycast.settings import PREFIX, SECRET_FILE, Settings, load
from scripts import configuration
from tests.repo.files import shown, texts

KNOWN = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
# of the command line; those of tests and benches are no settings of the platform either
OTHERS = {"POLYCAST_URL", "POLYCAST_KEY"}


def test_the_page_is_current() -> None:
    assert configuration.PAGE.read_text() == configuration.page(), "run scripts/configuration.py"


def test_every_setting_is_explained() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith((".", ")")), f"{name}: a whole sentence"
    assert {name for _, names in configuration.sections() for name in names} == set(Settings.model_fields)


def test_no_file_names_a_setting_that_does_not_exist() -> None:
    unknown = {
        (shown(path), name)
        for path in texts(".py", ".md", ".yaml", ".yml", ".toml", ".conf", ".service", ".env")
        for name in re.findall(r"\bPOLYCAST_[A-Z0-9_]+\b", path.read_text())
        if name not in KNOWN | OTHERS and not re.search("TEST|BENCH|_$", name)
    }
    assert unknown == set()


def test_environment_then_file_then_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "polycast.env").write_text("POLYCAST_HTTP_PORT=1111\nPOLYCAST_API_WORKERS=3\n")
    monkeypatch.setenv("POLYCAST_DATA", str(tmp_path))
    monkeypatch.setenv("POLYCAST_HTTP_PORT", "2222")
    loaded = load()
    assert (loaded.http_port, loaded.api_workers, loaded.package_workers) == (2222, 3, 2)
    assert load(http_port=3333).http_port == 3333


def test_lists_and_hosts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POLYCAST_TRUSTED_PROXIES", "10.0.0.1, 10.1.0.0/16")
    monkeypatch.setenv("POLYCAST_HOSTS", "API.example.org=videokit, x.example.org=gotipath")
    loaded = load(data=tmp_path)
    assert loaded.trusted_proxies == ["10.0.0.1", "10.1.0.0/16"]
    assert loaded.hosts == {"api.example.org": "videokit", "x.example.org": "gotipath"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOSTS", "x=nosuch"),
        ("SECRET_KEY", "short"),
        ("TLS_KEY", "only.key"),
        ("PUBLIC_URL", "ftp://x"),
        ("STALLED_AFTER_S", "3"),
        ("HTTP_PORT", "70000"),
        ("OUTBOUND_ALLOW", "10.1.0.0/64"),
        ("TRUSTED_PROXIES", "10.0.0.1,10.0.0.300"),
        ("TRUSTED_PROXIES", "nginx"),
        ("TRUSTED_PROXIES", "10.0.0.1,*"),
        ("OUTBOUND_ALLOW", "nas.lan,10.0.0.0/99"),
        ("DATABASE_URL", "mysql://host/x"),
    ],
)
def test_wrong_values_are_refused(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PREFIX}{name}", value)
    with pytest.raises(ValidationError):
        load(data=tmp_path)


def test_networks_may_be_named_by_one_of_their_addresses(tmp_path: Path) -> None:
    loaded = load(data=tmp_path, outbound_allow="10.1.0.5/16, 192.168.7.20", trusted_proxies="::1")
    assert AddressPolicy(loaded.outbound_allow).permits(ip_address("10.1.9.9"))
    assert not AddressPolicy(loaded.outbound_allow).permits(ip_address("192.168.7.21"))


def test_the_examples_of_the_descriptions_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYCAST_OUTBOUND_ALLOW", "10.1.0.0/16,nas.lan")
    assert "`10.1.0.0/16,nas.lan`" in (Settings.model_fields["outbound_allow"].description or "")
    assert load(data=tmp_path).outbound_allow == ["10.1.0.0/16", "nas.lan"]


def test_relative_paths_of_the_environment_begin_where_the_command_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("STORE", "TLS_CERTIFICATE", "TLS_KEY"):
        monkeypatch.setenv(f"{PREFIX}{name}", name.lower())
    monkeypatch.setenv("POLYCAST_FFMPEG", "bin/ffmpeg")
    loaded = load(data=tmp_path)
    assert loaded.store == f"{tmp_path}/store"
    assert (loaded.tls_certificate, loaded.tls_key) == (tmp_path / "tls_certificate", tmp_path / "tls_key")
    assert loaded.ffmpeg == f"{tmp_path}/bin/ffmpeg"
    monkeypatch.setenv("POLYCAST_FFMPEG", "ffmpeg")
    assert load(data=tmp_path).ffmpeg == "ffmpeg", "a bare name is looked for"


def test_relative_paths_of_the_file_begin_in_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever folder a command is run in."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "polycast.env").write_text(
        "POLYCAST_STORE=media\nPOLYCAST_TLS_CERTIFICATE=tls/cert.pem\nPOLYCAST_TLS_KEY=/etc/key.pem\n"
    )
    monkeypatch.chdir(tmp_path)
    loaded = load(data=data)
    assert loaded.store == f"{data}/media"
    assert (loaded.tls_certificate, loaded.tls_key) == (data / "tls/cert.pem", Path("/etc/key.pem"))
    (data / "polycast.env").write_text("POLYCAST_STORE=s3://bucket/x\n")
    assert load(data=data).store == "s3://bucket/x"


def test_the_secret_key_is_made_once_and_private(tmp_path: Path) -> None:
    first, second = load(data=tmp_path / "d").secret, load(data=tmp_path / "d").secret
    assert first == second
    assert len(first) >= 32
    assert (tmp_path / "d" / SECRET_FILE).stat().st_mode & 0o777 == 0o600
    assert load(data=tmp_path / "other").secret != first
