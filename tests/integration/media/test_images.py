"""Posters, stills and previews are decoded again: size, upright, the frame that was asked for."""

import io
import zlib
from pathlib import Path

import av
import pytest
from PIL import Image

from polycast.domain.errors import Invalid, LimitExceeded, Unreadable
from polycast.domain.media import SourceInfo
from polycast.media.images import check_image, frames, poster, preview
from polycast.media.toolkit import MediaToolkit
from tests.integration.media.probed import Probed
from tests.support.media import Media, _run, frame_number


@pytest.fixture
def probed(media: Media, toolkit: MediaToolkit) -> Probed:
    return Probed(media, toolkit)


TOLERANCE = 1
"""Frames: a time between two frames may show either."""


def read(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as container:
        return next(container.decode(video=0))


def number(path: Path) -> int:
    return frame_number(read(path))


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("h264", (320, 180)), ("h264_ts", (320, 180)), ("h264_mkv", (320, 180)), ("h264_flv", (320, 180)),
        ("h264_fragmented", (320, 180)), ("portrait", (180, 320)), ("rotated", (180, 320)),
        ("odd_size", (320, 180)), ("anamorphic", (320, 180)), ("ten_bit", (320, 180)), ("hevc", (320, 180)),
        ("vp9", (320, 180)), ("av1", (320, 180)), ("prores", (320, 180)), ("open_gop", (320, 180)),
        ("vfr", (320, 180)),
    ],
)  # fmt: skip
async def test_a_poster_at_a_time_shows_that_frame_upright(
    name: str, size: tuple[int, int], probed: Probed, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    source, info = await probed(name)
    at_s = 1.5
    made = await poster(toolkit, source, info, tmp_path / "p.jpg", at_s=at_s)
    assert made is not None
    assert abs(made.width - size[0]) <= 2
    assert abs(made.height - size[1]) <= 2
    picture = read(made.path)
    assert (picture.width, picture.height) == (made.width, made.height)
    assert info.main_video is not None
    late_s = info.main_video.start_s - info.start_s  # sound may begin first
    assert abs(frame_number(picture) - (at_s - late_s) * 30) <= TOLERANCE
    assert made.at_s == pytest.approx(at_s, abs=0.05)


async def test_an_interlaced_source_gives_a_whole_picture(
    probed: Probed, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    source, info = await probed("interlaced")
    made = await poster(toolkit, source, info, tmp_path / "p.jpg", at_s=2.0)
    assert made is not None
    assert (made.width, made.height) == (320, 180)
    assert abs(number(made.path) - 60) <= TOLERANCE


async def test_colours_survive_in_the_matrix_that_jpeg_has(
    media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    """BT.709 video of HD size, read as any browser would: a JPEG is always BT.601, full range."""
    clip = media.made(
        "red709.mp4",
        lambda path: _run(
            "-f", "lavfi", "-t", "1", "-i", "color=c=0xC83214:s=1280x720:r=5,format=gbrp,"
            "scale=out_color_matrix=bt709:out_range=tv,format=yuv444p", "-c:v", "libx264", "-preset", "ultrafast",
            "-qp", "1", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", str(path)
        ),
    )  # fmt: skip
    info = await toolkit.probe(clip)
    made = await poster(toolkit, clip, info, tmp_path / "p.jpg", at_s=0.0)
    assert made is not None
    with Image.open(made.path) as image:
        pixel = image.convert("RGB").getpixel((600, 300))
    assert isinstance(pixel, tuple)
    assert all(abs(a - b) <= 6 for a, b in zip(pixel, (0xC8, 0x32, 0x14), strict=True)), pixel


async def test_a_picture_of_wide_primaries_has_their_matrix(
    media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    """As its streams have it, where it names none."""
    clip = media.made(
        "red2020.mp4",
        lambda path: _run(
            "-f", "lavfi", "-i", "color=c=0xC83214:s=320x180:r=5:d=1,format=gbrp,scale=out_color_matrix=bt2020:out_range=tv,"
            "format=yuv444p,setparams=color_primaries=bt2020:colorspace=unknown", "-c:v", "libx264", "-preset", "ultrafast",
            "-qp", "1", "-movflags", "-write_colr", str(path)
        ),
    )  # fmt: skip
    info = await toolkit.probe(clip)
    assert info.main_video is not None
    assert (info.main_video.color_primaries, info.main_video.matrix) == ("bt2020", None)
    made = await poster(toolkit, clip, info, tmp_path / "p.jpg", at_s=0.0)
    assert made is not None
    with Image.open(made.path) as image:
        pixel = image.convert("RGB").getpixel((160, 90))
    assert isinstance(pixel, tuple)
    assert all(abs(a - b) <= 6 for a, b in zip(pixel, (0xC8, 0x32, 0x14), strict=True)), pixel


async def test_hdr_becomes_sdr(probed: Probed, toolkit: MediaToolkit, tmp_path: Path) -> None:
    source, info = await probed("hdr")
    assert info.main_video is not None
    assert info.main_video.hdr
    made = await poster(toolkit, source, info, tmp_path / "p.jpg", at_s=1.0)
    assert made is not None
    frame = read(made.path)
    assert frame.format.name == "yuvj420p"
    assert abs(frame_number(frame) - 30) <= TOLERANCE


async def test_the_chosen_poster_is_neither_black_nor_blank(
    media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    """Three seconds of black, three of white, then a picture; key frames every second."""
    clip = media.made(
        "fade.mp4",
        lambda path: _run(
            "-f", "lavfi", "-i", "color=black:s=320x180:r=10:d=3", "-f", "lavfi", "-i", "color=white:s=320x180:r=10:d=3",
            "-f", "lavfi", "-i", "testsrc2=s=320x180:r=10:d=8", "-filter_complex", "[0][1][2]concat=n=3,format=yuv420p",
            "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", str(path)
        ),
    )  # fmt: skip
    info = await toolkit.probe(clip)
    made = await poster(toolkit, clip, info, tmp_path / "p.jpg")
    assert made is not None
    assert made.at_s is not None
    assert made.at_s >= 6.0


async def test_a_poster_is_found_between_key_frames_that_are_black(
    media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    clip = media.made(
        "black_start.mp4",
        lambda path: _run(
            "-f", "lavfi", "-i", "color=black:s=320x180:r=10:d=1", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=10:d=7",
            "-filter_complex", "[0][1]concat=n=2,format=yuv420p",
            "-c:v", "libx264", "-preset", "ultrafast", "-g", "1000", "-sc_threshold", "0", str(path)
        ),
    )  # fmt: skip
    made = await poster(toolkit, clip, await toolkit.probe(clip), tmp_path / "p.jpg")
    assert made is not None
    assert made.at_s is not None
    assert made.at_s >= 1.0


@pytest.mark.parametrize("name", ["h264", "h264_ts", "vp9", "long_gop"])
async def test_stills_are_evenly_spaced(
    name: str, probed: Probed, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    source, info = await probed(name)
    made = await frames(toolkit, source, info, tmp_path, count=4, max_side=160)
    wanted = [info.duration_s * (i + 0.5) / 4 * 30 for i in range(4)]
    assert [abs(number(p.path) - w) <= TOLERANCE + 1 for p, w in zip(made, wanted, strict=True)] == [True] * 4
    assert {(p.width, p.height) for p in made} == {(160, 90)}


async def test_a_still_picture_is_its_own_poster_and_only_frame(
    probed: Probed, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    source, info = await probed("still_png")
    made = await poster(toolkit, source, info, tmp_path / "p.jpg")
    assert made is not None
    assert number(made.path) == 0
    assert len(await frames(toolkit, source, info, tmp_path)) == 1
    assert (await preview(toolkit, source, info, tmp_path / "p.webp")).path.stat().st_size > 0


async def test_sound_alone_gives_its_cover_or_nothing(
    probed: Probed, media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    source, info = await probed("audio_only")
    assert await poster(toolkit, source, info, tmp_path / "p.jpg") is None
    with pytest.raises(Unreadable):
        await frames(toolkit, source, info, tmp_path)
    cover = media.made(
        "cover.mp3",
        lambda path: _run(
            "-i", str(source), "-i", str(media.clip("still_jpg")), "-map", "0:a", "-map", "1:v", "-c:a", "libmp3lame",
            "-c:v", "copy", "-disposition:v", "attached_pic", str(path)
        ),
    )  # fmt: skip
    made = await poster(toolkit, cover, await toolkit.probe(cover), tmp_path / "c.jpg", max_side=200)
    assert made is not None
    assert (made.width, made.height) == (200, 112)
    assert number(made.path) == 0


@pytest.mark.parametrize(("name", "least"), [("h264", 28), ("no_audio", 28), ("prores", 14)])
async def test_the_preview_moves(
    name: str, least: int, probed: Probed, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    source, info = await probed(name)
    made = await preview(toolkit, source, info, tmp_path / "p.webp", max_side=160)
    with Image.open(made.path) as image:
        assert image.format == "WEBP"
        assert image.size == (160, 90)
        assert image.n_frames >= least  # type: ignore[attr-defined]
        shown = set()
        for n in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(n)
            still = av.VideoFrame.from_image(image.convert("RGB"))  # type: ignore[no-untyped-call]
            shown.add(frame_number(still))
    assert len(shown) >= least * 0.9


async def test_damaged_sources_give_pictures_of_what_is_left_or_an_error_of_ours(
    probed: Probed, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    source, info = await probed("truncated_faststart")
    made = await frames(toolkit, source, info, tmp_path, count=5)
    assert number(made[0].path) == pytest.approx(18, abs=2)
    lie = SourceInfo.from_json({**info.to_json(), "container": "mp4"})
    fake = tmp_path / "fake.mp4"
    fake.write_bytes(b"\0" * 5000)
    with pytest.raises(Unreadable):
        await poster(toolkit, fake, lie, tmp_path / "x.jpg")
    with pytest.raises(Invalid):
        await frames(toolkit, source, info, tmp_path, count=0)


def picture(kind: str, size: tuple[int, int] = (64, 48), **options: object) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 40).convert("RGB").save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "name"), [("PNG", "png"), ("JPEG", "jpeg"), ("WEBP", "webp"), ("GIF", "gif")]
)
async def test_uploaded_pictures_are_known_by_content(
    kind: str, name: str, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    path = tmp_path / "picture.bin"
    path.write_bytes(picture(kind))
    found = await check_image(toolkit, path)
    assert (found.format, found.width, found.height) == (name, 64, 48)
    assert found.content_type == f"image/{name}"


async def test_other_pictures_and_damage_are_refused(
    media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    whole = picture("PNG", (300, 200))
    bad = {
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "html": b"<html><body>\x89PNG\r\n\x1a\n</body></html>",
        "bmp": picture("BMP"),
        "tiff": picture("TIFF"),
        "empty": b"",
        "cut png": whole[: len(whole) // 2],
        "head only": whole[:40],
        "cut jpeg": picture("JPEG", (300, 200))[:2000],
        "cut webp": picture("WEBP", (300, 200))[:2000],
        "video": media.clip("h264").read_bytes(),
        "playlist": media.clip("playlist.mp4").read_bytes(),
    }
    path = tmp_path / "picture.png"
    for name, data in bad.items():
        path.write_bytes(data)
        with pytest.raises(Unreadable):
            await check_image(toolkit, path)
            pytest.fail(f"{name} was accepted")


async def test_a_header_bomb_is_refused_before_it_is_decoded(
    media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    with pytest.raises(LimitExceeded):
        await check_image(toolkit, media.clip("huge_png"))
    wide = tmp_path / "wide.png"
    # 16 000 x 16 000 of one colour compresses to a few hundred kilobytes
    head = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", (16000).to_bytes(4, "big") * 2 + bytes((8, 2, 0, 0, 0)))
    wide.write_bytes(head + _chunk(b"IDAT", zlib.compress(bytes(1000))) + _chunk(b"IEND", b""))
    with pytest.raises(LimitExceeded):
        await check_image(toolkit, wide)


async def test_a_picture_turned_by_exif_counts_as_seen(toolkit: MediaToolkit, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    path.write_bytes(picture("JPEG", (64, 48), exif=exif))
    found = await check_image(toolkit, path)
    assert (found.width, found.height) == (48, 64)


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
