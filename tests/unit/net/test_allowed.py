"""What a name in the operator's list opens, and what it never does."""

import pytest

from polycast.domain.errors import Invalid
from polycast.net.addresses import AddressPolicy
from polycast.net.allowed import Allowed
from tests.unit.net.test_addresses import Answers

DOCUMENTED = ["10.1.0.0/16", "nas.lan"]


@pytest.mark.parametrize(
    "address", ["10.9.8.7", "172.16.0.1", "192.168.1.2", "100.64.0.9", "fd12::1", "::ffff:10.9.8.7"]
)
@pytest.mark.parametrize("host", ["nas.lan", "NAS.lan", "nas.lan."])
async def test_a_name_stands_for_its_private_addresses(host: str, address: str) -> None:
    policy = AddressPolicy(DOCUMENTED, Answers([address]))
    assert len(await policy.resolve(host, 80)) == 1


@pytest.mark.parametrize(
    "host", ["nas.lan.example.org", "other.lan", "lan", "xnas.lan", "10.9.8.7", "192.168.1.2"]
)
async def test_other_names_of_the_same_address_gain_nothing(host: str) -> None:
    policy = AddressPolicy(DOCUMENTED, Answers(["192.168.1.2"]))
    with pytest.raises(Invalid):
        await policy.resolve(host, 80)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "0.0.0.0", "169.254.169.254", "fe80::1", "100.100.100.200", "fd00:ec2::254", "224.0.0.1",
     "::ffff:127.0.0.1", "64:ff9b::7f00:1", "240.0.0.1"],
)  # fmt: skip
async def test_a_name_that_is_moved_does_not_reach_this_machine_or_a_clouds_metadata(address: str) -> None:
    policy = AddressPolicy(DOCUMENTED, Answers(["192.168.1.2"], [address]))
    assert await policy.resolve("nas.lan", 80) == ["192.168.1.2"]
    with pytest.raises(Invalid):
        await policy.resolve("nas.lan", 80)


async def test_a_network_opens_what_a_name_does_not() -> None:
    policy = AddressPolicy(["127.0.0.1", "nas.lan"], Answers(["127.0.0.1"]))
    assert await policy.resolve("nas.lan", 80) == ["127.0.0.1"]


async def test_a_name_on_the_internet_stays_reachable() -> None:
    policy = AddressPolicy(["media.example.org"], Answers(["8.8.8.8", "10.0.0.1"]))
    assert await policy.resolve("media.example.org", 80) == ["8.8.8.8", "10.0.0.1"]
    assert await policy.resolve("other.example.org", 80) == ["8.8.8.8"]


def test_a_network_may_be_named_by_any_of_its_addresses() -> None:
    Allowed(["10.1.2.3/16", "fd00::1/8", "10.1.2.3"])


@pytest.mark.parametrize(
    "word",
    ["10.0.0.0/99", "10.0.0", "2130706433", "0x7f.1", "a.1", "nas.lan:80", "http://nas.lan", "*.lan", "*", "-a.lan",
     "a..b", "localhost", "x.localhost", "a b", "müller.lan", "x" * 300],
)  # fmt: skip
def test_what_is_neither_is_named(word: str) -> None:
    with pytest.raises(ValueError, match=r"is neither|this machine"):
        Allowed([word])
