"""WebVTT (W3C, "WebVTT: The Web Video Text Tracks Format") and SRT: cues in, text out.

Bytes are decoded by the caller. Parsing is forgiving, as the specification asks: a broken cue is skipped and
counted, the file goes on. Only something that is no caption file at all, or passes a cap, is an error.

Times are whole milliseconds, which is all the format can say.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from polycast.protocols.errors import CaptionError

MAX_CHARS: Final = 16 * 1024 * 1024
MAX_CUES: Final = 200_000
MAX_CUE_CHARS: Final = 64 * 1024

# hours have two digits or more in WebVTT and one or more in SRT files as found; SRT separates by comma
_TIME: Final = r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMING: Final = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s+(.*))?\s*\Z")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_SRT_TAG: Final = re.compile(r"<(/?)([biu])\s*>|</?font\b[^<>]*>|\{\\[^{}]*\}", re.IGNORECASE)
_SETTING: Final = re.compile(r"(?:vertical|line|position|size|align|region):[^\s:]+\Z")


@dataclass(frozen=True, slots=True)
class Cue:
    """One cue; `text` as in the file (WebVTT cue text with its tags and escapes), lines by line feed."""

    start_ms: int
    end_ms: int
    text: str
    identifier: str = ""
    settings: str = ""


@dataclass(frozen=True, slots=True)
class Captions:
    """A parsed file.

    Attributes:
        skipped: cues that were broken and left out.
        styles: STYLE and REGION blocks, whole, in order.
    """

    cues: tuple[Cue, ...]
    skipped: int = 0
    styles: tuple[str, ...] = ()


def parse_webvtt(text: str) -> Captions:
    """Read a WebVTT file (section 6.1).

    Raises:
        CaptionError: no WEBVTT signature, or over a cap.
    """
    text = _normalized(text)
    first, _, _ = text.partition("\n")
    if first != "WEBVTT" and not first.startswith(("WEBVTT ", "WEBVTT\t")):
        raise CaptionError("not a WebVTT file: it does not begin with WEBVTT")
    # the header reaches to the first blank line
    blocks = _blocks(text)[1:]
    styles: list[str] = []
    cues: list[str] = []
    for block in blocks:
        lines = block.split("\n", 2)
        name = lines[0].rstrip()
        if any("-->" in line for line in lines[:2]):
            # a timing line makes a cue of anything, even with NOTE as its identifier
            cues.append(block)
        elif name in ("STYLE", "REGION"):
            styles.append(block)
        elif name != "NOTE" and not name.startswith(("NOTE ", "NOTE\t")):
            cues.append(block)
    parsed, skipped = _cues(cues)
    return Captions(tuple(parsed), skipped, tuple(styles))


def parse_srt(text: str) -> Captions:
    """Read a SubRip file as found in the wild; its few tags become WebVTT's, fonts and positions are dropped.

    Raises:
        CaptionError: no cue at all in a file that is not empty, or over a cap.
    """
    text = _normalized(text)
    parsed, skipped = _cues(_srt_blocks(text))
    if not parsed and text.strip():
        raise CaptionError("not an SRT file: no cue found")
    # numbers of SRT say nothing beyond the order
    cues = tuple(replace(cue, text=_srt_text(cue.text), identifier="", settings="") for cue in parsed)
    return Captions(cues, skipped)


def parse(text: str) -> Captions:
    """Read either format, told apart by the WEBVTT signature; raises CaptionError as they do."""
    return parse_webvtt(text) if text.lstrip("\ufeff").startswith("WEBVTT") else parse_srt(text)


def srt_to_webvtt(text: str) -> str:
    """A SubRip file as WebVTT; raises CaptionError as `parse_srt`."""
    return render(parse_srt(text).cues)


def render(
    cues: Iterable[Cue], *, styles: Sequence[str] = (), timestamp_map: tuple[int, int] | None = None
) -> str:
    """WebVTT text of these cues.

    Args:
        styles: STYLE and REGION blocks to put first.
        timestamp_map: (MPEG-2 time in 90 kHz ticks, cue time in ms) for X-TIMESTAMP-MAP, which HLS needs where
            the media do not start at 0 (RFC 8216bis 3.1.4).
    """
    head = "WEBVTT"
    if timestamp_map:
        head += f"\nX-TIMESTAMP-MAP=MPEGTS:{timestamp_map[0]},LOCAL:{format_time(timestamp_map[1])}"
    blocks = [head, *styles, *(_render_cue(cue) for cue in cues)]
    return "\n\n".join(blocks) + "\n"


def shift(cues: Iterable[Cue], offset_ms: int) -> list[Cue]:
    """Cues moved in time; what would begin before 0 begins at 0, and what would end there is dropped."""
    return [
        replace(cue, start_ms=max(0, cue.start_ms + offset_ms), end_ms=cue.end_ms + offset_ms)
        for cue in cues
        if cue.end_ms + offset_ms > 0
    ]


def between(cues: Iterable[Cue], start_ms: int, end_ms: int) -> list[Cue]:
    """The cues of a segment: all that show within [start, end), with their own times (RFC 8216bis 3.1.4)."""
    return [cue for cue in cues if cue.start_ms < end_ms and cue.end_ms > start_ms]


def format_time(ms: int) -> str:
    """`HH:MM:SS.mmm`; hours may have more digits."""
    seconds, millis = divmod(max(0, ms), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{millis:03}"


def escape(text: str) -> str:
    """Plain text as cue text: no tags, no arrow, no blank line (section 4.2.2)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _normalized(text: str) -> str:
    """Section 6.1 steps 1 to 3: NUL replaced, one sort of line end, byte order mark removed."""
    if len(text) > MAX_CHARS:
        raise CaptionError(f"caption file is over {MAX_CHARS} characters")
    text = text.removeprefix("\ufeff").replace("\0", "\ufffd")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _blocks(text: str) -> list[str]:
    """Runs of lines that are not blank."""
    return [block.strip("\n") for block in re.split(r"\n(?:[ \t]*\n)+", text.strip("\n")) if block.strip()]


def _srt_blocks(text: str) -> list[str]:
    """SRT files leave blank lines inside cues and forget them between: a timing line begins a cue."""
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if _looks_like_timing(line)]
    blocks: list[str] = []
    for position, start in enumerate(starts):
        end = len(lines)
        if position + 1 < len(starts):
            end = starts[position + 1]
            # the number above the next timing line belongs to it
            if end - 1 > start and lines[end - 1].strip().isdigit():
                end -= 1
        body = [line for line in lines[start + 1 : end] if line.strip()]
        blocks.append("\n".join([lines[start], *body]))
    return blocks


def _looks_like_timing(line: str) -> bool:
    """An arrow between numbers: broken ones too, so that they are counted and not taken for text."""
    before, arrow, after = line.partition("-->")
    return bool(arrow) and before[-40:].strip()[-1:].isdigit() and after[:40].strip()[:1].isdigit()


def _cues(blocks: Sequence[str]) -> tuple[list[Cue], int]:
    if len(blocks) > MAX_CUES:
        raise CaptionError(f"over {MAX_CUES} cues")
    cues: list[Cue] = []
    skipped = 0
    for block in blocks:
        cue = _cue(block)
        if cue is None:
            skipped += 1
        else:
            cues.append(cue)
    return sorted(cues, key=lambda cue: cue.start_ms), skipped


def _cue(block: str) -> Cue | None:
    """The cue of a block, or None when it is broken or says nothing."""
    lines = block.split("\n")
    identifier = ""
    if "-->" not in lines[0] and len(lines) > 1:
        identifier = lines.pop(0).strip()
    match = _TIMING.match(lines[0])
    if match is None:
        return None
    start, end = _milliseconds(match, 1), _milliseconds(match, 5)
    text = "\n".join(line.rstrip() for line in lines[1:])
    if start is None or end is None or end <= start or not text.strip() or len(text) > MAX_CUE_CHARS:
        return None
    settings = " ".join(word for word in (match[9] or "").split() if _SETTING.match(word))
    return Cue(start, end, text, identifier, settings)


def _milliseconds(match: re.Match[str], group: int) -> int | None:
    hours, minutes, seconds = int(match[group] or 0), int(match[group + 1]), int(match[group + 2])
    if minutes > 59 or seconds > 59:
        return None
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + int(match[group + 3].ljust(3, "0"))


def _srt_text(text: str) -> str:
    """SRT text as cue text: b, i and u are kept, other markup dropped, the rest escaped."""
    result: list[str] = []
    position = 0
    for match in _SRT_TAG.finditer(text):
        result.append(_escape_srt(text[position : match.start()]))
        if match[2]:
            result.append(f"<{match[1]}{match[2].lower()}>")
        position = match.end()
    result.append(_escape_srt(text[position:]))
    return "".join(result)


def _escape_srt(text: str) -> str:
    # files converted to and fro carry entities already
    return re.sub(r"&amp;(lt|gt|amp|nbsp|lrm|rlm);", r"&\1;", escape(text))


def _render_cue(cue: Cue) -> str:
    # neither an arrow nor a blank line may stand in a cue: they would begin another (section 4.1)
    lines = [_CONTROL.sub("", line) for line in re.split(r"\r\n|\r|\n", cue.text)]
    text = "\n".join(line for line in lines if line.strip()).replace("-->", "--&gt;")
    timing = f"{format_time(cue.start_ms)} --> {format_time(max(cue.end_ms, cue.start_ms + 1))}"
    if cue.settings:
        timing += " " + " ".join(cue.settings.split()).replace("-->", "")
    identifier = " ".join(cue.identifier.split()).replace("-->", "")
    return "\n".join(part for part in (identifier, timing, text) if part)
