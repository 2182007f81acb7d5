"""Which pictures to take of a video, and how large. Pure; times are seconds of presentation, from 0."""

from dataclasses import dataclass

from polycast.domain.media import SourceInfo, VideoTrack

POSTER_CANDIDATES = 10
_POSTER_FROM, _POSTER_TO = 0.03, 0.6
"""Shares of the length: behind logos and fades in, before endings are given away."""

TILE_SIDE = 160
MAX_TILES = 200
SHEET_COLUMNS, SHEET_ROWS = 5, 5
"""Small sheets: a pointer anywhere on the seek bar costs one fetch of some 60 kB."""
_INTERVALS_S = (0.5, 1, 2, 3, 4, 5, 10, 15, 20, 30, 60, 90, 120, 180, 300, 600, 900)
_WISHED_TILES = 150

PREVIEW_RATE = 8
_PREVIEW_PLACES = (0.1, 0.35, 0.6, 0.85)
_PREVIEW_PIECE_S = 0.875
"""Seven pictures a place, 3.5 s in all."""


def fit(width: int, height: int, max_side: int) -> tuple[int, int]:
    """The largest even size of this aspect inside a square, never above the given size."""
    scale = min(1.0, max_side / max(width, height, 1))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def span_s(info: SourceInfo, video: VideoTrack) -> float:
    """How long there are pictures, from the start of the presentation; sound may go on for longer."""
    if video.still:
        return 0.0
    if video.duration_s <= 0:
        return max(0.0, info.duration_s)
    end = video.start_s - info.start_s + video.duration_s
    return max(0.0, min(end, info.duration_s) if info.duration_s > 0 else end)


def poster_times(length_s: float) -> list[float]:
    """Candidates, ascending."""
    if length_s <= 0:
        return [0.0]
    step = (_POSTER_TO - _POSTER_FROM) / (POSTER_CANDIDATES - 1)
    return [length_s * (_POSTER_FROM + step * i) for i in range(POSTER_CANDIDATES)]


def frame_times(length_s: float, count: int) -> list[float]:
    """The middles of `count` equal parts."""
    if length_s <= 0:
        return [0.0]
    return [length_s * (i + 0.5) / count for i in range(count)]


@dataclass(frozen=True, slots=True)
class StoryboardPlan:
    """Tile `k` shows about `k * interval_s`; sizes in pixels."""

    tile_w: int
    tile_h: int
    columns: int
    rows: int
    interval_s: float
    count: int

    @property
    def times(self) -> list[float]:
        return [k * self.interval_s for k in range(self.count)]


def plan_storyboard(length_s: float, video: VideoTrack) -> StoryboardPlan:
    """A round interval that gives about 150 tiles at most, one tile for a still picture."""
    interval = next((i for i in _INTERVALS_S if length_s / i <= _WISHED_TILES), None)
    if interval is None:
        interval = length_s / MAX_TILES
    # a last tile for less than half an interval would repeat the one before
    count = max(1, int(length_s / interval + 0.5))
    width, height = fit(video.display_width, video.display_height, TILE_SIDE)
    columns = min(SHEET_COLUMNS, count)
    return StoryboardPlan(width, height, columns, min(SHEET_ROWS, -(-count // columns)), interval, count)


@dataclass(frozen=True, slots=True)
class PreviewPlan:
    """Where the pieces of an animated preview begin, and how long each is."""

    times: tuple[float, ...]
    piece_s: float
    rate: int = PREVIEW_RATE


def plan_preview(length_s: float) -> PreviewPlan:
    """Four places; a video hardly longer than the preview is shown from its start."""
    whole = _PREVIEW_PIECE_S * len(_PREVIEW_PLACES)
    if length_s <= whole * 1.5:
        return PreviewPlan((0.0,), max(1 / PREVIEW_RATE, min(length_s, whole)))
    return PreviewPlan(tuple(length_s * place for place in _PREVIEW_PLACES), _PREVIEW_PIECE_S)
