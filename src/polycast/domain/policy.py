"""May this viewer watch? One judgement over one policy, which also says why not."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

OPAQUE_ORIGIN = "null"
_ELSEWHERE = ("cross-site", "same-site")
"""Sec-Fetch-Site of what a page of another origin asks for"""


class Refusal(StrEnum):
    """Why a viewer was refused; stable, shown in answers and counted in reports."""

    BLOCKED = "blocked"
    DOMAIN = "domain"
    ADDRESS = "address"
    COUNTRY = "country"
    USER_AGENT = "user_agent"
    TOKEN_MISSING = "token_missing"  # noqa: S105 - a reason, not a secret
    TOKEN_INVALID = "token_invalid"  # noqa: S105


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """Who may watch an asset. Empty lists allow everybody.

    Attributes:
        blocked: nobody (tenant blocked or deleted).
        origins: web origins whose pages may show it (`https://example.org`); our own always may.
        token_required: a viewer needs a token of the tenant.
        countries, addresses: ISO 3166-1 codes and networks; with `deny_*` they are those refused.
    """

    blocked: bool = False
    origins: tuple[str, ...] = ()
    token_required: bool = False
    countries: tuple[str, ...] = ()
    deny_countries: bool = False
    addresses: tuple[str, ...] = ()
    deny_addresses: bool = False

    @property
    def public(self) -> bool:
        """Whether everything may be cached and fetched by anybody, without a session."""
        return not (self.blocked or self.token_required or self.personal)

    @property
    def personal(self) -> bool:
        """Whether two viewers who ask for one address may be answered differently: by page, network, country.

        What one of them was given must not reach the other through a shared cache.
        """
        return bool(self.origins or self.countries or self.addresses)


@dataclass(frozen=True, slots=True)
class ViewerRequest:
    """What is known of a viewer at a manifest request.

    Attributes:
        origin: the page's, see `origin_asked`; None where the request names none.
        own_origins: origins of this installation.
        token_valid: None when none was presented.
    """

    origin: str | None = None
    own_origins: tuple[str, ...] = ()
    address: str | None = None
    country: str | None = None
    token_valid: bool | None = None


def judge(policy: AccessPolicy, viewer: ViewerRequest) -> Refusal | None:
    """None when the viewer may watch, else the first reason why not."""
    if policy.blocked:
        return Refusal.BLOCKED
    if policy.origins and viewer.origin is not None and not _allowed_origin(policy, viewer):
        return Refusal.DOMAIN
    if policy.addresses and _listed(viewer.address, policy.addresses) == policy.deny_addresses:
        return Refusal.ADDRESS
    if policy.countries and (viewer.country in policy.countries) == policy.deny_countries:
        return Refusal.COUNTRY
    if policy.token_required and not viewer.token_valid:
        return Refusal.TOKEN_INVALID if viewer.token_valid is False else Refusal.TOKEN_MISSING
    return None


def _allowed_origin(policy: AccessPolicy, viewer: ViewerRequest) -> bool:
    return viewer.origin in policy.origins or viewer.origin in viewer.own_origins


def _listed(address: str | None, networks: tuple[str, ...]) -> bool:
    if address is None:
        return False
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip in ipaddress.ip_network(n, strict=False) for n in networks)


def origin_asked(headers: Mapping[str, str]) -> str | None:
    """The page behind a request: its Origin header, else the origin of its Referer.

    None where there is no page: players that are no browsers, and addresses that somebody opened as such.
    `null`, the origin of sandboxed frames and local files, stays `null`: it is some page, and none that anybody
    listed. So is a page that keeps its name to itself (`no-referrer`): its browser still says that there is
    one, where it asks by HTTPS (Fetch Metadata, https://www.w3.org/TR/fetch-metadata/).

    Args:
        headers: of the request, by names in lower case.
    """
    if origin := headers.get("origin"):
        return origin_of(origin) or OPAQUE_ORIGIN
    named = origin_of(headers.get("referer"))
    if named is None and headers.get("sec-fetch-site") in _ELSEWHERE:
        # a link that was followed shows the video in a tab of its own, not on the page it stood on
        return None if headers.get("sec-fetch-dest") == "document" else OPAQUE_ORIGIN
    return named


def origin_of(url: str | None) -> str | None:
    """`scheme://host[:port]` of an Origin or Referer header; None for none, `null` and rubbish."""
    if not url or url == "null":
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if not host.isascii():
        return None
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host.lower()}" + (f":{port}" if port and port != default else "")
