"""Storyboards: each tile is cut out of its sheet, and the frame number in it is read."""

from pathlib import Path

import av
import pytest
from PIL import Image

from polycast.domain.errors import Unreadable
from polycast.domain.media import SourceInfo
from polycast.media.storyboard import Storyboard, storyboard
from polycast.media.toolkit import MediaToolkit
from polycast.protocols.vtt_metadata import storyboard_vtt
from polycast.protocols.webvtt import parse_webvtt
from tests.integration.media.probed import Probed
from tests.support.media import Media, _run, frame_number


@pytest.fixture
def probed(media: Media, toolkit: MediaToolkit) -> Probed:
    return Probed(media, toolkit)


def tiles(board: Storyboard) -> list[int]:
    """The frame numbers of all tiles, in order."""
    found = []
    per_sheet = board.columns * board.rows
    for k in range(board.count):
        sheet, place = divmod(k, per_sheet)
        x, y = place % board.columns * board.tile_w, place // board.columns * board.tile_h
        with Image.open(board.sheets[sheet]) as image:
            tile = image.convert("RGB").crop((x, y, x + board.tile_w, y + board.tile_h))
        found.append(frame_number(av.VideoFrame.from_image(tile)))  # type: ignore[no-untyped-call]
    return found


@pytest.mark.parametrize(
    "name", ["h264", "h264_ts", "h264_mkv", "vp9", "long_gop", "portrait", "rotated", "open_gop"]
)
async def test_tile_k_shows_about_k_intervals(
    name: str, probed: Probed, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    source, info = await probed(name)
    board = await storyboard(toolkit, source, info, tmp_path)
    video = info.main_video
    assert video is not None
    late = (video.start_s - info.start_s) * 30
    assert board.count == round(video.duration_s / board.interval_s)
    slack = board.interval_s / 2 * 30 + 2
    wanted = [k * board.interval_s * 30 - late for k in range(board.count)]
    off = [abs(n - w) for n, w in zip(tiles(board), wanted, strict=True)]
    assert max(off) <= slack, off


async def test_the_webvtt_points_at_the_tiles(probed: Probed, toolkit: MediaToolkit, tmp_path: Path) -> None:
    source, info = await probed("h264")
    board = await storyboard(toolkit, source, info, tmp_path)
    text = storyboard_vtt(board.grid(info.duration_s), sheet_uri=lambda n: f"storyboard-{n}.jpg")
    cues = parse_webvtt(text).cues
    assert len(cues) == board.count
    assert cues[0].text == f"storyboard-1.jpg#xywh=0,0,{board.tile_w},{board.tile_h}"
    assert cues[-1].end_ms == round(info.duration_s * 1000)


async def test_a_long_source_costs_no_more_than_a_short_one(
    media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    """Three hours: at most 200 tiles, several sheets, seconds of work; progress is told."""
    short = media.clip("h264_no_b")
    long = media.made(
        "hours.mp4",
        lambda path: _run("-stream_loop", "1799", "-i", str(short), "-map", "0:v", "-c", "copy", str(path)),
    )
    info = await toolkit.probe(long)
    assert info.duration_s == pytest.approx(10_800, rel=0.01)
    told: list[int] = []
    board = await storyboard(toolkit, long, info, tmp_path, on_progress=told.append)
    assert board.count <= 200
    assert len(board.sheets) == -(-board.count // (board.columns * board.rows))
    assert told == list(range(1, board.count + 1))
    numbers = tiles(board)
    # the loop is six seconds long: what a tile shows is known modulo 180 frames
    assert all((n - k * board.interval_s * 30) % 180 < 5 or (n - k * board.interval_s * 30) % 180 > 175
               for k, n in enumerate(numbers[:-1]))  # fmt: skip


async def test_no_video_is_an_error_and_damage_is_not(
    probed: Probed, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    source, info = await probed("audio_only")
    with pytest.raises(Unreadable):
        await storyboard(toolkit, source, info, tmp_path)
    source, info = await probed("truncated_faststart")
    board = await storyboard(toolkit, source, info, tmp_path)
    assert tiles(board)[0] == 0
    fake = tmp_path / "fake.mp4"
    fake.write_bytes(b"\0" * 4096)
    with pytest.raises(Unreadable):
        await storyboard(toolkit, fake, SourceInfo.from_json(info.to_json()), tmp_path)
