"""The ffmpeg command of a chunk: decode once, encode every rendition, write fragments. Pure."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from polycast.domain.errors import NoPlayableTracks
from polycast.domain.media import SourceInfo
from polycast.media.chunks import Chunk
from polycast.media.command_filters import filter_graph, frame_step, is_even
from polycast.media.ladder import Rendition
from polycast.media.profiles import PROFILES, EncoderProfile, Speed
from polycast.media.toolkit_runner import input_args

FRAGMENT_FLAGS = (
    # not `cmaf`: it makes composition offsets negative, and libavformat (VLC, mpv, ffmpeg) shows a track late by
    # the largest of them, two frames against the sound
    "empty_moov",  # the init segment is complete before the first frame
    "default_base_moof",  # offsets count from the fragment: segments stand alone
    "frag_keyframe",  # a fragment begins with each key frame, and those stand on the grid
    "frag_discont",  # the first fragment starts at its own time (tfdt), not at 0
    "skip_trailer",  # no index at the end, we have our own
)
"""With `-copyts -avoid_negative_ts disabled -use_editlist 0` this writes the right tfdt; no box is patched."""

_REORDER_FRAMES = 4
"""More than any profile delays its output (B-pyramid: 2 frames)."""

MUXER = (
    "-avoid_negative_ts", "disabled",  # no shift to 0: times are of the grid
    "-use_editlist", "0",  # an edit list would hide the delay of reordering instead of cancelling it
    "-fflags", "+bitexact",  # no muxer name or date: init segments are equal in all chunks
    "-map_metadata", "-1",  # titles and places of the source do not belong in segments
    "-map_chapters", "-1",
)  # fmt: skip


def chunk_args(
    source: Path,
    info: SourceInfo,
    chunk: Chunk,
    renditions: Sequence[Rendition],
    outputs: Sequence[Path],
    *,
    speed: Speed = "standard",
    threads: int = 1,
    deeper: bool = False,
    fill: bool = False,
) -> list[str]:
    """Arguments behind ffmpeg's global ones.

    Args:
        outputs: one file for each rendition.
        threads: of the decoder, the filters and each encoder.
        deeper: begin decoding one key frame further back.
        fill: see `filter_graph`.

    Raises:
        NoPlayableTracks: the source has no video.
    """
    video = info.main_video
    if video is None:
        raise NoPlayableTracks("the file has no video")
    seek = chunk.deeper_s if deeper else chunk.seek_s
    options = []
    if seek is not None:
        options += [
            "-seek_timestamp", "1",  # the time is the source's own, not counted from its first packet
            "-noaccurate_seek",  # frames before the chunk are dropped by our trim, which knows exactly where
            "-ss", f"{float(seek):.6f}",
        ]  # fmt: skip
    args = [
        "-copyts",  # source times reach the filters untouched, wherever decoding began
        "-filter_complex_threads", str(threads),
        *input_args(source, *options, threads=threads, container=info.container),
        "-filter_complex", filter_graph(video, chunk, renditions, fill=fill),
    ]  # fmt: skip
    for i, (rendition, path) in enumerate(zip(renditions, outputs, strict=True)):
        args += [
            "-map",
            f"[o{i}]",
            *_encoder(chunk, rendition, speed, threads),
            *_muxer(chunk),
            f"file:{path}",
        ]
    return args


def _encoder(chunk: Chunk, rendition: Rendition, speed: Speed, threads: int) -> list[str]:
    profile = PROFILES[rendition.profile]
    even = is_even(chunk, rendition)
    args = [
        "-c:v", profile.encoder,
        *profile.args,
        *profile.speeds[speed],
        "-crf", f"{rendition.crf:g}",
        # capped CRF: constant quality until the cap, so that simple pictures cost little
        "-maxrate", str(rendition.maxrate_bps),
        "-bufsize", str(rendition.bufsize_bits),
        "-threads", str(threads),
        "-fps_mode", "passthrough",  # the filters decided which frames there are
        "-enc_time_base", f"1:{chunk.timescale}",  # encoder and file count in the ticks of the grid
        "-flags", "+bitexact",
    ]  # fmt: skip
    if profile.level_flag:
        args += ["-level", _level(profile.codec, rendition.level)]
    if profile.tag:
        args += ["-tag:v", profile.tag]
    if not even:
        args += profile.no_reorder
    params = _params(profile, rendition, threads, even=even)
    if params:
        args += [profile.params_flag, ":".join(params)]
    keys = [*chunk.starts[1:], *([chunk.end] if chunk.tail else [])]
    if keys:
        # a microsecond early at most: the first frame at or after each time becomes a key frame
        times = (f"{_floor_us(Fraction(s, chunk.timescale))}" for s in keys)
        args += ["-force_key_frames", ",".join(times)]
    # The last frame of a fragment has no successor to measure by: say how long each frame lasts.
    dts = "DTS"
    if even:
        step = frame_step(chunk, rendition)
        duration = str(step)
        # Decoding runs ahead of showing by the encoder's delay, the same in every chunk, so that decode times
        # rise across joints. At time 0 there is no room ahead: the first ones stand closer together.
        if chunk.starts[0] < 2 * _REORDER_FRAMES * step:
            dts = f"max(DTS\\,floor(N*{step}/{_REORDER_FRAMES + 1}))"
    else:
        duration = f"if(eq(NEXT_PTS\\,NOPTS)\\,max(1\\,{chunk.end}-PTS)\\,NEXT_PTS-PTS)"
    return [*args, "-bsf:v", f"setts=pts=PTS:dts={dts}:duration={duration}"]


def _params(profile: EncoderProfile, rendition: Rendition, threads: int, *, even: bool) -> list[str]:
    params = list(profile.params)
    if profile.level_param:
        params.append(f"{profile.level_param}={_level(profile.codec, rendition.level)}")
    if profile.threads_param:
        params.append(f"{profile.threads_param}={threads}")
    if not even:
        params += profile.no_reorder_params
    return params


def _level(codec: str, idc: int) -> str:
    """The level as encoders are told it: 4.0 is level_idc 40, general_level_idc 120, seq_level_idx 8."""
    if codec == "av1":
        return str((idc // 4 + 2) * 10 + idc % 4)
    return f"{idc / (30 if codec == 'hevc' else 10):.1f}"


def _muxer(chunk: Chunk) -> list[str]:
    return [
        *MUXER,
        "-movflags", "+" + "+".join(FRAGMENT_FLAGS),
        "-video_track_timescale", str(chunk.timescale),
        "-f", "mp4",
    ]  # fmt: skip


def _floor_us(seconds: Fraction) -> str:
    micros = seconds.numerator * 1_000_000 // seconds.denominator
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"
