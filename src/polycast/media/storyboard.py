"""Sprite sheets for the seek bar: small pictures at a steady interval, tiled into JPEG files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from polycast.domain.media import SourceInfo
from polycast.media.picture_plan import plan_storyboard, span_s
from polycast.media.pictures import main_video, run_pictures
from polycast.media.toolkit_runner import Tools
from polycast.protocols import vtt_metadata


@dataclass(frozen=True, slots=True)
class Storyboard:
    """A finished storyboard: tile `k` (row by row, sheet by sheet) shows about `k * interval_s`.

    Attributes:
        rows: of a full sheet; the last sheet has as many as it needs.
        sheets: `1.jpg`, `2.jpg`, ... in the folder it was made in.
    """

    tile_w: int
    tile_h: int
    columns: int
    rows: int
    interval_s: float
    count: int
    sheets: tuple[Path, ...]

    def grid(self, duration_s: float) -> vtt_metadata.Storyboard:
        """What `storyboard_vtt` renders, for a presentation of this length."""
        return vtt_metadata.Storyboard(
            count=self.count,
            columns=self.columns,
            rows=self.rows,
            width=self.tile_w,
            height=self.tile_h,
            interval_ms=round(self.interval_s * 1000),
            duration_ms=max(1, round(duration_s * 1000)),
        )


async def storyboard(
    toolkit: Tools,
    source: Path,
    info: SourceInfo,
    out_dir: Path,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> Storyboard:
    """Make the storyboard of a source; at most 200 tiles whatever its length.

    A tile is the key frame nearest before its time when that is at most half an interval early, else the exact
    picture, while a budget of decoding lasts. Undecodable places repeat their neighbour.

    Args:
        out_dir: existing scratch folder.
        on_progress: called in the event loop with the number of tiles done.

    Raises:
        Unreadable: no video, or no picture of it can be decoded.
        ChildFailed: this machine could not start or confine the child.
    """
    video = main_video(info)
    plan = plan_storyboard(span_s(info, video), video)
    sheets = await run_pictures(
        toolkit,
        "storyboard",
        source,
        video.index,
        {
            "times": [t + info.start_s for t in plan.times],
            "tolerance_s": plan.interval_s / 2,
            "width": plan.tile_w,
            "height": plan.tile_h,
            "columns": plan.columns,
            "rows": plan.rows,
        },
        out=out_dir,
        folder=out_dir,
        on_progress=on_progress,
    )
    return Storyboard(
        plan.tile_w,
        plan.tile_h,
        plan.columns,
        plan.rows,
        plan.interval_s,
        plan.count,
        tuple(out_dir / f"{number}.jpg" for number in range(1, sheets + 1)),
    )
