"""Free ports of each kind of address."""

import socket

import pytest

from polycast.cli.ports import check_free, free_port
from polycast.domain.errors import Conflict
from polycast.settings import loopback


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "0.0.0.0",
        loopback(),
        *(
            pytest.param(host, marks=pytest.mark.skipif(not _has_ipv6(), reason="no IPv6"))
            for host in ("::", "::1")
        ),
    ],
)
def test_a_free_port_may_be_listened_on(host: str) -> None:
    check_free(host, free_port(host))


@pytest.mark.parametrize("host", ["192.0.2.77", "no.such.host.invalid"])
def test_an_address_of_another_machine_is_told(host: str) -> None:
    with pytest.raises(Conflict, match=f"cannot listen on {host}"):
        free_port(host)
