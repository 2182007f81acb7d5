"""Playlists as exact text: whoever changes a line here changes what every player gets."""

from dataclasses import replace

import pytest

from polycast.domain.tracks import Segment, SegmentFlag, TrackHeader, TrackLog
from polycast.protocols import hls, m3u8
from polycast.protocols.errors import PlaylistError
from polycast.protocols.published import PublishedTrack
from tests.unit.protocols.test_tracklog import HEADER, LOG

AUDIO = TrackHeader(
    kind="audio",
    codec="mp4a.40.2",
    timescale=48000,
    bandwidth=128_000,
    average_bandwidth=120_000,
    target_duration_s=4,
    sample_rate=48000,
    channels=2,
    language="eng",
)
HD = replace(HEADER, bandwidth=5_000_000, average_bandwidth=4_000_000, width=1280, height=720)


def uri(index: int, segment: Segment) -> str:
    return f"v1/{index + 1}.m4s"


def media(log: TrackLog, *, byte_ranges: bool = False) -> m3u8.MediaPlaylist:
    return hls.media_playlist(log, segment_uri=uri, init_uri="v1/init.mp4", byte_ranges=byte_ranges)


def test_video_audio_subtitles() -> None:
    playlist = hls.multivariant(
        [
            ("hd", HD, "hd.m3u8"),
            ("sd", HEADER, "sd.m3u8"),
            ("en", AUDIO, "en.m3u8"),
            ("de", replace(AUDIO, language="ger", bandwidth=192_000), "de.m3u8"),
            ("i", replace(HEADER, kind="iframe", bandwidth=90_000, average_bandwidth=80_000), "i.m3u8"),
        ],
        subtitles=[hls.Subtitle('Deu"tsch\r\n#EXT-X-ENDLIST', "s.m3u8", "deu", default=True)],
        start0=True,
    )
    assert playlist.render().splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:6",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "#EXT-X-START:TIME-OFFSET=0",
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,'
        'CHANNELS="2",URI="en.m3u8"',
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Deutsch",LANGUAGE="de",AUTOSELECT=YES,'
        'CHANNELS="2",URI="de.m3u8"',
        '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subs",NAME="Deu\'tsch #EXT-X-ENDLIST",LANGUAGE="de",DEFAULT=YES,'
        'AUTOSELECT=YES,URI="s.m3u8"',
        '#EXT-X-STREAM-INF:BANDWIDTH=1392000,AVERAGE-BANDWIDTH=1020000,CODECS="avc1.64001f,mp4a.40.2",'
        'RESOLUTION=640x360,FRAME-RATE=25,VIDEO-RANGE=SDR,AUDIO="audio",SUBTITLES="subs",CLOSED-CAPTIONS=NONE',
        "sd.m3u8",
        '#EXT-X-STREAM-INF:BANDWIDTH=5192000,AVERAGE-BANDWIDTH=4120000,CODECS="avc1.64001f,mp4a.40.2",'
        'RESOLUTION=1280x720,FRAME-RATE=25,VIDEO-RANGE=SDR,AUDIO="audio",SUBTITLES="subs",CLOSED-CAPTIONS=NONE',
        "hd.m3u8",
        '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=90000,AVERAGE-BANDWIDTH=80000,CODECS="avc1.64001f",'
        'RESOLUTION=640x360,VIDEO-RANGE=SDR,URI="i.m3u8"',
    ]
    assert m3u8.parse(playlist.render()).render() == playlist.render()


def test_one_audio_track_alone_needs_no_group() -> None:
    assert hls.multivariant([("a", AUDIO, "a.m3u8")]).render().splitlines()[3:] == [
        '#EXT-X-STREAM-INF:BANDWIDTH=128000,AVERAGE-BANDWIDTH=120000,CODECS="mp4a.40.2"',
        "a.m3u8",
    ]


def test_audio_in_two_languages_and_two_tiers() -> None:
    low = replace(AUDIO, bandwidth=64_000, average_bandwidth=60_000)
    playlist = hls.multivariant(
        [
            PublishedTrack("en", AUDIO, "en.m3u8"),
            PublishedTrack("de", replace(AUDIO, language="de"), "de.m3u8", default=True),
            PublishedTrack("en-low", low, "en-low.m3u8", tier=1),
            PublishedTrack("de-low", replace(low, language="de"), "de-low.m3u8", tier=1, default=True),
        ]
    )
    assert [(v.uri, v.bandwidth, v.audio) for v in playlist.variants] == [
        ("de.m3u8", 128_000, "audio-aac-0"),
        ("de-low.m3u8", 64_000, "audio-aac-1"),
    ]
    assert [(r.group_id, r.name, r.default) for r in playlist.renditions] == [
        ("audio-aac-0", "English", False),
        ("audio-aac-0", "Deutsch", True),
        ("audio-aac-1", "English", False),
        ("audio-aac-1", "Deutsch", True),
    ]


def test_tiers_follow_the_pictures_and_families_are_crossed() -> None:
    playlist = hls.multivariant(
        [
            PublishedTrack("hd", HD, "hd"),
            PublishedTrack("sd", HEADER, "sd"),
            PublishedTrack("a0", AUDIO, "a0"),
            PublishedTrack("a1", replace(AUDIO, bandwidth=64_000), "a1", tier=1),
            PublishedTrack("o", replace(AUDIO, codec="opus"), "o"),
        ]
    )
    assert {(v.uri, v.audio) for v in playlist.variants} == {
        ("hd", "audio-aac-0"),
        ("sd", "audio-aac-1"),
        ("hd", "audio-opus-0"),
        ("sd", "audio-opus-0"),
    }


def test_unnamed_tracks_get_different_names() -> None:
    plain = replace(AUDIO, language="und")
    playlist = hls.multivariant([("v", HEADER, "v"), ("a", plain, "a"), ("b", plain, "b")])
    assert [r.name for r in playlist.renditions] == ["Audio", "Audio 2"]
    assert [r.language for r in playlist.renditions] == [None, None]
    assert sum(r.default for r in playlist.renditions) == 1


def test_players_choose_one_of_a_language_by_themselves() -> None:
    """A commentary in the film's language is offered, never taken for its sound (4.4.6.1.1)."""
    comments = replace(AUDIO, label="Comments")
    playlist = hls.multivariant(
        [
            PublishedTrack("v", HEADER, "v"),
            PublishedTrack("c", comments, "c"),
            PublishedTrack("en", AUDIO, "en", default=True),
            PublishedTrack("de", replace(AUDIO, language="de"), "de"),
            PublishedTrack("de-c", replace(comments, language="de"), "de-c"),
        ],
        subtitles=[
            hls.Subtitle("English", "s1", "en"),
            hls.Subtitle("English for all", "s2", "en"),
            hls.Subtitle("Signs", "s3", "en", forced=True),
        ],
    )
    assert [r.uri for r in playlist.renditions if r.autoselect] == ["en", "de", "s1", "s3"]
    assert len(playlist.renditions) == 7


def test_nothing_to_play() -> None:
    with pytest.raises(PlaylistError):
        hls.multivariant([])


def test_vod() -> None:
    assert media(LOG).render() == (
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n"
        '#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI="v1/init.mp4"\n'
        "#EXTINF:4,\nv1/1.m4s\n#EXTINF:4,\nv1/2.m4s\n#EXTINF:4,\nv1/3.m4s\n#EXT-X-ENDLIST\n"
    )


def test_a_target_duration_above_the_tracks_own() -> None:
    log = replace(LOG, segments=(replace(LOG.segments[0], duration=int(5.5 * LOG.header.timescale)),))
    assert hls.target_duration(LOG) == 4
    assert hls.target_duration(log) == 6
    for least, announced in ((0, 6), (5, 6), (8, 8)):
        playlist = hls.media_playlist(log, segment_uri=uri, init_uri="i", target_s=least)
        assert playlist.target_duration == announced


def test_growing() -> None:
    text = media(replace(LOG, complete=False)).render()
    assert "#EXT-X-PLAYLIST-TYPE:EVENT\n" in text
    assert "#EXT-X-START:TIME-OFFSET=0\n" in text
    assert "ENDLIST" not in text
    # an EVENT playlist only ever grows at its end (4.4.3.5)
    shorter = media(replace(LOG, segments=LOG.segments[:2], complete=False)).render()
    assert text.startswith(shorter)


def test_growing_without_a_segment_yet() -> None:
    empty = media(replace(LOG, segments=(), complete=False))
    assert empty.target_duration == 4
    assert m3u8.parse(empty.render()) == empty


def test_rounding_does_not_add_up() -> None:
    header = replace(HEADER, timescale=30000)
    segments = tuple(
        Segment(start=i * 7007, duration=7007, size=1, object=f"{i}.m4s", sha256="") for i in range(5000)
    )
    playlist = media(TrackLog(header, segments))
    assert sum(round(s.duration * 1e6) for s in playlist.segments) == round(5000 * 7007 / 30000 * 1e6)


def test_durations_are_rounded_to_microseconds() -> None:
    header = replace(HEADER, timescale=3)
    segments = (Segment(start=0, duration=2, size=1, object="x", sha256=""),)
    assert "#EXTINF:0.666667,\n" in media(TrackLog(header, segments)).render()


def test_a_longer_segment_raises_the_target_duration() -> None:
    long = replace(LOG.segments[0], duration=int(12800 * 5.5))
    assert media(replace(LOG, segments=(long,))).target_duration == 6


def test_byte_ranges_flags_and_dates() -> None:
    segments = (
        replace(LOG.segments[0], object="pack", offset=10, wall_clock_us=1_600_000_000_123_456),
        replace(
            LOG.segments[1], object="pack", offset=1010, flags=SegmentFlag.DISCONTINUITY | SegmentFlag.GAP
        ),
    )
    text = media(replace(LOG, segments=segments), byte_ranges=True).render()
    assert text.splitlines()[5:] == [
        '#EXT-X-MAP:URI="v1/init.mp4",BYTERANGE="800@0"',
        "#EXT-X-PROGRAM-DATE-TIME:2020-09-13T12:26:40.123Z",
        "#EXTINF:4,",
        "#EXT-X-BYTERANGE:1000@10",
        "v1/1.m4s",
        "#EXT-X-DISCONTINUITY",
        "#EXT-X-GAP",
        "#EXTINF:4,",
        "#EXT-X-BYTERANGE:1001@1010",
        "v1/2.m4s",
        "#EXT-X-ENDLIST",
    ]


def test_iframe_playlist() -> None:
    playlist = media(replace(LOG, header=replace(HEADER, kind="iframe")), byte_ranges=True)
    assert "#EXT-X-I-FRAMES-ONLY\n" in playlist.render()


def test_subtitle_playlist() -> None:
    assert hls.subtitle_playlist("en.vtt", 12.6).render() == (
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:13\n#EXT-X-MEDIA-SEQUENCE:0\n"
        "#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:12.6,\nen.vtt\n#EXT-X-ENDLIST\n"
    )
