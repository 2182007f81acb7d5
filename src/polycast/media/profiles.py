"""Encoder profiles: how each encoder is asked for a closed, joinable, capped-CRF stream. Data, no code.

A hardware encoder is added here as one more `EncoderProfile`; nothing else changes.
"""

from dataclasses import dataclass
from typing import Literal

Speed = Literal["first", "standard"]
"""`first` for the rung that must play soon, `standard` for all others."""


@dataclass(frozen=True, slots=True)
class EncoderProfile:
    """One encoder.

    Attributes:
        name: of the profile; it is kept in job payloads.
        codec: what it makes: h264, hevc or av1.
        encoder: FFmpeg's name of it.
        pix_fmt: what it is fed.
        args: flags that never vary, each with its reason beside it.
        params_flag: the option that takes encoder-private settings as `key=value:…`.
        params: private settings that never vary.
        speeds: flags of each speed.
        level_flag: level by an option of FFmpeg; else `level_param` names the private setting.
        no_reorder, no_reorder_params: make the encoder keep pictures in the order they are shown; a
            track without a steady rate needs that, its decode times could not be right otherwise.
        threads_param: private setting of the thread count, where `-threads` is not enough.
        tag: sample entry, where FFmpeg's own choice is not the one that players want.
    """

    name: str
    codec: str
    encoder: str
    args: tuple[str, ...]
    speeds: dict[Speed, tuple[str, ...]]
    params_flag: str = ""
    params: tuple[str, ...] = ()
    pix_fmt: str = "yuv420p"
    level_flag: bool = False
    level_param: str = ""
    no_reorder: tuple[str, ...] = ()
    no_reorder_params: tuple[str, ...] = ()
    threads_param: str = ""
    tag: str = ""


_KEYFRAMES = (
    "-g", "100000",  # never a key frame by count: they stand on the segment grid alone (-force_key_frames)
    "-forced-idr", "1",  # a forced key frame is an IDR: nothing after it refers to what was before
)  # fmt: skip

LIBX264 = EncoderProfile(
    name="libx264",
    codec="h264",
    encoder="libx264",
    args=(
        *_KEYFRAMES,
        "-sc_threshold", "0",  # no key frames at cuts: each would be a fragment of its own
        "-profile:v", "high",  # everything that plays video plays High
        "-refs", "3",  # fits every level of ladder_levels, and more brings little
    ),
    speeds={
        "first": ("-preset", "veryfast"),
        "standard": ("-preset", "faster"),
    },
    params_flag="-x264-params",
    params=(
        "stitchable=1",  # headers depend on settings only, never on content: SPS and PPS equal in all chunks
        "open-gop=0",  # a player may start at any segment
    ),
    level_flag=True,
    no_reorder=("-bf", "0"),
)  # fmt: skip

LIBX265 = EncoderProfile(
    name="libx265",
    codec="hevc",
    encoder="libx265",
    args=_KEYFRAMES,
    speeds={
        "first": ("-preset", "ultrafast"),
        "standard": ("-preset", "fast"),
    },
    params_flag="-x265-params",
    params=(
        "open-gop=0",  # as for H.264
        "scenecut=0",  # no key frames but ours
        "keyint=-1",  # x265 would else put one every 250 frames
        "repeat-headers=0",  # parameter sets live in the init segment alone
        "info=0",  # no SEI with the build's name in every chunk
        "log-level=error",
    ),
    level_param="level-idc",
    no_reorder_params=("bframes=0",),
    threads_param="pools",  # x265 makes a pool of all cores whatever -threads says
    tag="hvc1",  # Apple's players refuse hev1
)

LIBSVTAV1 = EncoderProfile(
    name="libsvtav1",
    codec="av1",
    encoder="libsvtav1",
    args=(
        "-g", "100000",  # as above; SVT-AV1 takes forced key frames as key pictures
    ),
    speeds={
        "first": ("-preset", "10"),
        "standard": ("-preset", "8"),
    },
    params_flag="-svtav1-params",
    params=("scd=0",),  # no key frames but ours
    level_param="level",
    threads_param="lp",  # level of parallelism; -threads is ignored
)  # fmt: skip

PROFILES: dict[str, EncoderProfile] = {p.name: p for p in (LIBX264, LIBX265, LIBSVTAV1)}
BY_CODEC: dict[str, str] = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1"}
"""The profile of each codec of a preset; an installation with a GPU names another."""
