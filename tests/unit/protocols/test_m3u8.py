"""RFC 8216bis: one table of texts, values and canonical texts; hostile values; properties."""

import contextlib
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.protocols import m3u8
from polycast.protocols.m3u8 import primitives
from polycast.protocols.m3u8.primitives import Attributes, AttributeWriter

KEY = m3u8.Key(
    "SAMPLE-AES", "skd://k", "0123456789abcdef0123456789abcdef", "com.apple.streamingkeydelivery", "1"
)

CASES = [
    pytest.param(
        "#EXTM3U\r\n#EXT-X-TARGETDURATION:10\r\n\r\n# a comment\n#EXTINF:9.009,\nhttp://media.example.com/first.ts\n"
        "#EXTINF:3.003,a title, with comma\nsecond.ts\n#EXT-X-ENDLIST",
        m3u8.MediaPlaylist(
            target_duration=10,
            segments=(
                m3u8.MediaSegment("http://media.example.com/first.ts", 9.009),
                m3u8.MediaSegment("second.ts", 3.003, "a title, with comma"),
            ),
            ended=True,
        ),
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:9.009,\n"
        "http://media.example.com/first.ts\n#EXTINF:3.003,a title, with comma\nsecond.ts\n#EXT-X-ENDLIST\n",
        id="simple, RFC 8216bis 9.1",
    ),
    pytest.param(
        "#EXTM3U\n#EXT-X-VERSION:5\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7794\n"
        '#EXT-X-KEY:METHOD=AES-128,URI="https://priv.example.com/key.php?r=52"\n#EXTINF:4,\na.ts\n#EXTINF:4,\nb.ts\n'
        "#EXT-X-KEY:METHOD=NONE\n#EXTINF:4,\nc.ts\n"
        '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://k",IV=0X0123456789ABCDEF0123456789ABCDEF,'
        'KEYFORMAT="com.apple.streamingkeydelivery",KEYFORMATVERSIONS="1"\n'
        '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="data:x",KEYFORMAT="urn:uuid:edef"\n#EXTINF:4,\nd.ts\n',
        m3u8.MediaPlaylist(
            version=5,
            target_duration=4,
            media_sequence=7794,
            segments=(
                *(
                    m3u8.MediaSegment(u, 4, keys=(m3u8.Key("AES-128", "https://priv.example.com/key.php?r=52"),))
                    for u in ("a.ts", "b.ts")
                ),
                m3u8.MediaSegment("c.ts", 4),
                m3u8.MediaSegment(
                    "d.ts", 4, keys=(KEY, m3u8.Key("SAMPLE-AES", "data:x", keyformat="urn:uuid:edef"))
                ),
            ),
        ),
        "#EXTM3U\n#EXT-X-VERSION:5\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7794\n"
        '#EXT-X-KEY:METHOD=AES-128,URI="https://priv.example.com/key.php?r=52"\n#EXTINF:4,\na.ts\n#EXTINF:4,\nb.ts\n'
        "#EXT-X-KEY:METHOD=NONE\n#EXTINF:4,\nc.ts\n"
        '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://k",IV=0x0123456789abcdef0123456789abcdef,'
        'KEYFORMAT="com.apple.streamingkeydelivery",KEYFORMATVERSIONS="1"\n'
        '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="data:x",KEYFORMAT="urn:uuid:edef"\n#EXTINF:4,\nd.ts\n',
        id="keys: two for one segment, none again, 4.4.4.4",
    ),
    pytest.param(
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:4\n"
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=24,PART-HOLD-BACK=1.02\n"
        "#EXT-X-PART-INF:PART-TARGET=0.33334\n#EXT-X-MEDIA-SEQUENCE:266\n#EXT-X-DISCONTINUITY-SEQUENCE:2\n"
        "#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n#EXT-X-DISCONTINUITY\n"
        '#EXT-X-MAP:URI="init.mp4",BYTERANGE="100@0"\n#EXT-X-PROGRAM-DATE-TIME:2019-02-14T02:13:36.106Z\n'
        '#EXT-X-PART:DURATION=0.33334,URI="269.0.mp4",INDEPENDENT=YES\n'
        '#EXT-X-PART:DURATION=0.33334,URI="269.1.mp4",BYTERANGE="20@5",GAP=YES\n'
        "#EXTINF:4.00008,\n#EXT-X-BYTERANGE:500@100\n269.mp4\n#EXT-X-GAP\n#EXTINF:4,\n270.mp4\n"
        '#EXT-X-PART:DURATION=0.33334,URI="271.0.mp4"\n'
        '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="271.1.mp4",BYTERANGE-START=0\n'
        '#EXT-X-RENDITION-REPORT:URI="../1M/w.php",LAST-MSN=270,LAST-PART=1\n',
        m3u8.MediaPlaylist(
            version=9,
            target_duration=4,
            media_sequence=266,
            discontinuity_sequence=2,
            server_control=m3u8.ServerControl(can_block_reload=True, can_skip_until=24, part_hold_back=1.02),
            part_inf=m3u8.PartInf(0.33334),
            skip=m3u8.Skip(3),
            segments=(
                m3u8.MediaSegment(
                    "269.mp4",
                    4.00008,
                    byte_range=m3u8.ByteRange(500, 100),
                    discontinuity=True,
                    program_date_time=datetime(2019, 2, 14, 2, 13, 36, 106000, tzinfo=UTC),
                    map=m3u8.Map("init.mp4", m3u8.ByteRange(100, 0)),
                    parts=(
                        m3u8.Part("269.0.mp4", 0.33334, independent=True),
                        m3u8.Part("269.1.mp4", 0.33334, byte_range=m3u8.ByteRange(20, 5), gap=True),
                    ),
                ),
                m3u8.MediaSegment("270.mp4", 4, gap=True, map=m3u8.Map("init.mp4", m3u8.ByteRange(100, 0))),
            ),
            trailing_parts=(m3u8.Part("271.0.mp4", 0.33334),),
            preload_hints=(m3u8.PreloadHint("PART", "271.1.mp4", start=0),),
            rendition_reports=(m3u8.RenditionReport("../1M/w.php", 270, 1),),
        ),
        None,
        id="low latency, delta update, byte ranges, gap",
    ),
    pytest.param(
        '#EXTM3U\n#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="x",INSTREAM-ID="SERVICE1",UNKNOWN="a,b"\n'
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English, main",LANGUAGE="en",ASSOC-LANGUAGE="en-GB",DEFAULT=YES,'
        'CHANNELS="6",CHARACTERISTICS="public.a,public.b",URI="a.m3u8"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=1280000,CODECS="avc1.64001f, mp4a.40.2",FRAME-RATE=29.97,AUDIO="a",'
        'CLOSED-CAPTIONS="cc",SCORE=1.5\nlow.m3u8\n'
        '#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="skd://k",IV=0x0123456789abcdef0123456789abcdef,'
        'KEYFORMAT="com.apple.streamingkeydelivery",KEYFORMATVERSIONS="1"\n'
        '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=86000,URI="low/iframe.m3u8",RESOLUTION=640x360\n'
        "#EXT-X-START:TIME-OFFSET=-4.5,PRECISE=YES\n#EXT-X-WHAT:IS=THIS\n",
        m3u8.MultivariantPlaylist(
            renditions=(
                m3u8.Rendition("CLOSED-CAPTIONS", "cc", "x", instream_id="SERVICE1"),
                m3u8.Rendition(
                    "AUDIO", "a", "English, main", "a.m3u8", "en", "en-GB", default=True, channels="6",
                    characteristics=("public.a", "public.b"),
                ),
            ),
            variants=(
                m3u8.Variant(
                    "low.m3u8", 1280000, codecs=("avc1.64001f", "mp4a.40.2"), frame_rate=29.97, audio="a",
                    closed_captions="cc", score=1.5,
                ),
            ),
            iframes=(m3u8.IFrameVariant("low/iframe.m3u8", 86000, resolution=m3u8.Resolution(640, 360)),),
            session_keys=(KEY,),
            start=m3u8.Start(-4.5, precise=True),
        ),
        '#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-START:TIME-OFFSET=-4.5,PRECISE=YES\n'
        '#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="skd://k",IV=0x0123456789abcdef0123456789abcdef,'
        'KEYFORMAT="com.apple.streamingkeydelivery",KEYFORMATVERSIONS="1"\n'
        '#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="x",INSTREAM-ID="SERVICE1"\n'
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English, main",LANGUAGE="en",ASSOC-LANGUAGE="en-GB",DEFAULT=YES,'
        'AUTOSELECT=YES,CHANNELS="6",CHARACTERISTICS="public.a,public.b",URI="a.m3u8"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=1280000,SCORE=1.5,CODECS="avc1.64001f,mp4a.40.2",FRAME-RATE=29.97,AUDIO="a",'
        'CLOSED-CAPTIONS="cc"\nlow.m3u8\n'
        '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=86000,RESOLUTION=640x360,URI="low/iframe.m3u8"\n',
        id="multivariant, 4.4.6",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value", "canonical"), CASES)
def test_decode_and_encode(text: str, value: object, canonical: str | None) -> None:
    parsed = m3u8.parse(text)
    assert parsed == value
    assert parsed == m3u8.parse(text.encode())
    rendered = parsed.render()
    if canonical is not None:
        assert rendered == canonical
    # a canonical text is a fixed point
    assert m3u8.parse(rendered).render() == rendered


MEDIA = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#EXTM3U8\n",
        "\ufeff" + MEDIA,
        "#EXTM3U\n",
        MEDIA + "a.ts\n",
        MEDIA + "#EXTINF:-1,\na.ts\n",
        MEDIA + "#EXTINF:x,\na.ts\n",
        MEDIA + "#EXTINF:1e5,\na.ts\n",
        MEDIA + "#EXTINF:NaN,\na.ts\n",
        MEDIA + "#EXTINF:" + "1" * 400 + ",\na.ts\n",
        MEDIA + "#EXT-X-TARGETDURATION:5\n",
        MEDIA + "#EXT-X-MEDIA-SEQUENCE:-1\n",
        MEDIA + "#EXT-X-MEDIA-SEQUENCE:99999999999999999999\n",
        MEDIA + "#EXT-X-KEY:METHOD=AES-128\n",
        MEDIA + '#EXT-X-KEY:METHOD=AES-128,URI="a",IV=12\n',
        MEDIA + '#EXT-X-MAP:BYTERANGE="1@2"\n',
        MEDIA + '#EXT-X-MAP:URI="a",BYTERANGE="1@"\n',
        MEDIA + '#EXT-X-MAP:URI="a",URI="b"\n',
        MEDIA + '#EXT-X-MAP:URI="a\n',
        MEDIA + "#EXT-X-MAP:URI=a\n",
        MEDIA + "#EXT-X-PROGRAM-DATE-TIME:yesterday\n",
        MEDIA + "#EXT-X-STREAM-INF:BANDWIDTH=1\nx\n",
        MEDIA + "#" + "x" * 20_000,
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n",
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n#EXT-X-ENDLIST\nx\n",
        "#EXTM3U\n#EXT-X-STREAM-INF:CODECS=\"a\"\nx\n",
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=1\nx\n",
        '#EXTM3U\n#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="a",NAME="b"\n',
        '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,NAME="b"\n',
    ],
)  # fmt: skip
def test_refuses(text: str) -> None:
    with pytest.raises(m3u8.PlaylistError):
        m3u8.parse(text)


def test_refuses_what_is_not_utf8_or_too_long() -> None:
    with pytest.raises(m3u8.PlaylistError, match="UTF-8"):
        m3u8.parse(b"#EXTM3U\n\xff")
    with pytest.raises(m3u8.PlaylistError, match="lines"):
        m3u8.parse("#EXTM3U\n" + "\n" * 600_000)
    with pytest.raises(m3u8.PlaylistError, match="bytes"):
        m3u8.parse(bytes(33 * 1024 * 1024))


def test_hostile_lines_take_linear_time() -> None:
    begun = time.perf_counter()
    for value in ("A=x" + " " * 16_000 + '"', 'A="' + " " * 16_000, "A" * 16_000, "A=1," * 4000):
        for _ in range(50):
            with contextlib.suppress(m3u8.PlaylistError):
                Attributes.parse(value)
    assert time.perf_counter() - begun < 10


HOSTILE = [
    '"',
    "\n",
    "\r",
    '",URI="http://evil/',
    "\n#EXT-X-ENDLIST",
    "#EXTM3U",
    " x",
    "a\u2028b",
    "\ud800",
    "\x00",
]


@given(st.text(max_size=30) | st.sampled_from(HOSTILE))
def test_hostile_names_stay_inside_their_attribute(name: str) -> None:
    rendition = m3u8.Rendition("AUDIO", "g", name or "x", uri=name or "x", language="en")
    variant = m3u8.Variant(name or "x", 1, audio=name)
    playlist = m3u8.MultivariantPlaylist((variant,), (rendition,))
    parsed = m3u8.parse(playlist.render())
    assert isinstance(parsed, m3u8.MultivariantPlaylist)
    assert len(parsed.renditions) == len(parsed.variants) == 1
    assert parsed.renditions[0].language == "en"
    assert parsed.renditions[0].uri == parsed.variants[0].uri
    assert parsed.render() == playlist.render()


@given(st.text(max_size=30) | st.sampled_from(HOSTILE))
def test_hostile_segments_stay_one_segment(name: str) -> None:
    segment = m3u8.MediaSegment(name or "x", 1.5, name, map=m3u8.Map(name or "x"))
    parsed = m3u8.parse(m3u8.MediaPlaylist(2, (segment,)).render())
    assert isinstance(parsed, m3u8.MediaPlaylist)
    assert len(parsed.segments) == 1
    assert not parsed.ended


def test_an_empty_uri_is_refused() -> None:
    with pytest.raises(m3u8.PlaylistError):
        m3u8.MediaPlaylist(1, (m3u8.MediaSegment("", 1),)).render()


micros = st.integers(0, 10**12).map(lambda n: n / 1_000_000)
uris = st.text("abc/?=&.-_%2F", min_size=1, max_size=10)
byte_ranges = st.none() | st.builds(m3u8.ByteRange, st.integers(0, 2**60), st.none() | st.integers(0, 2**60))
keys = st.builds(
    m3u8.Key,
    method=st.sampled_from(["AES-128", "SAMPLE-AES"]),
    uri=uris,
    iv=st.none() | st.binary(min_size=16, max_size=16).map(bytes.hex),
    keyformat=st.none() | st.sampled_from(["identity"]),
)
playlists = st.builds(
    m3u8.MediaPlaylist,
    target_duration=st.integers(0, 10**6),
    media_sequence=st.integers(0, 2**63),
    playlist_type=st.sampled_from([None, "VOD", "EVENT"]),
    ended=st.booleans(),
    independent_segments=st.booleans(),
    start=st.none() | st.builds(m3u8.Start, micros, st.booleans()),
    version=st.just(7),
    segments=st.lists(
        st.builds(
            m3u8.MediaSegment,
            uri=uris,
            duration=micros,
            byte_range=byte_ranges,
            discontinuity=st.booleans(),
            gap=st.booleans(),
            program_date_time=st.none()
            | st.integers(0, 4 * 10**12).map(lambda ms: datetime.fromtimestamp(ms // 1000, UTC)),
            keys=st.lists(keys, max_size=2).map(tuple),
            map=st.just(m3u8.Map("init.mp4")),
        ),
        max_size=5,
    ).map(tuple),
)


@given(playlists)
def test_media_round_trip(playlist: m3u8.MediaPlaylist) -> None:
    assert m3u8.parse(playlist.render()) == playlist


@given(st.text(max_size=300) | st.text('#EXT-X:INF,="@x1\n', max_size=300))
def test_any_text_is_a_value_or_the_documented_error(text: str) -> None:
    for candidate in (text, "#EXTM3U\n" + text, MEDIA + text):
        with contextlib.suppress(m3u8.PlaylistError):
            m3u8.parse(candidate).render()


def test_versions_follow_features() -> None:
    def version(segment: m3u8.MediaSegment, **more: bool) -> int:
        return m3u8.MediaPlaylist(4, (segment,), **more).needed_version  # type: ignore[arg-type]

    assert version(m3u8.MediaSegment("a", 4)) == 1
    assert version(m3u8.MediaSegment("a", 4, keys=(m3u8.Key("AES-128", "k", iv="0" * 32),))) == 2
    assert version(m3u8.MediaSegment("a", 4.5)) == 3
    assert version(m3u8.MediaSegment("a", 4, byte_range=m3u8.ByteRange(1, 2))) == 4
    assert version(m3u8.MediaSegment("a", 4, map=m3u8.Map("i")), i_frames_only=True) == 5
    assert version(m3u8.MediaSegment("a", 4, map=m3u8.Map("i"))) == 6


def test_attribute_lists() -> None:
    a = Attributes.parse(" A=1,B=\"x, y='z'\" ,C=0x1F,D-2=YES,E=1.5")
    assert (a.integer("A"), a.quoted("B"), a.enum("C"), a.yes("D-2"), a.decimal("E")) == (
        1, "x, y='z'", "0x1F", True, 1.5,
    )  # fmt: skip
    assert a.integer("Z") is None
    for broken in ("A", "A=", "=1", "a=1", 'A="x"y', "A=1 B=2;", ",", "A=1,,B=2"):
        with pytest.raises(m3u8.PlaylistError):
            b = Attributes.parse(broken)
            b.integer("A")


def test_numbers_have_no_exponent() -> None:
    assert AttributeWriter().decimal("A", 0.0000001).decimal("B", 1e14).decimal("C", -0.0).render() == (
        "A=0,B=100000000000000,C=0"
    )
    with pytest.raises(m3u8.PlaylistError):
        primitives.render_decimal(float("nan"))
    with pytest.raises(m3u8.PlaylistError):
        primitives.render_decimal(1e300)
