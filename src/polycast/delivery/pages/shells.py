"""The HTML documents around the player."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from polycast.delivery.pages import sections
from polycast.delivery.pages.assets import PLAYER, BuildMissing, PageAssets, page_assets
from polycast.delivery.pages.config import PlayerConfig
from polycast.delivery.pages.escape import script_json, text
from polycast.delivery.pages.meta import PageMeta, meta_tags
from polycast.delivery.pages.policy import PagePolicy, policy_header
from polycast.delivery.pages.veil import document
from polycast.delivery.pages.words import direction

# a picture in the page itself spares every visit a request for /favicon.ico
ICON = (
    '<link rel="icon" href="data:image/svg+xml,'
    "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='9' "
    "fill='%230b7a66'/%3E%3Cpath d='M12 9.5v13l10.5-6.5z' fill='%23fff'/%3E%3C/svg%3E\">"
)
_PLAIN_STYLE = (
    ":root{color-scheme:light dark}body{margin:0;min-height:100vh;display:grid;place-items:center;"
    "background:#f5f4f0;color:#14181f;font:16px/1.6 system-ui,sans-serif}main{max-width:34rem;padding:1rem 2rem}"
    "h1{font-size:1.4rem;line-height:1.25;margin:0 0 .5rem}p{margin:.4rem 0;color:#3b424d}"
    "code{padding:.1em .4em;border-radius:.3em;background:#e9e7e0}"
    "@media(max-height:240px){main{text-align:center;font-size:14px}h1{font-size:1.15rem}}"
    "@media(prefers-color-scheme:dark){body{background:#101318;color:#eef0f3}p{color:#c3cad4}code{background:#232930}}"
)


@dataclass(frozen=True, slots=True)
class Page:
    """An answer ready to be sent; `headers` include type, policy and caching."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def render_play(
    config: PlayerConfig,
    *,
    assets_url: str,
    policy: PagePolicy | None = None,
    meta: PageMeta | None = None,
    dist: Path | None = None,
) -> Page:
    """Render the page of `/play`: player, title, description, chapters, tags, sharing.

    Args:
        config: what plays and how it looks.
        assets_url: where `dist_dir()` is served, absolute or from the root, without a slash at the end.
        policy: who may frame the page and what it may load; default: anybody, same origin only.
        meta: absolute URLs for previews and sharing; default: none of these tags.
        dist: another folder with a build.

    Returns:
        The page; status 503 with words for the operator when the player has not been built.
    """
    meta = meta or PageMeta()
    body = (
        f'<main class="{"is-portrait" if sections.is_portrait(config) else ""}">\n'
        f"{sections.player_box(config)}\n{sections.about(config, meta)}\n{sections.chapters(config)}</main>"
    )
    return _shell(config, "pc-page", body, assets_url, policy or PagePolicy(), meta, dist)


def render_embed(
    config: PlayerConfig,
    *,
    assets_url: str,
    policy: PagePolicy | None = None,
    meta: PageMeta | None = None,
    dist: Path | None = None,
) -> Page:
    """Render the page of `/embed`: the player alone, filling its frame. Arguments as `render_play`."""
    meta = meta or PageMeta()
    body = sections.player_box(config)
    return _shell(config, "pc-embed", body, assets_url, policy or PagePolicy(), meta, dist)


def render_message(
    title: str,
    message: str,
    *,
    status: int,
    language: str | None = None,
    frame_ancestors: tuple[str, ...] = ("*",),
) -> Page:
    """Render a plain page that says why there is nothing to play (not found, not allowed).

    Args:
        title: a few words. Both texts are escaped.
        message: a sentence for the viewer.
        status: HTTP status of the answer.
        language: BCP 47 tag of the texts.
        frame_ancestors: who may frame it, as in `PagePolicy`.
    """
    return _plain(text(title), f"<p>{text(message)}</p>", status, language, frame_ancestors)


def _shell(
    config: PlayerConfig,
    kind: str,
    body: str,
    assets_url: str,
    policy: PagePolicy,
    meta: PageMeta,
    dist: Path | None,
) -> Page:
    try:
        assets = page_assets(PLAYER, dist)
    except BuildMissing:
        return not_built(tuple(policy.frame_ancestors))
    theme = config.theme
    custom_html = bool(theme.head_html or theme.footer_html)
    nonce = secrets.token_urlsafe(16)
    language = theme.language or "en"
    html = f"""<!doctype html>
<html lang="{text(language)}" dir="{direction(language)}" class="{kind}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<title>{text(config.asset.title)}</title>
{ICON}
{meta_tags(config, meta)}
<style nonce="{nonce}">{sections.shape_style(config)}</style>
{asset_tags(assets, assets_url, preload=config.start.preload != "none")}
<script type="application/json" id="polycast-config">{script_json(document(config))}</script>
{theme.head_html}
</head>
<body>
{body}
{theme.footer_html}
</body>
</html>
"""
    headers = {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": policy_header(policy, nonce, custom_html=custom_html),
        "cache-control": "no-cache",
        "referrer-policy": "strict-origin-when-cross-origin",
        "x-content-type-options": "nosniff",
        "permissions-policy": "camera=(), microphone=(), geolocation=()",
    }
    return Page(html.encode(), 200, headers)


def not_built(frame_ancestors: tuple[str, ...] = ()) -> Page:
    """Render what stands in a page's place until `make web` has run (503)."""
    return _plain(
        "The pages have not been built",
        "<p>Run <code>make web</code> in the source tree, then load this page again.</p>"
        "<p>Installed packages carry them; a working copy builds them once.</p>",
        503,
        "en",
        frame_ancestors,
    )


def asset_tags(assets: PageAssets, assets_url: str, *, preload: bool) -> str:
    """The elements that load a page's files.

    Args:
        assets_url: where `dist_dir()` is served.
        preload: fetch what the script loads later, too.
    """
    base = text(assets_url.rstrip("/"))
    lines = [f'<link rel="stylesheet" href="{base}/{text(name)}">' for name in assets.styles]
    if preload:  # the library of the player: big, wanted as soon as somebody presses play
        lines += [f'<link rel="modulepreload" href="{base}/{text(name)}">' for name in assets.preload]
    lines.append(f'<script type="module" src="{base}/{text(assets.script)}"></script>')
    return "\n".join(lines)


def _plain(
    title: str, body_html: str, status: int, language: str | None, frame_ancestors: tuple[str, ...]
) -> Page:
    nonce = secrets.token_urlsafe(16)
    document = f"""<!doctype html>
<html lang="{text(language or "en")}" dir="{direction(language)}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">{ICON}<title>{title}</title><style nonce="{nonce}">{_PLAIN_STYLE}</style></head>
<body><main><h1>{title}</h1>{body_html}</main></body>
</html>
"""
    headers = {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": policy_header(
            PagePolicy(frame_ancestors=frame_ancestors), nonce, custom_html=False
        ),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    return Page(document.encode(), status, headers)
