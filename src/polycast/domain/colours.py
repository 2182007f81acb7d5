"""What the numbers of a picture mean as colours, and what they mean where a source does not say.

Players guess for themselves where nothing is said, and differently for one and the same file: Chromium takes BT.601
for a small picture in a plain file and BT.709 for it in a stream. So everything that is delivered says it.
"""

from dataclasses import dataclass

from polycast.domain.media import VideoTrack

# ITU-T H.273 code points by FFmpeg's names
PRIMARIES = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020", 10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213"}  # fmt: skip
TRANSFERS = {1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100", 10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 17: "smpte428", 18: "arib-std-b67"}  # fmt: skip
MATRICES = {0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020nc", 10: "bt2020c", 14: "ictcp"}  # fmt: skip
_NOT_YUV = (
    "rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "x2rgb", "x2bgr", "pal8", "gray", "mono", "ya", "xyz",
)  # fmt: skip
_BT709, _BT601, _BT2020, _BT2020_TRANSFER = 1, 6, 9, 14
_RGB = 0


@dataclass(frozen=True, slots=True)
class Colours:
    """ITU-T H.273 code points; none of them is 2, "unspecified"."""

    primaries: int
    transfer: int
    matrix: int
    full_range: bool = False


SDR = Colours(_BT709, _BT709, _BT709)
"""BT.709, which HDR is mapped to."""


def colours(video: VideoTrack) -> Colours:
    """What a source says, completed by the rule of all players for what it does not say.

    Pictures of HD size and those of computers are BT.709, smaller ones BT.601 (of 525 lines, as browsers have it).
    For RGB these are the colours of the picture that is made of it: a matrix that it names was never used.
    """
    primaries, transfer, matrix = (
        next((code for code, name in names.items() if name == said), None)
        for names, said in (
            (PRIMARIES, video.color_primaries),
            (TRANSFERS, video.transfer),
            (MATRICES, video.matrix),
        )
    )
    rgb = is_rgb(video.pix_fmt)
    usual = usual_matrix(primaries, video.width, video.height, rgb=rgb)
    if rgb or matrix is None or matrix == _RGB:
        matrix = usual
    elif matrix in (_BT709, _BT2020):
        usual = matrix
    full = video.color_range == "pc" or (video.pix_fmt or "").startswith("yuvj")
    return Colours(
        primaries if primaries is not None else usual,
        transfer if transfer is not None else _BT2020_TRANSFER if usual == _BT2020 else usual,
        matrix,
        full,
    )


def is_hd(width: int, height: int) -> bool:
    """Whether a picture of so many coded pixels, lying or upright, is more than standard definition."""
    return max(width, height) >= 1280 or min(width, height) > 576


def usual_matrix(primaries: int | None, width: int, height: int, *, rgb: bool) -> int:
    """The matrix of a picture that names none, or of the one that is made of RGB: an ITU-T H.273 code point."""
    if primaries == _BT2020:
        return _BT2020
    return _BT709 if rgb or is_hd(width, height) else _BT601


def is_rgb(pix_fmt: str | None) -> bool:
    """Whether pixels of this format, by FFmpeg's name, are no YUV at all."""
    return (pix_fmt or "").startswith(_NOT_YUV)
