"""Sources whose clocks do not begin at 0, or not together: what plays begins at 0, and in step."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest

from polycast.domain.assets import Asset, Track
from polycast.domain.files import File
from polycast.domain.states import AssetStatus, OutputStatus
from polycast.domain.tracks import TrackLog
from polycast.protocols import tracklog
from tests.integration.media.encode_clips import sound_starts
from tests.support.meddling import at_point
from tests.support.media import Media, _run, decoded
from tests.support.studio import Studio

AAC_FRAME_S = 1024 / 44_100
BEEP = "aevalsrc='if(gte(t\\,1)\\,0.5*sin(2*PI*997*t)\\,0)':s=48000"
"""Silence for a second, then a tone."""


def beep(media: Media, name: str, *output: str, seconds: float = 4) -> Path:
    """A file of sound alone."""
    return media.made(name, lambda path: _run("-f", "lavfi", "-i", f"{BEEP}:d={seconds}", *output, str(path)))


def moved(media: Media, clip: str, name: str, *options: str) -> Path:
    """A clip, copied."""
    return media.made(name, lambda path: _run("-i", str(media.clip(clip)), "-c", "copy", *options, str(path)))


async def made(studio: Studio, *files: File, **more: Any) -> Asset:
    asset = await studio.make(*files, **more)
    async with studio.working():
        await studio.settled(asset.uid)
        await studio.quiet()
    asset = await studio.asset(asset.uid)
    assert (asset.status, asset.error) == (AssetStatus.AVAILABLE, None)
    assert [(o.status, o.error) for o in asset.outputs] == [(OutputStatus.AVAILABLE, None)]
    assert await studio.job_failures() == []
    await studio.clear()
    await studio.check_books()
    return asset


def tracks_of(asset: Asset, kind: str) -> list[Track]:
    assert asset.generation is not None
    return [t for t in asset.generation.tracks if t.kind == kind]


async def joined(studio: Studio, asset: Asset, track: Track, target: Path) -> tuple[Path, TrackLog]:
    prefix, log = await studio.log_of(asset, track)
    assert log.header.init is not None
    names = [log.header.init.object, *(s.object for s in log.segments)]
    parts = [await studio.services.store.get(prefix + n) for n in names]
    target.write_bytes(b"".join(parts))  # noqa: ASYNC240 - a small clip
    return target, log


async def heard(studio: Studio, asset: Asset, tmp_path: Path) -> tuple[float, float]:
    """(when the only sound begins to be heard, when its track ends) in seconds of the presentation."""
    (track,) = tracks_of(asset, "audio")
    path, log = await joined(studio, asset, track, tmp_path / "sound.mp4")
    assert log.segments[0].start == 0
    return sound_starts(path), log.duration_s


@pytest.mark.parametrize("film", ["0", "600"])
@pytest.mark.parametrize("sound", [("beep.mp3",), ("beep.ts", "-c:a", "aac", "-output_ts_offset", "20000")])
async def test_sound_of_another_file_begins_with_the_picture(
    studio: Studio, media: Media, tmp_path: Path, film: str, sound: tuple[str, ...]
) -> None:
    name, *output = sound
    video = moved(media, "tall_vp9", f"silent-{film}.mkv", "-an", "-output_ts_offset", film)
    asset = await made(studio, await studio.upload(video), await studio.upload(beep(media, name, *output)))
    begins, ends = await heard(studio, asset, tmp_path)
    assert begins == pytest.approx(1, abs=0.06)
    assert ends == pytest.approx(4, abs=0.1)


async def test_sound_of_another_file_lasts_as_long_as_the_packaged_picture(
    studio: Studio, media: Media, tmp_path: Path
) -> None:
    video = moved(media, "h264_long", "silent.mp4", "-an")
    asset = await made(
        studio,
        await studio.upload(video),
        await studio.upload(beep(media, "short.m4a", "-c:a", "aac", seconds=3)),
    )
    assert [t.name for t in tracks_of(asset, "video")] == ["source"]
    begins, ends = await heard(studio, asset, tmp_path)
    assert begins == pytest.approx(1, abs=2 * AAC_FRAME_S)
    assert ends == pytest.approx(10, abs=2 * AAC_FRAME_S)


@pytest.mark.parametrize("files", [1, 2])
async def test_the_last_picture_is_held_while_the_sound_goes_on(
    studio: Studio, media: Media, tmp_path: Path, files: int
) -> None:
    video = moved(media, "tall", "silent-tall.mp4", "-an")
    sound = beep(media, "longer.m4a", "-c:a", "aac", seconds=6)
    if files == 1:
        maps = ("-map", "0:v", "-map", "1:a", "-c", "copy")
        inputs = ("-i", str(video), "-i", str(sound))
        video = media.made("longer.mp4", lambda path: _run(*inputs, *maps, str(path)))
    asset = await made(studio, *[await studio.upload(path) for path in (video, sound)[:files]])
    videos = tracks_of(asset, "video")
    assert "source" not in [t.name for t in videos]
    for track in videos:
        path, log = await joined(studio, asset, track, tmp_path / f"{track.name}.mp4")
        assert log.duration_s == pytest.approx(6, abs=0.1)
        numbers = [number for _, number in decoded(path)]
        assert numbers == [*range(60), *[59] * (len(numbers) - 60)]


async def test_a_download_has_the_sound_of_another_file(studio: Studio, media: Media, tmp_path: Path) -> None:
    video = moved(media, "tall_vp9", "silent-600.mkv", "-an", "-output_ts_offset", "600")
    late = beep(media, "beep.ts", "-c:a", "aac", "-output_ts_offset", "20000")
    asset = await made(
        studio, await studio.upload(video), await studio.upload(late), await studio.upload(media.clip("mp3")),
        preset="mp4",
    )  # fmt: skip
    key = asset.outputs[0].key
    assert key is not None
    target = tmp_path / "download.mp4"
    target.write_bytes(await studio.services.store.get(key))
    with av.open(str(target)) as container:
        assert [s.type for s in container.streams] == ["video", "audio", "audio"]
        start = container.streams.video[0].start_time
        assert start is not None
        assert float(start * (container.streams.video[0].time_base or 0)) == pytest.approx(0, abs=0.05)
    assert sound_starts(target) == pytest.approx(1, abs=0.06)


async def test_the_first_picture_is_held_while_the_sound_has_begun(
    studio: Studio, media: Media, tmp_path: Path
) -> None:
    def late(path: Path) -> None:
        _run("-i", str(beep(media, "beep.m4a", "-c:a", "aac", seconds=6)), "-itsoffset", "2", "-i",
             str(media.clip("tall")), "-map", "1:v", "-map", "0:a", "-c", "copy", str(path))  # fmt: skip

    asset = await made(studio, await studio.upload(media.made("late-picture.mkv", late)))
    begins, ends = await heard(studio, asset, tmp_path)
    assert begins == pytest.approx(1, abs=0.06)
    assert ends == pytest.approx(6, abs=0.1)
    for track in tracks_of(asset, "video"):
        numbers = await studio.frames(asset, track)
        assert numbers == [0] * 30 + list(range(60)), track.name


async def test_chapters_count_from_the_start_of_what_plays(studio: Studio, media: Media) -> None:
    def chaptered(path: Path) -> None:
        text = path.with_name("chapters.txt")
        text.write_text(
            ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=600000\nEND=602000\ntitle=One\n"
            "[CHAPTER]\nTIMEBASE=1/1000\nSTART=602000\nEND=604000\ntitle=Two\n"
        )
        _run("-itsoffset", "600", "-i", str(media.clip("tall_vp9")), "-i", str(text), "-map", "0", "-map_chapters", "1",
             "-c", "copy", "-copyts", str(path))  # fmt: skip

    file = await studio.upload(media.made("chapters.mkv", chaptered))
    assert file.probe is not None
    assert file.probe.start_s == pytest.approx(600, abs=0.1)
    assert [c.start_s for c in file.probe.chapters] == pytest.approx([600, 602], abs=0.1)
    await made(studio, file)
    rows = await studio.rows("SELECT title, start_s, end_s FROM chapters ORDER BY start_s")
    assert [row.title for row in rows] == ["One", "Two"]
    assert [row.start_s for row in rows] == pytest.approx([0, 2], abs=0.05)
    assert [row.end_s for row in rows] == pytest.approx([2, 4], abs=0.05)


async def test_a_packaged_track_that_does_not_fit_stays_out_of_the_ladder(
    studio: Studio, media: Media
) -> None:
    """Its segments do not begin on frames of the copy that is encoded: all renditions are made anew."""
    asset = await studio.make(await studio.upload(media.clip("tall_ts")))

    async def shift() -> None:
        (row,) = await studio.rows("SELECT uid FROM generations WHERE plan->>'step' = 'as_is'")
        key = f"media/{asset.uid}/g/{row.uid}/source/log.jsonl"
        log = tracklog.loads(await studio.services.store.get(key))
        head, *rest = log.segments
        later = (replace(segment, start=segment.start + 700) for segment in rest)
        await studio.services.store.put(key, tracklog.dumps(TrackLog(log.header, (head, *later))))

    async with at_point("process.planned", shift), studio.working():
        asset = await studio.settled(asset.uid)
        await studio.quiet()
    assert (asset.status, asset.main_output.error if asset.main_output else "") == (
        AssetStatus.AVAILABLE,
        None,
    )
    assert [t.name for t in tracks_of(asset, "video")] == ["360p", "240p"]
    assert len(tracks_of(asset, "audio")) == 1
    for track in tracks_of(asset, "video"):
        assert await studio.frames(asset, track) == list(range(150))
