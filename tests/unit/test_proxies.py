"""Forwarded headers are believed from named proxies, and nothing a client writes survives beside them."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.proxies import TrustedProxies, parse_address

PROXY, OTHER_PROXY, CLIENT = "10.0.0.1", "10.0.0.2", "203.0.113.9"


def seen(
    headers: list[tuple[str, str]], client: str | None = PROXY, trusted: tuple[str, ...] = ("10.0.0.0/8",)
) -> Any:
    """The scope that the application behind gets."""
    caught: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        caught.append(scope)

    scope = {
        "type": "http", "scheme": "http", "client": (client, 1) if client else None,
        "headers": [(b"host", b"inner"), *((k.encode(), v.encode("latin-1")) for k, v in headers)],
    }  # fmt: skip
    asyncio.run(TrustedProxies(app, trusted)(scope, None, None))  # type: ignore[arg-type]
    return caught[0]


def host(scope: Any) -> bytes:
    (found,) = (v for k, v in scope["headers"] if k == b"host")
    return bytes(found)


def test_a_trusted_proxy_is_believed() -> None:
    scope = seen(
        [("x-forwarded-for", CLIENT), ("x-forwarded-proto", "https"), ("x-forwarded-host", "a.example:8443")]
    )
    assert (scope["client"][0], scope["scheme"], host(scope)) == (CLIENT, "https", b"a.example:8443")


@pytest.mark.parametrize("client", [CLIENT, None, "rubbish"])
def test_nobody_else_is(client: str | None) -> None:
    scope = seen(
        [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "evil")], client
    )
    assert (scope["client"], scope["scheme"], host(scope)) == (
        (client, 1) if client else None,
        "http",
        b"inner",
    )


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (f"1.2.3.4, {CLIENT}", CLIENT),
        (f"1.2.3.4, {CLIENT}, {OTHER_PROXY}", CLIENT),
        (f"{CLIENT}:5123", CLIENT),
        ("[2001:db8::1]:99", "2001:db8::1"),
        (f"::ffff:{OTHER_PROXY}", OTHER_PROXY),
        (f"1.2.3.4, rubbish, {OTHER_PROXY}", OTHER_PROXY),
        ("rubbish", PROXY),
        ("", PROXY),
    ],
)
def test_whose_address(value: str, address: str) -> None:
    assert seen([("x-forwarded-for", value)])["client"][0] == address


def test_fields_that_come_twice_are_one_list() -> None:
    assert seen([("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", CLIENT)])["client"][0] == CLIENT
    assert seen([("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")])["scheme"] == "http"


@pytest.mark.parametrize("value", ["a b", "a/b", "a@b", "<x>", "a,", ",", "x" * 300, "a:123456"])
def test_hosts_that_are_none(value: str) -> None:
    assert host(seen([("x-forwarded-host", value)])) in (b"inner", b"a")


@given(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=60))
def test_what_a_client_claims_never_counts(claim: str) -> None:
    """The proxy appends what it saw: whatever stands to the left of it changes nothing."""
    scope = seen([("x-forwarded-for", f"{claim}, {CLIENT}"), ("x-forwarded-host", f"{claim}, good.example")])
    assert (scope["client"][0], host(scope)) == (CLIENT, b"good.example")


@given(st.text(max_size=40))
def test_parsing_addresses_never_raises(text: str) -> None:
    address = parse_address(text)
    assert address is None or parse_address(str(address)) == address
