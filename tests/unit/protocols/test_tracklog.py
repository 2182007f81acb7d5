import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.domain.tracks import ObjectRef, Segment, TrackHeader, TrackLog
from polycast.protocols import tracklog
from polycast.protocols.errors import TrackLogError
from tests.unit.protocols.strategies import logs, segments

HEADER = TrackHeader(
    kind="video",
    codec="avc1.64001f",
    timescale=12800,
    bandwidth=1_200_000,
    average_bandwidth=900_000,
    target_duration_s=4,
    init=ObjectRef("init.mp4", 0, 800, "ab" * 32),
    width=640,
    height=360,
    frame_rate="25/1",
    video_range="SDR",
)
SEGMENTS = tuple(
    Segment(
        start=i * 51200, duration=51200, size=1000 + i, object=f"{i + 1}.m4s", sha256="cd" * 32, samples=100
    )
    for i in range(3)
)
LOG = TrackLog(HEADER, SEGMENTS, epoch=2)


def test_exact_text() -> None:
    text = tracklog.dumps(TrackLog(HEADER, SEGMENTS[:1])).decode()
    header, segment, end = text.splitlines()
    assert json.loads(header)["init"] == ["init.mp4", 0, 800, "ab" * 32]
    assert segment == f'[0,51200,1000,"1.m4s",0,"{"cd" * 32}",100,1,null]'
    assert end == '{"end":true}'


@given(logs)
def test_round_trip(log: TrackLog) -> None:
    assert tracklog.loads(tracklog.dumps(log)) == log


@given(logs, segments)
def test_append_is_the_same_as_writing_at_once(log: TrackLog, segment: Segment) -> None:
    growing = TrackLog(log.header, log.segments, log.epoch, complete=False)
    grown = TrackLog(log.header, (*log.segments, segment), log.epoch)
    appended = tracklog.dumps(growing) + tracklog.dump_segment(segment) + tracklog.dump_end()
    assert appended == tracklog.dumps(grown)


@given(logs, st.data())
def test_cut_anywhere_behind_the_header_gives_a_prefix(log: TrackLog, data: st.DataObject) -> None:
    whole = tracklog.dumps(log)
    cut = data.draw(st.integers(min_value=whole.index(b"\n") + 1, max_value=len(whole)))
    torn = tracklog.loads(whole[:cut])
    assert torn.header == log.header
    assert torn.segments == log.segments[: len(torn.segments)]
    assert torn.complete == (log.complete and cut == len(whole))
    # truncated to whole lines, the log can be appended to
    mended = whole[: tracklog.whole_length(whole[:cut])]
    assert tracklog.loads(mended) == torn
    if not torn.complete:
        grown = tracklog.loads(mended + tracklog.dump_segment(SEGMENTS[0]))
        assert grown.segments == (*torn.segments, SEGMENTS[0])


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_input_is_a_value_or_the_documented_error(data: bytes) -> None:
    for raw in (data, data + b"\n", tracklog.dump_header(HEADER) + data + b"\n"):
        with contextlib.suppress(TrackLogError):
            tracklog.loads(raw)


GOOD = tracklog.dump_segment(SEGMENTS[0]).decode().strip()


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "null",
        "[1,2,3]",
        '{"end":false}',
        GOOD.replace("51200", "true"),
        GOOD.replace("51200", "-1"),
        GOOD.replace("51200", "1.5"),
        GOOD.replace("51200", str(2**63)),
        GOOD.replace("51200", "9" * 5000),
        GOOD.replace("1.m4s", "../1.m4s"),
        GOOD.replace("1.m4s", "/etc/passwd"),
        GOOD.replace("1.m4s", ""),
        "[" * 5000,
        " " * 70_000,
    ],
)
def test_refuses_lines_of_another_form(line: str) -> None:
    with pytest.raises(TrackLogError):
        tracklog.loads(tracklog.dump_header(HEADER) + line.encode() + b"\n")


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"kind": "smell"},
        {"timescale": 0},
        {"timescale": "1"},
        {"codec": 1},
        {"init": [1]},
        {"epoch": -1},
    ],
)
def test_refuses_headers_of_another_form(change: dict[str, object]) -> None:
    header = json.loads(tracklog.dump_header(HEADER)) | change
    with pytest.raises(TrackLogError):
        tracklog.loads(json.dumps(header).encode() + b"\n")


def test_a_missing_member_is_refused() -> None:
    header = json.loads(tracklog.dump_header(HEADER))
    del header["codec"]
    with pytest.raises(TrackLogError, match="missing"):
        tracklog.loads(json.dumps(header).encode() + b"\n")


def test_nothing_may_follow_the_end() -> None:
    with pytest.raises(TrackLogError, match="follows"):
        tracklog.loads(tracklog.dumps(LOG) + tracklog.dump_segment(SEGMENTS[0]))


def test_members_of_a_later_release_are_ignored() -> None:
    line = [*json.loads(tracklog.dump_segment(SEGMENTS[0])), "new"]
    data = tracklog.dump_header(HEADER) + json.dumps(line).encode() + b"\n"
    assert tracklog.loads(data).segments == SEGMENTS[:1]


def test_cap() -> None:
    with pytest.raises(TrackLogError, match="limit"):
        tracklog.loads(tracklog.dumps(LOG), max_bytes=100)
    with pytest.raises(TrackLogError, match="header"):
        tracklog.loads(b"")
