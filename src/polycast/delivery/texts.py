"""Texts around the media of an asset: storyboard, chapters, the playlist around a caption file."""

from collections.abc import Sequence

from polycast.domain.assets import Asset, Attachment
from polycast.domain.errors import NotFound
from polycast.protocols import hls, mpd
from polycast.protocols.vtt_metadata import Storyboard, chapters_vtt, storyboard_vtt


def storyboard_text(asset: Asset) -> str:
    """The storyboard of an asset as WebVTT. Raises NotFound when it has none."""
    sheets = [a for a in asset.attachments if a.kind == "storyboard"]
    if not sheets:
        raise NotFound("storyboard")
    facts = sheets[0].data
    board = Storyboard(
        count=facts["count"],
        columns=facts["columns"],
        rows=facts["rows"],
        width=facts["tile_w"],
        height=facts["tile_h"],
        interval_ms=round(facts["interval_s"] * 1000),
        duration_ms=asset.duration_ms or round(facts["count"] * facts["interval_s"] * 1000),
    )
    return storyboard_vtt(board, sheet_uri=lambda n: f"storyboard-{n}.jpg")


def chapters_text(asset: Asset) -> str:
    """Chapters of an asset as WebVTT; one without an end lasts to the next one, the last to the end."""
    chapters = sorted(asset.chapters, key=lambda c: c.start_s)
    total = (asset.duration_ms or 0) / 1000
    rows = []
    for n, chapter in enumerate(chapters):
        following = chapters[n + 1].start_s if n + 1 < len(chapters) else max(total, chapter.start_s + 1)
        end = following if chapter.end_s is None else chapter.end_s
        rows.append((chapter.start_s, end, chapter.title))
    return chapters_vtt(rows)


def caption_playlist(asset: Asset, position: str) -> str:
    """The HLS playlist around one WebVTT file. Raises NotFound when the asset has no such caption."""
    if not any(a.kind == "caption" and str(a.position) == position for a in asset.attachments):
        raise NotFound("captions")
    return hls.subtitle_playlist(f"{position}.vtt", (asset.duration_ms or 1000) / 1000).render()


def thumbnails(sheets: Sequence[Attachment], up: str) -> mpd.Thumbnails | None:
    """The storyboard as the image set of a DASH manifest; None without one.

    Args:
        up: relative way from the manifest to the asset's folder.
    """
    if not sheets:
        return None
    facts = sheets[0].data
    across = facts["interval_s"] * facts["columns"] * facts["rows"]
    if across <= 0:
        return None
    largest = max(sheet.size for sheet in sheets)
    return mpd.Thumbnails(
        media=f"{up}storyboard-$Number$.jpg",
        columns=facts["columns"],
        rows=facts["rows"],
        interval_s=facts["interval_s"],
        width=facts["columns"] * facts["tile_w"],
        height=facts["rows"] * facts["tile_h"],
        bandwidth=max(1, round(largest * 8 / across)),
    )
