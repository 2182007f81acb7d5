"""WebVTT files that are not captions: storyboards (one cue a picture) and chapters (one cue a title)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from polycast.protocols.errors import CaptionError
from polycast.protocols.webvtt import Cue, escape, render


@dataclass(frozen=True, slots=True)
class Storyboard:
    """Sprite sheets of `columns` x `rows` pictures, one picture every `interval_ms`.

    Attributes:
        count: pictures in all; the last sheet may be partly empty.
        width, height: of one picture in pixels.
        duration_ms: of the presentation: where the last cue ends.
    """

    count: int
    columns: int
    rows: int
    width: int
    height: int
    interval_ms: int
    duration_ms: int


def storyboard_vtt(board: Storyboard, *, sheet_uri: Callable[[int], str]) -> str:
    """The storyboard as WebVTT with spatial media fragments (`storyboard-1.jpg#xywh=0,0,160,90`).

    Args:
        sheet_uri: from the number of a sheet, from 1, to its URI.

    Raises:
        CaptionError: sizes or interval are not positive.
    """
    if min(board.columns, board.rows, board.width, board.height, board.interval_ms) < 1:
        raise CaptionError("storyboard with an empty grid")
    return render(_pictures(board, sheet_uri))


def _pictures(board: Storyboard, sheet_uri: Callable[[int], str]) -> Iterable[Cue]:
    per_sheet = board.columns * board.rows
    for index in range(board.count):
        start = index * board.interval_ms
        # the last picture stands to the end, however the interval divides it
        is_last = index == board.count - 1
        end = board.duration_ms if is_last else min(start + board.interval_ms, board.duration_ms)
        if end <= start:
            return
        row, column = divmod(index % per_sheet, board.columns)
        where = f"#xywh={column * board.width},{row * board.height},{board.width},{board.height}"
        yield Cue(start, end, sheet_uri(index // per_sheet + 1) + where)


def chapters_vtt(chapters: Iterable[tuple[float, float, str]]) -> str:
    """Chapters (start and end in seconds, title) as WebVTT; untitled ones are numbered, empty ones left out."""
    cues = []
    for number, (start_s, end_s, title) in enumerate(sorted(chapters), start=1):
        start, end = round(start_s * 1000), round(end_s * 1000)
        if end > start >= 0:
            name = " ".join(title.split()) or f"Chapter {number}"
            cues.append(Cue(start, end, escape(name), identifier=str(number)))
    return render(cues)
