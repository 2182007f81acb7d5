"""A decoded picture made fit to be seen: upright, square pixels, progressive, SDR, of the wanted size."""

import struct
from fractions import Fraction
from typing import Any

import av.filter

from polycast.domain.colours import is_rgb, usual_matrix

_PQ, _HLG = 16, 18  # AVColorTransferCharacteristic
_TRANSFERS = {_PQ: "smpte2084", _HLG: "arib-std-b67"}
# AVColorSpace by the names of the scaler
_MATRICES = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
_FULL = 2  # AVColorRange


class Scaler:
    """Scales pictures of one stream; keeps its filter graph while the pictures stay alike.

    Args:
        width, height: of the result, as seen (after turning).
        pix_fmt: `yuvj420p` for JPEG, `bgra` for WebP, `gray` for looking at it.
        fine: for large results; else the filter that averages, best for tiny ones.
    """

    def __init__(self, width: int, height: int, pix_fmt: str, *, fine: bool = True) -> None:
        self.width, self.height = width, height
        self._pix_fmt = pix_fmt
        self._flags = "bicubic" if fine else "area"
        self._made_for: tuple[Any, ...] | None = None
        self._graph: Any = None
        self._count = 0

    def __call__(self, frame: Any) -> Any:
        turn = orientation(frame)
        like = (
            frame.width, frame.height, frame.format.name, turn, frame.interlaced_frame,
            frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range,
        )  # fmt: skip
        if like != self._made_for:
            self._graph, self._made_for = self._build(frame, turn), like
        pts, frame.pts = frame.pts, self._count  # the graph wants time to rise, whichever way we seek
        self._count += 1
        self._graph.push(frame)
        frame.pts = pts
        return self._graph.pull()

    def _build(self, frame: Any, turn: tuple[str, ...]) -> Any:
        graph = av.filter.Graph()
        graph.threads = 1
        last = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25)
        )
        swapped = any(step.startswith("transpose") for step in turn)
        width, height = (self.height, self.width) if swapped else (self.width, self.height)
        steps = [
            # one field: combs would show, and half the lines are enough for a picture of this use
            *([("field", "type=top")] if frame.interlaced_frame else []),
            ("scale", f"w={width}:h={height}:flags={self._flags}:{_colours(frame, self._pix_fmt)}"),
            *((name, args) for name, _, args in (step.partition("=") for step in turn)),
            ("format", self._pix_fmt),
            ("setsar", "1"),
        ]
        for name, args in steps:
            node = graph.add(name, args or None)
            last.link_to(node)
            last = node
        last.link_to(graph.add("buffersink"))
        graph.configure()
        return graph


def orientation(frame: Any) -> tuple[str, ...]:
    """The filters that turn a picture upright, from its display matrix (ISO/IEC 14496-12 6.2.2)."""
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # PyAV lists all side data at once and knows no Exif: only the angle is to be had then
        return _BY_ANGLE.get(frame.rotation % 360, ())
    if matrix is None or len(bytes(matrix)) < 36:
        return ()
    a, b, _, c, d = struct.unpack("<5i", bytes(matrix)[:20])
    return _TURNS.get((_sign(a), _sign(b), _sign(c), _sign(d)), ())


def _sign(value: int) -> int:
    # 16.16 fixed point; anything below a half counts as nothing, odd angles are left alone
    return (value > 0x8000) - (value < -0x8000)


# (a, b, c, d) of the matrix: x' = a*x + c*y, y' = b*x + d*y with y pointing down
_TURNS: dict[tuple[int, int, int, int], tuple[str, ...]] = {
    (0, 1, -1, 0): ("transpose=clock",),
    (0, -1, 1, 0): ("transpose=cclock",),
    (-1, 0, 0, -1): ("hflip", "vflip"),
    (-1, 0, 0, 1): ("hflip",),
    (1, 0, 0, -1): ("vflip",),
    (0, 1, 1, 0): ("transpose=cclock_flip",),
    (0, -1, -1, 0): ("transpose=clock_flip",),
}
# counterclockwise, as PyAV gives it
_BY_ANGLE = {90: ("transpose=cclock",), 180: ("hflip", "vflip"), 270: ("transpose=clock",)}


def _colours(frame: Any, pix_fmt: str) -> str:
    """Options of the scaler: what the colours are, and what the result's should be."""
    usual = usual_matrix(frame.color_primaries, frame.width, frame.height, rgb=False)
    matrix = _MATRICES.get(frame.colorspace) or _MATRICES[usual]
    full = frame.color_range == _FULL or frame.format.name.startswith("yuvj")
    parts = [f"in_color_matrix={matrix}", f"in_range={'full' if full else 'limited'}"]
    if is_rgb(frame.format.name):
        parts = []
    if frame.color_trc in _TRANSFERS:
        parts += [
            f"in_transfer={_TRANSFERS[frame.color_trc]}",
            "in_primaries=bt2020",
            "out_transfer=bt709",
            "out_primaries=bt709",
            "intent=relative_colorimetric",  # tone and gamut mapped; perceptual comes out too dark
        ]
    if pix_fmt.startswith("yuv"):
        # JFIF knows no other matrix: browsers read every JPEG as BT.601, full range
        parts += ["out_color_matrix=bt601", "out_range=full"]
    return ":".join(parts) or "in_range=auto"
