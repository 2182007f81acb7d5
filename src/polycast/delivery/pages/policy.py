"""Content Security Policy of the player pages.

CSP Level 3, https://www.w3.org/TR/CSP3/. The player needs no inline script; its one inline style has
a nonce. Media, captions, pictures and beacons may lie on other origins (a CDN), which the caller names.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

# an origin, a scheme ("https:") or a host with a leading wildcard; nothing that could end the directive
_SOURCE = re.compile(
    r"(?:[a-z][a-z0-9+.-]*:)?(?://)?(?:\*\.)?[A-Za-z0-9.\-\[\]:]*(?::(?:\d+|\*))?|\*|'none'|'self'"
)


@dataclass(frozen=True, slots=True)
class PagePolicy:
    """What a page may load and who may frame it.

    Attributes:
        frame_ancestors: CSP sources that may embed the page, e.g. `("'self'", "https://example.org")`;
            `("*",)` = everybody, `()` = nobody.
        media_origins: further origins of manifests, segments, captions, pictures and beacons.
        custom_scripts: let scripts inside the theme's HTML run, inline and from https origins. Only for
            players on an origin of their own: on the origin of the API and console, a tenant's script
            would act as whoever is signed in there. Without it that HTML may style and say, not run.
    """

    frame_ancestors: Sequence[str] = ("*",)
    media_origins: Sequence[str] = ()
    custom_scripts: bool = False


def policy_header(policy: PagePolicy, nonce: str, *, custom_html: bool) -> str:
    """Render the header's value.

    Args:
        policy: what the caller allows; sources that are none are dropped.
        nonce: of this one answer, base64.
        custom_html: the theme brings HTML, which may contain styles of its own.
    """
    media = " ".join(("'self'", *_sources(policy.media_origins)))
    scripts = "'self'"
    styles = f"'self' 'nonce-{nonce}'"
    extra = ""
    if custom_html:
        # a nonce would switch 'unsafe-inline' off again, so here the page does without
        styles = "'self' 'unsafe-inline' https:"
        extra = " https:"
        if policy.custom_scripts:
            scripts = "'self' 'unsafe-inline' https:"
    directives = (
        "default-src 'none'",
        f"script-src {scripts}",
        f"style-src {styles}",
        f"img-src {media} data: blob:{extra}",
        f"media-src {media} blob:",
        f"connect-src {media}{extra if policy.custom_scripts else ''}",
        f"font-src 'self' data:{extra}",
        "worker-src 'self' blob:",
        "manifest-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        f"frame-ancestors {' '.join(_sources(policy.frame_ancestors)) or chr(39) + 'none' + chr(39)}",
    )
    return "; ".join(directives)


def _sources(values: Sequence[str]) -> list[str]:
    return [value for value in values if value and _SOURCE.fullmatch(value)]
