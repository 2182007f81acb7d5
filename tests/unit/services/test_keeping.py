"""Memory for what is kept is bounded by what it takes."""

import tracemalloc

from polycast.domain.tracks import ObjectRef, Segment, TrackHeader, TrackLog
from polycast.protocols import tracklog
from polycast.services.keeping import Kept
from polycast.services.track_logs import LOG_BYTES, SEGMENT_BYTES


def test_the_least_recently_used_go() -> None:
    kept: Kept[str, str] = Kept(10)
    for key in "abc":
        kept.keep(key, key.upper(), 3)
    assert kept.get("a") == "A"
    kept.keep("d", "D", 4)
    assert [kept.get(key) for key in "abcd"] == ["A", None, "C", "D"]
    assert kept.weight == 10
    kept.keep("a", "AA", 1)
    assert (kept.get("a"), kept.weight) == ("AA", 8)


def test_what_is_too_heavy_is_not_kept_and_drives_nobody_out() -> None:
    kept: Kept[str, str] = Kept(10)
    kept.keep("a", "A", 3)
    kept.keep("b", "B", 11)
    assert (kept.get("a"), kept.get("b"), kept.weight) == ("A", None, 3)
    kept.keep("a", "old no more", 11)
    assert (kept.get("a"), kept.weight) == (None, 0)


def _log(segments: int) -> bytes:
    """A recording's, every value another: the dearest there is."""
    made = [
        Segment(n * 360_007, 360_000 + n, 1_000_000 + 7 * n, f"{n}.m4s", f"{n:064x}", n * 1000, 300 + n)
        for n in range(1, segments + 1)
    ]
    header = TrackHeader(
        "video", "avc1.64001f", 90_000, 5_000_000, 4_000_000, 4, ObjectRef("i", 0, 1, "0" * 64)
    )
    return tracklog.dumps(TrackLog(header, tuple(made)))


def test_logs_take_no_more_than_they_are_weighed_with() -> None:
    stored = [_log(segments) for segments in (1, 100, 2000)]
    for data, segments in zip(stored, (1, 100, 2000), strict=True):
        tracemalloc.start()
        log = tracklog.loads(data, hashes=False)
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(log.segments) == segments
        assert taken < LOG_BYTES + SEGMENT_BYTES * segments, f"{segments} segments take {taken} bytes"
