"""Which addresses are public."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.domain.errors import Invalid, UpstreamFailed
from polycast.net.addresses import AddressPolicy, is_public, literal_address


class Answers:
    """A resolver that gives one prepared answer after the other, the last for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def resolve(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "169.254.170.2",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::1",
        "64:ff9b:1::8.8.8.8",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2002:c0a8:101::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.1",
        "100.63.255.255",
        "100.128.0.1",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.1",
        "192.167.255.255",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450:4001::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ],
)
def test_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@given(st.ip_addresses(v=4))
def test_hiding_an_address_in_another_changes_nothing(address: ipaddress.IPv4Address) -> None:
    value = int(address)
    for carrier in (0xFFFF << 32 | value, 0x64FF9B << 96 | value, 0x2002 << 112 | value << 80):
        assert is_public(ipaddress.IPv6Address(carrier)) == is_public(address)


@given(st.ip_addresses())
def test_what_the_standard_library_calls_private_is_never_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        # an address that carries another is judged by it; some releases of Python call all of them private
        carried = isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped or address.sixtofour)
        assert carried or not is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0177.0.0.1",
        "127.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "1.2.3.4.5",
        "256.1.1.1",
        "foo.0x7f",
        "a.1",
        "127.0.0.1.",
        "[::1",
        "::1%eth0",
        "[fe80::1%25eth0]",
        "1.2.3.08",
        ":::",
    ],
)
def test_numbers_in_disguise(host: str) -> None:
    with pytest.raises(Invalid) as caught:
        literal_address(host)
    assert caught.value.field == "url"


def test_names_and_literals() -> None:
    assert literal_address("example.com") is None
    assert literal_address("1and1.com.") is None
    assert literal_address("0x.example") is None
    assert str(literal_address("127.0.0.1")) == "127.0.0.1"
    assert str(literal_address("[2606:4700::1111]")) == "2606:4700::1111"


async def test_only_permitted_addresses_of_a_name_are_used() -> None:
    policy = AddressPolicy(resolver=Answers(["10.0.0.1", "fe80::1%eth0", "8.8.8.8", "::1", "8.8.8.8"]))
    assert await policy.resolve("mixed.example", 80) == ["8.8.8.8"]


async def test_every_resolution_is_judged_anew() -> None:
    policy = AddressPolicy(resolver=Answers(["8.8.8.8"], ["127.0.0.1"]))
    assert await policy.resolve("rebind.example", 80) == ["8.8.8.8"]
    with pytest.raises(Invalid):
        await policy.resolve("rebind.example", 80)


async def test_allowed_networks() -> None:
    policy = AddressPolicy(["10.1.0.0/16", "fd00::/8"], Answers(["10.1.2.3", "10.2.0.1", "::ffff:10.1.2.4"]))
    assert await policy.resolve("media.lan", 80) == ["10.1.2.3", "::ffff:a01:204"]
    assert await policy.resolve("fd12::1", 80) == ["fd12::1"]
    with pytest.raises(Invalid):
        await policy.resolve("127.0.0.1", 80)


async def test_names_without_address() -> None:
    with pytest.raises(UpstreamFailed):
        await AddressPolicy(resolver=Answers([])).resolve("nowhere.example", 80)
