"""The ffmpeg command of an audio track. Pure."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from polycast.media.command import FRAGMENT_FLAGS
from polycast.media.grid_shape import Grid
from polycast.media.ladder import AudioRendition
from polycast.media.toolkit_runner import input_args
from polycast.protocols.language import three_letters

_USUAL = Fraction(4)
"""Seconds, where the grid has no second segment to tell by."""
_ARGUMENT_BYTES = 100_000
"""Linux takes 131 071 bytes for one argument."""


def audio_args(source: Path, grid: Grid, rendition: AudioRendition, folder: Path, end_s: float) -> list[str]:
    """Arguments behind ffmpeg's global ones; one MP4 for each segment, `<folder>/<number>.mp4`, from 1.

    Args:
        end_s: where the sound ends on the grid's clock; boundaries go on beyond the grid until there.
    """
    base = Fraction(grid.starts[0], grid.timescale)
    first = round(base * rendition.sample_rate)
    layout = "mono" if rendition.channels == 1 else "stereo"
    graph = ",".join(
        (
            f"[0:{rendition.index}]asetpts=PTS-({grid.origin_s.numerator}/{grid.origin_s.denominator})/TB"
            + (f"+({base.numerator}/{base.denominator})/TB" if base else ""),
            # The one clock: silence where packets are missing or the track starts late, samples dropped where
            # it starts early or overlaps; async=1 moves whole samples only and never bends the pitch.
            f"aresample={rendition.sample_rate}:async=1:first_pts={first}",
            f"aformat=sample_fmts=fltp:channel_layouts={layout}",
            # silence until the video ends: players stop where the shortest track stops
            f"apad=whole_dur={float(Fraction(grid.end - grid.starts[0], grid.timescale)):.6f}[a]",
        )
    )
    return [
        "-copyts",  # the same clock as the video
        *input_args(source),
        "-filter_complex", graph,
        "-map", "[a]",
        "-c:a", "aac",
        "-profile:a", "aac_low",  # the one profile that every player has
        "-b:a", str(rendition.bitrate_bps),
        "-flags", "+bitexact",
        # The encoder's first frame holds only its own delay and lies before time 0: left out, sound starts
        # with the picture and no edit list is needed to say so.
        "-bsf:a", f"noise=drop=lt(pts\\,{first})",
        "-avoid_negative_ts", "disabled",
        "-fflags", "+bitexact",
        "-map_metadata", "-1",
        "-map_chapters", "-1",
        "-metadata:s:a:0", f"language={three_letters(rendition.language)}",  # a code out of our own table
        "-f", "segment",
        "-segment_format", "mp4",
        # each file is an init segment and one fragment with its own start time
        "-segment_format_options",
        f"movflags=+{'+'.join(f for f in FRAGMENT_FLAGS if f != 'frag_keyframe')}:use_editlist=0:avoid_negative_ts=disabled",
        *_cuts(grid, end_s),
        "-segment_start_number", "1",
        "-segment_list", "pipe:1",  # a line for each finished file
        "-segment_list_type", "csv",
        f"file:{folder}/%d.mp4",
    ]  # fmt: skip


def _cuts(grid: Grid, end_s: float) -> list[str]:
    """Where to cut: at the grid's boundaries, or where these are too many for a command line, every so often."""
    times = boundaries(grid, end_s)
    text = ",".join(f"{float(t):.6f}".rstrip("0").rstrip(".") for t in times)
    if len(text) <= _ARGUMENT_BYTES:
        return ["-segment_times", text or "1000000"]
    return ["-segment_time", f"{float(_regular(grid)):.6f}"]


def boundaries(grid: Grid, end_s: float) -> list[Fraction]:
    """Inner boundaries in seconds; behind the grid's end more of the usual length, while sound remains."""
    times = [Fraction(s, grid.timescale) for s in grid.starts[1:]]
    usual = _USUAL
    if len(grid.starts) > 1:
        usual = Fraction(grid.starts[1] - grid.starts[0], grid.timescale)
    at = Fraction(grid.end, grid.timescale)
    # a remainder of less than half a segment stays in the last one
    while at + usual / 2 < end_s:
        times.append(at)
        at += usual
    return times


def _regular(grid: Grid) -> Fraction:
    """The step of the grid where it has one, else the mean length of its segments, in seconds."""
    steps = {b - a for a, b in pairwise(grid.starts)}
    if not steps:
        return _USUAL
    if len(steps) == 1:
        return Fraction(steps.pop(), grid.timescale)
    return Fraction(grid.starts[-1] - grid.starts[0], (len(grid.starts) - 1) * grid.timescale)
