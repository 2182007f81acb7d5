"""Parts of the page: the player's box, what it is about, chapters, sharing."""

import segno

from polycast.delivery.pages.config import PlayerConfig
from polycast.delivery.pages.escape import text
from polycast.delivery.pages.meta import PageMeta
from polycast.delivery.pages.words import page_words


def is_portrait(config: PlayerConfig) -> bool:
    """Tell whether the picture is higher than wide, so that the text goes beside it."""
    width, height = _shape(config)
    return config.asset.kind == "video" and height > width


def shape_style(config: PlayerConfig) -> str:
    """Return the style that keeps the page from jumping when the picture arrives; numbers only."""
    width, height = _shape(config)
    return f":root{{--pc-ratio:{width}/{height};--pc-ratio-number:{width / height:.4f}}}"


def _shape(config: PlayerConfig) -> tuple[int, int]:
    width, height = config.asset.width or 0, config.asset.height or 0
    return (width, height) if width > 0 and height > 0 else (16, 9)


def player_box(config: PlayerConfig) -> str:
    """Return the element that the player takes over; until then it shows the poster."""
    words = page_words(config.theme.language)
    poster = ""
    if config.poster:
        poster = f'<img class="pc-poster" src="{text(config.poster)}" alt="" fetchpriority="high">'
    return (
        f'<div class="pc-frame"><div id="polycast-player" class="pc-root" data-kind="{config.asset.kind}">{poster}'
        f'<noscript><div class="pc-noscript">{text(words.noscript)}</div></noscript></div></div>'
    )


def about(config: PlayerConfig, meta: PageMeta) -> str:
    """Return title, description, tags and sharing."""
    asset = config.asset
    described = f'\n<p dir="auto">{text(asset.description)}</p>' if asset.description.strip() else ""
    tags = "".join(f'<li dir="auto">{text(tag)}</li>' for tag in config.tags)
    tag_list = f'\n<ul class="pc-tags">{tags}</ul>' if tags else ""
    return f'<section class="pc-about">\n<h1 dir="auto">{text(asset.title)}</h1>{described}{tag_list}\n{_share(config, meta)}</section>'


def chapters(config: PlayerConfig) -> str:
    """Return the list of chapters; empty without any."""
    if not config.chapters:
        return ""
    words = page_words(config.theme.language)
    items = "\n".join(
        f'<li><button type="button" data-start="{float(chapter.start_s)!r}">'
        f'<time datetime="PT{float(chapter.start_s):.3f}S">{_clock(chapter.start_s)}</time>'
        f'<span dir="auto">{text(chapter.title)}</span></button></li>'
        for chapter in sorted(config.chapters, key=lambda chapter: chapter.start_s)
    )
    return (
        f'<aside class="pc-aside"><nav aria-labelledby="pc-chapters"><h2 id="pc-chapters">{text(words.chapters)}</h2>\n'
        f'<ol class="pc-chapters">\n{items}\n</ol></nav></aside>\n'
    )


def _share(config: PlayerConfig, meta: PageMeta) -> str:
    """A box that opens without script; only the copy buttons need one."""
    if not meta.page_url:
        return ""
    words = page_words(config.theme.language)
    lines = _share_line("pc-share-link", words.link, meta.page_url, words.copy)
    if meta.embed_url:
        lines += _share_line(
            "pc-share-embed", words.embed_code, embed_code(config, meta.embed_url), words.copy
        )
    # error level M survives a logo-free print; border 0 because the box has its own margin
    try:
        picture = segno.make(meta.page_url, error="m", micro=False).svg_inline(
            border=0, dark="#14181f", svgclass="pc-qr", lineclass=None, omitsize=True, title=words.qr
        )
    except segno.DataOverflowError:
        picture = ""  # an address of thousands of letters is known by its text alone
    return (
        f'<details class="pc-share"><summary>{text(words.share)}</summary>\n'
        f'<div class="pc-share-box">{lines}{picture}</div></details>'
    )


def _share_line(field_id: str, label: str, value: str, copy: str) -> str:
    return (
        f'<div><label for="{field_id}">{text(label)}</label><div class="pc-share-line">'
        f'<input class="pc-share-field" id="{field_id}" readonly value="{text(value)}">'
        f'<button type="button" data-copy="{field_id}" hidden>{text(copy)}</button></div></div>'
    )


def embed_code(config: PlayerConfig, embed_url: str) -> str:
    """Return the HTML for other people's pages: responsive, with what the player may ask for."""
    width, height = _shape(config)
    shape = (
        "width:100%;height:210px"
        if config.asset.kind == "audio"
        else f"width:100%;aspect-ratio:{width}/{height}"
    )
    return (
        f'<iframe src="{text(embed_url)}" title="{text(config.asset.title)}" style="{shape};border:0"'
        ' allow="autoplay; fullscreen; picture-in-picture" allowfullscreen loading="lazy"></iframe>'
    )


def _clock(seconds: float) -> str:
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
