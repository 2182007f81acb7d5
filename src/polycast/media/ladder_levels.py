"""Levels and codec strings: what a rendition will declare, known before a frame is encoded.

Manifests need the codec string when only the first chunk exists, and every chunk must carry the same
one; so the level is computed here from size, rate and cap, and handed to the encoder.
"""

from dataclasses import dataclass
from math import ceil

from polycast.domain.errors import LimitExceeded


@dataclass(frozen=True, slots=True)
class _AvcLevel:
    idc: int
    mbs_per_s: int
    frame_mbs: int
    dpb_mbs: int
    main_kbps: int


# ITU-T H.264 table A-1; High profile may use 1.25 times the bitrate of the Main column (table A-2).
_AVC = tuple(
    _AvcLevel(*row)
    for row in (
        (10, 1485, 99, 396, 64), (11, 3000, 396, 900, 192), (12, 6000, 396, 2376, 384),
        (13, 11880, 396, 2376, 768), (20, 11880, 396, 2376, 2000), (21, 19800, 792, 4752, 4000),
        (22, 20250, 1620, 8100, 4000), (30, 40500, 1620, 8100, 10000), (31, 108000, 3600, 18000, 14000),
        (32, 216000, 5120, 20480, 20000), (40, 245760, 8192, 32768, 20000), (42, 522240, 8704, 34816, 50000),
        (50, 589824, 22080, 110400, 135000), (51, 983040, 36864, 184320, 240000),
        (52, 2073600, 36864, 184320, 240000), (60, 4177920, 139264, 696320, 240000),
        (62, 16711680, 139264, 696320, 800000),
    )
)  # fmt: skip

AVC_REFERENCES = 3
"""Reference frames that we ask for: every level above must hold them, so that none is dropped silently."""


def avc_level(width: int, height: int, rate: float, max_bps: int) -> int:
    """The lowest `level_idc` that fits; sizes in luma samples, rate in frames/s.

    Raises:
        LimitExceeded: larger or faster than any level.
    """
    across, down = ceil(width / 16), ceil(height / 16)
    blocks = across * down
    for level in _AVC:
        fits = (
            blocks <= level.frame_mbs
            and blocks * rate <= level.mbs_per_s
            # A.3.1: no side longer than sqrt(8 * MaxFS) macroblocks, for very flat or tall pictures
            and max(across, down) ** 2 <= 8 * level.frame_mbs
            and level.dpb_mbs // blocks > AVC_REFERENCES  # one more than the references: the current picture
            and max_bps <= level.main_kbps * 1250
        )
        if fits:
            return level.idc
    raise LimitExceeded(f"{width}x{height} at {rate:.0f} frames a second is over every level of H.264")


@dataclass(frozen=True, slots=True)
class _SampleLevel:
    idc: int
    samples: int
    samples_per_s: int
    max_bps: int
    side: int


# ITU-T H.265 tables A.8 and A.9, Main tier; idc = 30 times the level; a side is at most sqrt(8 * MaxLumaPs).
_HEVC = tuple(
    _SampleLevel(idc, samples, rate, bps * 1000, int((8 * samples) ** 0.5))
    for idc, samples, rate, bps in (
        (30, 36864, 552960, 128), (60, 122880, 3686400, 1500), (63, 245760, 7372800, 3000),
        (90, 552960, 16588800, 6000), (93, 983040, 33177600, 10000), (120, 2228224, 66846720, 12000),
        (123, 2228224, 133693440, 20000), (150, 8912896, 267386880, 25000), (153, 8912896, 534773760, 40000),
        (156, 8912896, 1069547520, 60000), (180, 35651584, 1069547520, 60000),
        (183, 35651584, 2139095040, 120000), (186, 35651584, 4278190080, 240000),
    )
)  # fmt: skip

# AV1 specification A.3, Main tier; idc = seq_level_idx.
_AV1 = tuple(
    _SampleLevel(*row)
    for row in (
        (0, 147456, 4423680, 1500000, 2048), (1, 278784, 8363520, 3000000, 2816),
        (4, 665856, 19975680, 6000000, 4352), (5, 1065024, 31950720, 10000000, 5504),
        (8, 2359296, 70778880, 12000000, 6144), (9, 2359296, 141557760, 20000000, 6144),
        (12, 8912896, 267386880, 30000000, 8192), (13, 8912896, 534773760, 40000000, 8192),
        (14, 8912896, 1069547520, 60000000, 8192), (16, 35651584, 1069547520, 60000000, 16384),
        (17, 35651584, 2139095040, 100000000, 16384),
    )
)  # fmt: skip


def hevc_level(width: int, height: int, rate: float, max_bps: int) -> int:
    """The lowest `general_level_idc` of the Main tier that fits.

    Raises:
        LimitExceeded: larger or faster than any level.
    """
    # coded size is a multiple of the smallest coding block, which is 8
    return _lowest("HEVC", _HEVC, ceil(width / 8) * 8, ceil(height / 8) * 8, rate, max_bps)


def av1_level(width: int, height: int, rate: float, max_bps: int) -> int:
    """The lowest `seq_level_idx` of the Main tier that fits.

    Raises:
        LimitExceeded: larger or faster than any level.
    """
    return _lowest("AV1", _AV1, width, height, rate, max_bps)


def _lowest(
    name: str, levels: tuple[_SampleLevel, ...], width: int, height: int, rate: float, max_bps: int
) -> int:
    for level in levels:
        if (
            width * height <= level.samples
            and width * height * rate <= level.samples_per_s
            and max(width, height) <= level.side
            and max_bps <= level.max_bps
        ):
            return level.idc
    raise LimitExceeded(f"{width}x{height} at {rate:.0f} frames a second is over every level of {name}")


def codec_string(codec: str, level: int) -> str:
    """RFC 6381 codec of an 8-bit 4:2:0 rendition: High, Main and Main profile of the three codecs."""
    if codec == "h264":
        return f"avc1.6400{level:02x}"
    if codec == "hevc":
        # profile 1, compatible with 1 and 2 (bits reversed: 6); 90: progressive, frames only
        return f"hvc1.1.6.L{level}.90"
    return f"av01.0.{level:02d}M.08"
