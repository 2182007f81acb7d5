"""What is assumed of pictures that do not say what their colours are."""

import pytest

from polycast.domain.colours import Colours, colours, is_hd
from polycast.domain.media import VideoTrack


def of(width: int = 640, height: int = 360, **said: str) -> Colours:
    return colours(VideoTrack("video_1", 0, "h264", width, height, width, height, **said))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "hd"),
    [
        ((640, 360), False), ((720, 576), False), ((540, 960), False), ((1024, 576), False),
        ((1280, 536), True), ((720, 1280), True), ((1440, 1080), True), ((960, 720), True),
    ],
)  # fmt: skip
def test_size_decides_where_nothing_is_said(size: tuple[int, int], hd: bool) -> None:
    assert is_hd(*size) is hd
    assert of(*size) == (Colours(1, 1, 1) if hd else Colours(6, 6, 6))


def test_what_is_said_stays_and_the_rest_follows_it() -> None:
    assert of(matrix="bt709") == Colours(1, 1, 1)
    assert of(1920, 1080, matrix="bt470bg", color_primaries="bt470bg") == Colours(5, 1, 5)
    assert of(color_primaries="bt2020") == Colours(9, 14, 9)
    assert of(matrix="smpte170m", transfer="iec61966-2-1") == Colours(6, 13, 6)
    assert of(color_range="pc").full_range
    assert of(pix_fmt="yuvj420p").full_range
    assert not of(color_range="tv").full_range


def test_pictures_of_computers_are_bt709_at_any_size() -> None:
    assert of(pix_fmt="gbrp", matrix="gbr") == Colours(1, 1, 1)
    assert of(pix_fmt="pal8") == Colours(1, 1, 1)


def test_the_matrix_of_rgb_is_that_of_the_picture_made_of_it() -> None:
    named = of(pix_fmt="rgb24", color_primaries="smpte170m", transfer="bt709", matrix="smpte170m")
    assert named == Colours(6, 1, 1)
    assert of(pix_fmt="bgr0", matrix="bt2020nc") == Colours(1, 1, 1)
    assert of(pix_fmt="gbrp", color_primaries="bt2020", matrix="gbr") == Colours(9, 14, 9)
