"""Reads a caption file and writes it as WebVTT of ours. Request: path, out (or null), max_bytes.

Result: {cues, skipped, format, end_ms}. Nothing of the source is copied blindly: cues are parsed and rendered
again, so that what is served is well-formed WebVTT whatever came in.
"""

from pathlib import Path
from typing import Any

from polycast.domain.errors import LimitExceeded, Unreadable
from polycast.media.children.caption_ass import is_ass, parse_ass
from polycast.media.children.caption_text import decode
from polycast.media.children.protocol import main
from polycast.protocols.errors import CaptionError
from polycast.protocols.webvtt import Captions, parse_srt, parse_webvtt, render


def captions(request: dict[str, Any]) -> dict[str, Any]:
    limit = request["max_bytes"]
    with Path(request["path"]).open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise LimitExceeded(f"the caption file is over {limit} bytes")
    text = decode(data)
    try:
        kind, parsed = _parse(text)
    except CaptionError as error:
        raise Unreadable(error.message) from error
    if request["out"] is not None:
        # STYLE blocks may load fonts and pictures from elsewhere; regions are lost without them, cues are not
        Path(request["out"]).write_text(render(parsed.cues), encoding="utf-8", newline="\n")
    return {
        "cues": len(parsed.cues),
        "skipped": parsed.skipped,
        "format": kind,
        "end_ms": max((cue.end_ms for cue in parsed.cues), default=0),
    }


def _parse(text: str) -> tuple[str, Captions]:
    """By content: file names say nothing certain."""
    text = text.lstrip("\ufeff")
    if text.startswith("WEBVTT"):
        return "webvtt", parse_webvtt(text)
    if is_ass(text):
        return "ass", Captions(tuple(parse_ass(text)))
    captions = parse_srt(text)
    if not captions.cues:
        raise CaptionError("the file holds no captions")
    return "srt", captions


if __name__ == "__main__":
    main(captions)
