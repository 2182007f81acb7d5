"""Advanced SubStation Alpha: its dialogue as WebVTT cues. Pure.

Only what is said and when; places, fonts and drawings are left behind. Italic, bold and underline are kept.
"""

import re

from polycast.protocols.errors import CaptionError
from polycast.protocols.webvtt import MAX_CUE_CHARS, MAX_CUES, Cue, escape

_TIME = re.compile(r"\s*(\d{1,4}):(\d{1,2}):(\d{1,2})[.:](\d{1,3})\s*\Z")
_DEFAULT_FORMAT = "Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text"
_TAGS = re.compile(r"\{([^{}]*)\}")
_SWITCH = re.compile(r"\\([ibu])(\d+)")
_DRAWING = re.compile(r"\\p[1-9]")


def is_ass(text: str) -> bool:
    """Has the script header or an event section near the start."""
    head = text[:4096].lstrip("\ufeff").lower()
    return "[script info]" in head or "[events]" in head


def parse_ass(text: str) -> list[Cue]:
    """The dialogue in order of start.

    Raises:
        CaptionError: no dialogue at all, or over a cap.
    """
    columns = _columns(_DEFAULT_FORMAT)
    cues: list[Cue] = []
    inside = False
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        key = key.strip().lower()
        if line.lstrip().startswith("["):
            inside = line.strip().lower() == "[events]"
        elif inside and colon and key == "format":
            columns = _columns(value)
        elif inside and colon and key == "dialogue":
            cue = _cue(value, columns)
            if cue is not None:
                cues.append(cue)
            if len(cues) > MAX_CUES:
                raise CaptionError(f"over {MAX_CUES} cues")
    if not cues:
        raise CaptionError("no dialogue found")
    return sorted(cues, key=lambda cue: cue.start_ms)


def _columns(text: str) -> dict[str, int]:
    return {name.strip().lower(): place for place, name in enumerate(text.split(","))}


def _cue(value: str, columns: dict[str, int]) -> Cue | None:
    # the text is the last column and may hold commas
    fields = value.split(",", max(columns.values(), default=0))
    try:
        start = _milliseconds(fields[columns["start"]])
        end = _milliseconds(fields[columns["end"]])
        raw = fields[columns["text"]]
    except (KeyError, IndexError):
        return None
    if start is None or end is None or end <= start or len(raw) > MAX_CUE_CHARS:
        return None
    text = _text(raw)
    return Cue(start, end, text) if text else None


def _milliseconds(text: str) -> int | None:
    match = _TIME.match(text)
    if match is None:
        return None
    hours, minutes, seconds = (int(match[i]) for i in (1, 2, 3))
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + int(match[4].ljust(3, "0"))


def _text(raw: str) -> str:
    parts: list[str] = []
    open_tags: list[str] = []
    drawing = False
    for number, piece in enumerate(_TAGS.split(raw)):
        if number % 2 == 0:
            if not drawing:
                parts.append(_plain(piece))
            continue
        if "\\p" in piece:
            drawing = bool(_DRAWING.search(piece))
        for tag, level in _SWITCH.findall(piece):
            if int(level) and tag not in open_tags:
                open_tags.append(tag)
                parts.append(f"<{tag}>")
            elif not int(level) and tag in open_tags:
                # tags nest: what was opened later is closed with it
                while open_tags:
                    last = open_tags.pop()
                    parts.append(f"</{last}>")
                    if last == tag:
                        break
    parts += [f"</{tag}>" for tag in reversed(open_tags)]
    text = "".join(parts)
    lines = [line.strip() for line in text.split("\n")]
    text = "\n".join(line for line in lines if line)
    return text if re.sub(r"</?[ibu]>", "", text).strip() else ""


def _plain(piece: str) -> str:
    return escape(piece.replace("\\N", "\n").replace("\\n", " ").replace("\\h", "\u00a0"))
