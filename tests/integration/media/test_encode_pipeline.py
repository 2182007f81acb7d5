"""From the file to the track logs, with the real probe and the real packager in front."""

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from polycast.domain.errors import IntegrityError, Unreadable
from polycast.domain.presets import Preset, Rung
from polycast.domain.tracks import TrackLog
from polycast.media.assemble import assemble_audio, assemble_video
from polycast.media.chunks import Chunk, plan_chunks
from polycast.media.encode_split import EncodedChunk
from polycast.media.grid import plan_grid
from polycast.media.grid_shape import Grid
from polycast.media.ladder import plan_ladder
from polycast.media.selection import TrackSelection
from polycast.media.toolkit import MediaToolkit
from tests.integration.media.encode_clips import decode, whole
from tests.support.media import FFMPEG, Media, decoded

PRESET = Preset("test", "", "stream", (Rung(90, 200_000, 30), Rung(180, 400_000, 28)))
UPRIGHT = ("h264", "h264_mkv", "h264_ts", "h264_flv", "h264_no_b", "h264_deep_b", "h264_fragmented", "no_audio",
           "mono", "rate_23.976", "rate_29.97", "rate_50", "rate_60", "vfr", "late_audio", "open_gop", "long_gop",
           "portrait", "odd_size", "anamorphic", "interlaced", "ten_bit", "hevc", "vp9", "vp8", "av1", "mpeg2",
           "prores", "surround", "languages")  # fmt: skip


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Media:
    return Media.for_run(tmp_path_factory)


@pytest.fixture
async def toolkit(tmp_path: Path) -> AsyncIterator[MediaToolkit]:
    yield MediaToolkit(ffmpeg=FFMPEG, work_root=tmp_path)


async def run(toolkit: MediaToolkit, source: Path, out: Path) -> tuple[Grid, dict[str, TrackLog]]:
    info = await toolkit.probe(source)
    prepared = await toolkit.prepare_source(source, info, out)
    ladder = plan_ladder(prepared.info, PRESET)
    grid = plan_grid(prepared.info, prepared.frames, target_s=1.0)
    logs: dict[str, TrackLog] = {}
    encoded = [
        await toolkit.encode_chunk(prepared.path, prepared.info, chunk, ladder.renditions, out, speed="first")
        for chunk in plan_chunks(grid, 2.0, first_s=1.0)
    ]
    for i, rendition in enumerate(ladder.renditions):
        if encoded:
            logs[rendition.name] = assemble_video(rendition, grid, [c[i] for c in encoded])
    for audio in ladder.audio:
        logs[audio.name] = assemble_audio(
            audio, await toolkit.encode_audio(prepared.path, prepared.info, grid, audio, out)
        )
    return grid, logs


@pytest.mark.parametrize("name", UPRIGHT)
async def test_what_a_player_would_see_is_what_the_source_shows(
    name: str, clips: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    source = clips.clip(name)
    wanted = list(decoded(source))
    with capture_logs() as logs:
        grid, tracks = await run(toolkit, source, tmp_path)
    assert not [entry for entry in logs if entry["event"] == "chunk_not_as_planned"]
    videos = {k: v for k, v in tracks.items() if v.header.kind == "video"}
    assert videos
    for folder, log in videos.items():
        shown = list(decoded(whole(tmp_path / folder, log)))
        assert [n for _, n in shown] == [n for _, n in wanted]
        # containers with whole milliseconds say their times that roughly
        offsets = [a - b for (a, _), (b, _) in zip(shown, wanted, strict=True)]
        assert max(offsets) - min(offsets) < 0.0021
        dts = decode(whole(tmp_path / folder, log)).dts
        assert all(a < b for a, b in pairwise(dts))
        assert [s.start for s in log.segments] == list(grid.starts)
    for log in tracks.values():
        if log.header.kind == "audio":
            assert log.segments[0].start == 0
            # sound may last longer than the picture, never shorter
            assert -0.05 < log.duration_s - grid.duration_s < (0.6 if name == "late_audio" else 0.2)


@pytest.mark.parametrize(
    "name",
    [
        "hdr",
        "still_png",
        "still_jpg",
        "audio_only",
        "mp3",
        "broken_ts",
        "untimed_ts",
        "timed_once_ts",
        "rotated_mkv",
        "flipped",
        "truncated_faststart",
    ],
)
async def test_special_sources_play(name: str, clips: Media, toolkit: MediaToolkit, tmp_path: Path) -> None:
    _, tracks = await run(toolkit, clips.clip(name), tmp_path)
    for folder, log in tracks.items():
        path = whole(tmp_path / folder, log)
        if log.header.kind == "video":
            numbers = [n for _, n in decoded(path)]
            if name in ("hdr", "rotated_mkv", "flipped", "untimed_ts", "timed_once_ts"):
                assert numbers == list(range(90))
            elif name == "broken_ts":
                assert numbers[:90] == list(range(90)) and numbers[-90:] == list(range(90))
            elif name == "truncated_faststart":
                # the last picture of what is left may be half a picture
                assert len(numbers) > 30 and numbers[:-2] == list(range(len(numbers) - 2))
            else:
                assert set(numbers) == {0} and len(numbers) == 50
    kinds = {log.header.kind for log in tracks.values()}
    assert kinds == (
        {"audio"} if name in ("audio_only", "mp3") else {"video"} if name.startswith("still") else kinds
    )


@pytest.mark.parametrize(
    "name",
    [
        "h264",
        "h264_deep_b",
        "rate_23.976",
        "rate_29.97",
        "h264_mkv",
        "h264_ts_late",
        "tall_ts",
        "tall_ts_film",
    ],
)
async def test_renditions_join_a_served_source(
    name: str, clips: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    """Where the source is a rung itself, every other rung switches to it at the same frame and time."""
    source = clips.clip(name)
    info = await toolkit.probe(source)
    packaged = await toolkit.package(source, tmp_path, TrackSelection.everything(info), info)
    served = next(p for p in packaged if p.log.header.kind == "video")
    prepared = await toolkit.prepare_source(source, replace(info, audio=()), tmp_path, exact=True)
    grid = plan_grid(prepared.info, prepared.frames, served.log)
    renditions = plan_ladder(info, PRESET, as_is=True).renditions[:1]
    assert [r.name for r in renditions] == ["90p"]
    chunks = [
        (await toolkit.encode_chunk(prepared.path, prepared.info, c, renditions, tmp_path, speed="first"))[0]
        for c in plan_chunks(grid, 2.0)
    ]
    log = assemble_video(renditions[0], grid, chunks)
    assert [(s.start, s.duration) for s in log.segments] == [
        (s.start, s.duration) for s in served.log.segments
    ]
    assert log.header.timescale == served.log.header.timescale
    ours = list(decoded(whole(tmp_path / "90p", log)))
    theirs = list(decoded(whole(served.folder, served.log)))
    assert [n for _, n in ours] == [n for _, n in theirs]
    assert [t for t, _ in ours] == pytest.approx([t for t, _ in theirs], abs=1e-3)


async def _chunks(
    toolkit: MediaToolkit, source: Path, out: Path
) -> tuple[Grid, list[Chunk], list[EncodedChunk]]:
    prepared = await toolkit.prepare_source(source, await toolkit.probe(source), out)
    grid = plan_grid(prepared.info, prepared.frames, target_s=1.0)
    chunks = plan_chunks(grid, 2.0, first_s=1.0)
    rendition = plan_ladder(prepared.info, PRESET).renditions[0]
    made = [
        (await toolkit.encode_chunk(prepared.path, prepared.info, c, [rendition], out, speed="first"))[0]
        for c in chunks
    ]
    return grid, chunks, made


async def test_a_log_is_made_of_whole_rows_only(clips: Media, toolkit: MediaToolkit, tmp_path: Path) -> None:
    source = clips.clip("h264")
    grid, _, made = await _chunks(toolkit, source, tmp_path)
    rendition = plan_ladder(await toolkit.probe(source), PRESET).renditions[0]
    assert len({c.init.sha256 for c in made}) == 1
    growing = assemble_video(rendition, grid, made[:2], complete=False)
    assert not growing.complete and len(growing.segments) < len(grid.starts)
    for wrong in (made[:-1], made[1:], [*made, made[0]], [made[0], *made[2:]]):
        with pytest.raises(IntegrityError):
            assemble_video(rendition, grid, wrong)
    assert all(EncodedChunk.from_json(c.to_json()) == c for c in made)


async def test_damage_costs_its_frames_and_no_more(
    clips: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    """A stretch of the file is overwritten: the rest plays, on the same grid, in one piece."""
    data = bytearray(clips.clip("h264_ts").read_bytes())
    middle = len(data) // 2 // 188 * 188
    data[middle : middle + 188 * 20] = bytes(188 * 20)
    source = tmp_path / "damaged.ts"
    source.write_bytes(data)
    grid, _, made = await _chunks(toolkit, source, tmp_path)
    rendition = plan_ladder(await toolkit.probe(source), PRESET).renditions[0]
    log = assemble_video(rendition, grid, made)
    numbers = [n for _, n in decoded(whole(tmp_path / rendition.name, log))]
    assert numbers[0] == 0 and len(set(numbers)) > 90
    assert len(log.segments) == len(grid.starts)


async def test_a_chunk_without_a_frame_is_an_error(
    clips: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    source = clips.clip("h264")
    prepared = await toolkit.prepare_source(source, await toolkit.probe(source), tmp_path)
    chunks = plan_chunks(plan_grid(prepared.info, prepared.frames, target_s=1.0), 2.0)
    rendition = plan_ladder(prepared.info, PRESET).renditions[0]
    short = tmp_path / "short.mp4"
    short.write_bytes(source.read_bytes()[:60_000])
    with pytest.raises(Unreadable):
        await toolkit.encode_chunk(short, prepared.info, chunks[-1], [rendition], tmp_path)
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".encoding.mp4")]


@pytest.mark.parametrize(
    "name", ["h264_deep_b", "open_gop", "rate_23.976", "vfr", "vp9", "h264_mkv", "h264_ts", "prores"]
)
async def test_a_slice_encodes_to_the_same_bytes(
    name: str, clips: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    """A worker without the source makes exactly what one with the source makes."""
    source = clips.clip(name)
    prepared = await toolkit.prepare_source(source, await toolkit.probe(source), tmp_path)
    renditions = plan_ladder(prepared.info, PRESET).renditions[:1]
    grid = plan_grid(prepared.info, prepared.frames, target_s=1.0)
    for chunk in plan_chunks(grid, 1.0, first_s=1.0):
        near = await toolkit.encode_chunk(
            prepared.path, prepared.info, chunk, renditions, tmp_path, speed="first"
        )
        piece = await toolkit.cut_slice(prepared, chunk, tmp_path / "slice")
        with capture_logs() as logs:
            far = await toolkit.encode_chunk(
                piece.path, piece.info, piece.chunk, renditions, tmp_path, speed="first"
            )
        assert not logs
        assert near == far
