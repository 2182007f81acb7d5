"""What other sites and machines read from a page: Open Graph, Twitter card, oEmbed discovery."""

from dataclasses import dataclass

from polycast.delivery.pages.config import PlayerConfig
from polycast.delivery.pages.escape import text


@dataclass(frozen=True, slots=True)
class PageMeta:
    """Absolute URLs for whoever links to the page; None leaves the tags out.

    Attributes:
        page_url: canonical address of the play page, also what is shared.
        embed_url: address of the embed page; fills the embed code and the player cards.
        oembed_url: oEmbed document of this asset (JSON), https://oembed.com section 4.
        image_url: poster as an absolute URL.
        site_name: shown by link previews.
        index: let search engines list the page.
    """

    page_url: str | None = None
    embed_url: str | None = None
    oembed_url: str | None = None
    image_url: str | None = None
    site_name: str | None = None
    index: bool = True


def meta_tags(config: PlayerConfig, meta: PageMeta) -> str:
    """Render the tags for the head, one a line."""
    asset = config.asset
    width, height = asset.width or 1280, asset.height or 720
    described = " ".join(asset.description.split())[:300]
    lines: list[str] = []

    def tag(attribute: str, name: str, content: str | None) -> None:
        if content:
            lines.append(f'<meta {attribute}="{name}" content="{text(content)}">')

    tag("name", "description", described)
    if not meta.index:
        tag("name", "robots", "noindex")
    tag("property", "og:title", asset.title)
    tag("property", "og:description", described)
    tag("property", "og:type", "video.other" if asset.kind == "video" else "music.song")
    tag("property", "og:url", meta.page_url)
    tag("property", "og:site_name", meta.site_name)
    tag("property", "og:image", meta.image_url)
    if meta.embed_url:
        tag("property", "og:video", meta.embed_url)
        tag("property", "og:video:type", "text/html")
        tag("property", "og:video:width", str(width))
        tag("property", "og:video:height", str(height))
        tag("name", "twitter:player", meta.embed_url)
        tag("name", "twitter:player:width", str(width))
        tag("name", "twitter:player:height", str(height))
    tag("name", "twitter:card", "player" if meta.embed_url else "summary_large_image")
    tag("name", "twitter:title", asset.title)
    tag("name", "twitter:description", described)
    tag("name", "twitter:image", meta.image_url)
    if meta.page_url:
        lines.append(f'<link rel="canonical" href="{text(meta.page_url)}">')
    if meta.oembed_url:
        lines.append(
            f'<link rel="alternate" type="application/json+oembed" href="{text(meta.oembed_url)}"'
            f' title="{text(asset.title)}">'
        )
    return "\n".join(lines)
