"""What a growing playlist of a packaged source names is in the store already."""

from pathlib import Path

from polycast.domain.tracks import ObjectRef, Segment, TrackHeader, TrackLog
from polycast.media.package import SegmentWritten, TrackBegun
from polycast.protocols import tracklog
from polycast.services.pipeline.early import Early
from polycast.services.pipeline.records import NewTrack
from polycast.services.pipeline.workspace import GROWING_LOG
from tests.support.studio import Studio
from tests.support.waiting import until

PREFIX = "media/some/g/one/"


class Packager:
    """Writes the files of two tracks and tells of them, as the packaging child does."""

    def __init__(self, out: Path, early: Early) -> None:
        self._out = out
        self._early = early
        self._written = {"video_1": 0, "audio_1": 0}
        for track in self._written:
            (out / track).mkdir()
            self._file(track, "init.mp4")
            header = TrackHeader("video", "avc1", 1000, 1, 1, 4, init=ObjectRef("init.mp4", 0, 4, "aa"))
            early.heard(TrackBegun(track, header))

    def write(self, track: str, count: int) -> None:
        for _ in range(count):
            number = self._written[track] = self._written[track] + 1
            self._file(track, f"{number}.m4s")
            segment = Segment((number - 1) * 4000, 4000, 4, f"{number}.m4s", "bb")
            self._early.heard(SegmentWritten(track, segment))

    def _file(self, track: str, name: str) -> None:
        (self._out / track / name).write_bytes(b"data")


async def test_nothing_is_listed_before_it_is_there(studio: Studio, tmp_path: Path) -> None:
    shown: list[dict[str, int]] = []
    store = studio.services.store

    async def show(tracks: list[NewTrack]) -> bool:
        there = {info.key async for info in store.list(PREFIX)}
        for track in tracks:
            log = tracklog.loads(await store.get(f"{PREFIX}{track.name}/{GROWING_LOG}"))
            assert log == track.log
            assert log.header.init is not None
            wanted = {log.header.init.object, *(s.object for s in log.segments)}
            assert {f"{PREFIX}{track.name}/{name}" for name in wanted} <= there
        shown.append({t.name: len(t.log.segments) for t in tracks})
        return True

    async def looks(more: int) -> dict[str, int]:
        count = len(shown) + more
        await until(lambda: len(shown) >= count, timeout_s=20, what="another look")
        return shown[-1]

    def named(track: str, header: TrackHeader) -> NewTrack:
        return NewTrack(track, "", "one", TrackLog(header, (), complete=False))

    space = studio.platform.workspace
    async with Early(space, tmp_path, PREFIX, 2, named=named, show=show, every_s=0.2) as early:
        packager = Packager(tmp_path, early)
        packager.write("video_1", 1)
        packager.write("audio_1", 1)
        assert await looks(1) == {"video_1": 1, "audio_1": 1}
        # slower than what may be shown each time, and not both alike
        packager.write("video_1", 6)
        packager.write("audio_1", 2)
        assert await looks(2) == {"video_1": 7, "audio_1": 3}
        packager.write("video_1", 30)
        packager.write("audio_1", 33)
        last = await looks(4)
        assert last == {"video_1": 37, "audio_1": 36}
