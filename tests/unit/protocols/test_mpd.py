from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.domain.tracks import ObjectRef, Segment, TrackHeader, TrackLog
from polycast.protocols import mpd
from polycast.protocols.mpd.timeline import aligned, runs
from polycast.protocols.mpd.xml import duration
from polycast.protocols.published import PublishedTrack
from tests.unit.protocols.test_hls import AUDIO, HD
from tests.unit.protocols.test_tracklog import HEADER, LOG

NS = {"d": "urn:mpeg:dash:schema:mpd:2011"}
START = datetime(2026, 1, 1, tzinfo=UTC)


def log_of(header: TrackHeader, **change: object) -> TrackLog:
    scale = header.timescale
    segments = tuple(
        Segment(start=i * 4 * scale, duration=4 * scale, size=1, object=f"{i + 1}.m4s", sha256="")
        for i in range(3)
    )
    header = replace(header, init=ObjectRef("init.mp4", 0, 1, ""))
    return replace(TrackLog(header, segments), **change)  # type: ignore[arg-type]


def tree(manifest: mpd.Manifest) -> ET.Element:
    text = mpd.render(manifest)
    assert text == mpd.render(manifest)
    return ET.fromstring(text)


def segment(start: int, length: int) -> Segment:
    return Segment(start=start, duration=length, size=1, object="x", sha256="")


def test_exact_text() -> None:
    log = replace(LOG, header=replace(HEADER, offset=1024))
    text = mpd.render(mpd.manifest([("v1", log, "g/1/v1/")]))
    assert text == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011"'
        ' type="static" mediaPresentationDuration="PT11.92S" minBufferTime="PT4S">\n'
        '  <Period id="0" start="PT0S">\n'
        '    <AdaptationSet id="0" contentType="video" mimeType="video/mp4" segmentAlignment="true"'
        ' startWithSAP="1" maxWidth="640" maxHeight="360">\n'
        '      <Role schemeIdUri="urn:mpeg:dash:role:2011" value="main" />\n'
        '      <Representation id="v1" bandwidth="1200000" codecs="avc1.64001f" width="640" height="360"'
        ' frameRate="25">\n'
        '        <SegmentTemplate timescale="12800" presentationTimeOffset="1024" startNumber="1"'
        ' initialization="g/1/v1/init.mp4" media="g/1/v1/$Number$.m4s">\n'
        "          <SegmentTimeline>\n"
        '            <S t="0" d="51200" r="2" />\n'
        "          </SegmentTimeline>\n"
        "        </SegmentTemplate>\n"
        "      </Representation>\n"
        "    </AdaptationSet>\n"
        "  </Period>\n"
        "</MPD>\n"
    )


def test_adaptation_sets() -> None:
    root = tree(
        mpd.manifest(
            [
                ("de", log_of(replace(AUDIO, language="ger")), "de/"),
                ("hd", log_of(HD), "hd/"),
                ("sd", log_of(HEADER), "sd/"),
                ("av1", log_of(replace(HEADER, codec="av01.0.04M.08")), "av1/"),
                ("hdr", log_of(replace(HEADER, codec="hvc1.2.4.L93.B0", video_range="PQ")), "hdr/"),
                ("en", log_of(AUDIO), "en/"),
                ("opus", log_of(replace(AUDIO, codec="opus")), "opus/"),
                ("i", log_of(replace(HEADER, kind="iframe")), "i/"),
            ],
            captions=[mpd.Caption("c1", "captions/de.vtt", "deu", 'A & "B"\x00<', default=True)],
            thumbnails=mpd.Thumbnails("storyboard-$Number$.jpg", 5, 4, 2.0, 800, 360),
        )
    )
    sets = root.findall(".//d:AdaptationSet", NS)
    assert [
        (s.get("contentType"), s.get("lang"), [r.get("id") for r in s.findall("d:Representation", NS)])
        for s in sets
    ] == [
        ("video", None, ["sd", "hd"]),
        ("video", None, ["av1"]),
        ("video", None, ["hdr"]),
        ("audio", "de", ["de"]),
        ("audio", "en", ["en"]),
        ("audio", "en", ["opus"]),
        ("text", "de", ["c1"]),
        ("image", None, ["thumbnails"]),
    ]
    assert [[r.get("value") for r in s.findall("d:Role", NS)] for s in sets[3:7]] == [
        ["main"], ["alternate"], ["alternate"], ["subtitle", "main"],
    ]  # fmt: skip
    assert sets[6].findtext("d:Label", namespaces=NS) == 'A & "B" <'
    assert [e.get("value") for e in sets[2].findall("d:EssentialProperty", NS)] == ["9", "16", "9"]
    tile = sets[7].find(".//d:EssentialProperty", NS)
    template = sets[7].find(".//d:SegmentTemplate", NS)
    assert tile is not None and template is not None
    assert tile.get("value") == "5x4"
    assert template.get("duration") == "40000"


def test_default_audio_is_main_whatever_its_place() -> None:
    root = tree(
        mpd.manifest(
            [
                PublishedTrack("en", log_of(AUDIO), "en/"),
                PublishedTrack("de", log_of(replace(AUDIO, language="de")), "de/", default=True),
            ]
        )
    )
    assert [r.get("value") for r in root.findall(".//d:Role", NS)] == ["alternate", "main"]


def test_equal_audio_tracks_are_not_switched_between_but_tiers_are() -> None:
    tracks = [PublishedTrack("a", log_of(AUDIO), "a/"), PublishedTrack("b", log_of(AUDIO), "b/")]
    assert len(tree(mpd.manifest(tracks)).findall(".//d:AdaptationSet", NS)) == 2
    tracks[1] = tracks[1]._replace(tier=1)
    assert len(tree(mpd.manifest(tracks)).findall(".//d:AdaptationSet", NS)) == 1


def test_growing() -> None:
    growing = mpd.Growing(START, START + timedelta(seconds=9), update_s=2.5)
    root = tree(mpd.manifest([("v", log_of(HEADER, complete=False), "v/")], growing=growing))
    assert root.get("type") == "dynamic"
    assert root.get("availabilityStartTime") == "2026-01-01T00:00:00.000Z"
    assert root.get("publishTime") == "2026-01-01T00:00:09.000Z"
    assert root.get("minimumUpdatePeriod") == "PT2.5S"
    assert root.get("mediaPresentationDuration") is None
    # when all is there the manifest is final: no update period (5.3.1.2)
    root = tree(mpd.manifest([("v", log_of(HEADER), "v/")], growing=growing))
    assert root.get("minimumUpdatePeriod") is None
    assert root.get("mediaPresentationDuration") == "PT12S"


def test_refuses() -> None:
    with pytest.raises(mpd.ManifestError, match="growing"):
        mpd.manifest([("v", log_of(HEADER, complete=False), "v/")])
    with pytest.raises(mpd.ManifestError, match="without its log"):
        mpd.manifest([("v", HEADER, "v/")])
    with pytest.raises(mpd.ManifestError, match="neither"):
        mpd.manifest([])
    with pytest.raises(mpd.ManifestError, match="fraction"):
        mpd.manifest([("v", log_of(replace(HEADER, frame_rate="25/0")), "v/")])


def test_a_dollar_in_a_folder_is_not_an_identifier() -> None:
    root = tree(mpd.manifest([("v", log_of(HEADER), "a$Time$/")]))
    template = root.find(".//d:SegmentTemplate", NS)
    assert template is not None
    assert template.get("media") == "a$$Time$$/$Number$.m4s"


def test_runs() -> None:
    assert runs([]) == ()
    assert runs([segment(10, 5), segment(15, 5), segment(20, 4), segment(30, 4), segment(34, 4)]) == (
        mpd.Run(5, 2, 10),
        mpd.Run(4, 1),
        mpd.Run(4, 2, 30),
    )


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), max_size=30))
def test_runs_expand_to_the_segments(steps: list[tuple[int, int]]) -> None:
    segments: list[Segment] = []
    position = 0
    for gap, length in steps:
        segments.append(segment(position + gap, length))
        position += gap + length
    expanded: list[tuple[int, int]] = []
    clock = 0
    for run in runs(segments):
        clock = clock if run.start is None else run.start
        for _ in range(run.count):
            expanded.append((clock, run.duration))
            clock += run.duration
    assert expanded == [(s.start, s.duration) for s in segments]


def test_alignment() -> None:
    ntsc = replace(HEADER, timescale=30000)
    a = TrackLog(ntsc, (segment(0, 120120), segment(120120, 120120)))
    b = TrackLog(replace(HEADER, timescale=90000), (segment(0, 360360), segment(360360, 1)))
    c = TrackLog(replace(HEADER, timescale=90000), (segment(0, 360000), segment(360000, 360360)))
    assert aligned([a, b])
    assert not aligned([a, c])
    assert not aligned([a, replace(a, segments=a.segments[:1])])
    assert aligned([a, replace(a, segments=a.segments[:1], complete=False)])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(Fraction(0), "PT0S"), (Fraction(10), "PT10S"), (Fraction(1, 3), "PT0.333334S"), (2.5, "PT2.5S")],
)
def test_durations_round_up(seconds: Fraction | float, text: str) -> None:
    assert duration(seconds) == text


@given(st.text(max_size=40))
def test_any_name_survives_xml(name: str) -> None:
    log = log_of(replace(AUDIO, label=name, language=name))
    ET.fromstring(
        mpd.render(mpd.manifest([(name, log, name)], captions=[mpd.Caption(name, name, name, name)]))
    )
