"""What a downloadable file is made of, and the ffmpeg command for it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

from polycast.domain.colours import colours
from polycast.domain.errors import NoPlayableTracks
from polycast.domain.media import AudioTrack, CaptionTrack, SourceInfo, VideoTrack
from polycast.domain.presets import Preset
from polycast.media.command_filters import fit, tone_map
from polycast.media.ladder import (
    STILL_DURATION_S,
    STILL_RATE,
    AudioRendition,
    Rendition,
    plan_ladder,
)
from polycast.media.profiles import PROFILES
from polycast.media.toolkit_runner import input_args
from polycast.protocols.language import three_letters

_PIXELS = frozenset({"yuv420p", "yuvj420p"})
_CONTAINERS = frozenset({"mov", "mp4", "matroska"})
"""Whose timestamps may be trusted unseen; those of transport streams are mended on the way through a decoder."""
_AAC = frozenset({None, "LC"})
_KEYFRAME_S = 4


@dataclass(frozen=True, slots=True)
class Mp4Plan:
    """Tracks of the file. A rendition is encoded, a track of the source copied.

    Attributes:
        source_video: what is shown; None for sound alone.
        video: the rendition to make of it; None: it is copied (or there is none).
        audio: each source track with what to make of it, None: it is copied.
        captions: text tracks to keep as subtitles of the file.
        beside: further files, of which the sound is taken.
        order: the sound of all files as it shall stand, each track by its input's number and its id;
            what is not in it comes behind.
    """

    source_video: VideoTrack | None
    video: Rendition | None
    audio: tuple[tuple[AudioTrack, AudioRendition | None], ...]
    captions: tuple[CaptionTrack, ...] = ()
    beside: tuple["Beside", ...] = ()
    order: tuple[tuple[int, str], ...] = ()

    @property
    def every_audio(self) -> list[tuple[int, AudioTrack, AudioRendition | None]]:
        """Of all files, in the result's order, each with the number of its input."""
        plans = [self, *(other.plan for other in self.beside)]
        place = {name: n for n, name in enumerate(self.order)}
        found = [(number, *pair) for number, plan in enumerate(plans) for pair in plan.audio]
        return sorted(found, key=lambda each: place.get((each[0], each[1].id), len(place)))

    @property
    def copies_all(self) -> bool:
        return self.video is None and all(made is None for _, _, made in self.every_audio)

    @property
    def copies_any(self) -> bool:
        """Whether anything is taken over as it is."""
        copied = self.source_video is not None and self.video is None
        return copied or any(made is None for _, _, made in self.every_audio)

    @property
    def tracks(self) -> int:
        """Video and audio tracks of the result."""
        return len(self.every_audio) + (self.source_video is not None)


@dataclass(frozen=True, slots=True)
class Beside:
    """Another file that gives sound; its start is heard at the start of the first file."""

    path: Path
    info: SourceInfo
    plan: Mp4Plan


def plan_mp4(info: SourceInfo, preset: Preset, *, captions: Sequence[str] = (), copy: bool = True) -> Mp4Plan:
    """Copy what fits the preset, encode the rest; video of the largest rung that the source fills.

    Turned pictures and unusual pixel shapes are copied with their description, which every player of
    downloaded files honours.

    Args:
        captions: ids of text tracks to take along.
        copy: False encodes everything.

    Raises:
        NoPlayableTracks: neither video (or the preset has no rungs) nor audio.
        LimitExceeded: as `plan_ladder`.
    """
    ladder = plan_ladder(info, preset)
    shown = info.main_video if preset.rungs else None
    may_copy = copy and preset.passthrough and not info.edit_lists and not info.encrypted
    may_copy = may_copy and bool(_CONTAINERS & set(info.container.split(",")))
    tracks = {track.index: track for track in info.audio}
    audio = tuple(
        (tracks[made.index], None if may_copy and _copies_audio(tracks[made.index], preset) else made)
        for made in ladder.audio
    )
    if shown is None and not audio:
        raise NoPlayableTracks("the file has no track that this preset can use")
    rendition = ladder.renditions[-1] if shown is not None else None
    if shown is not None and may_copy and _copies_video(info, shown, preset):
        rendition = None
    texts = tuple(c for c in info.captions if c.text and c.id in captions) if shown is not None else ()
    return Mp4Plan(shown, rendition, audio, texts)


def _copies_video(info: SourceInfo, video: VideoTrack, preset: Preset) -> bool:
    side = min(video.display_width, video.display_height)
    cap = next((r.max_bitrate_bps for r in preset.rungs if r.short_side >= side), None)
    rate = video.frame_rate or video.nominal_rate
    return (
        preset.video_codec == "h264" == video.codec
        and cap is not None
        and (video.bitrate_bps or info.bitrate_bps or 0) <= cap
        and video.pix_fmt in _PIXELS
        and video.bit_depth == 8
        and not (video.hdr or video.interlaced or video.still)
        and not (video.width % 2 or video.height % 2)
        and rate is not None
        and rate <= max(r.max_frame_rate for r in preset.rungs) + 0.5
    )


def _copies_audio(track: AudioTrack, preset: Preset) -> bool:
    # twice the wish is still no reason to lose quality by encoding again
    return (
        track.codec == "aac"
        and track.profile in _AAC
        and track.channels <= 2
        and (track.bitrate_bps or 0) <= 2 * preset.audio_bitrate_bps
    )


def without_copies(plan: Mp4Plan, info: SourceInfo, preset: Preset) -> Mp4Plan:
    """The same file with everything encoded."""
    beside = tuple(replace(b, plan=plan_mp4(b.info, preset, copy=False)) for b in plan.beside)
    whole = plan_mp4(info, preset, copy=False)
    video = whole.video if plan.source_video is not None else None
    return replace(plan, video=video, audio=whole.audio, beside=beside)


def plan_beside(path: Path, info: SourceInfo, preset: Preset) -> Beside:
    """The sound of another file: its audio tracks alone, copied where they fit.

    Raises:
        NoPlayableTracks: it has none.
    """
    info = replace(info, video=(), captions=())
    return Beside(path, info, plan_mp4(info, preset))


def mp4_args(
    source: Path, plan: Mp4Plan, out: Path, *, threads: int = 1, container: str | None = None
) -> list[str]:
    """Arguments behind ffmpeg's global ones; `container` as of `input_args`."""
    args = [
        "-filter_threads", str(threads),
        *input_args(source, threads=threads, container=container),
        *(arg for other in plan.beside for arg in input_args(other.path)),
    ]  # fmt: skip
    if plan.source_video is not None:
        args += ["-map", f"0:{plan.source_video.index:d}"]
        args += (
            _copied(plan.source_video)
            if plan.video is None
            else _video(plan, plan.source_video, plan.video, threads)
        )
    for number, (file, track, made) in enumerate(plan.every_audio):
        args += ["-map", f"{file}:{track.index:d}", *_audio(number, made)]
        # a code out of our own table: no text of anybody's reaches the command
        args += [f"-metadata:s:a:{number}", f"language={three_letters(track.language)}"]
        # the first one is what a player takes by itself, whichever the source had marked so
        args += [f"-disposition:a:{number}", "+default" if number == 0 else "-default"]
    for caption in plan.captions:
        args += ["-map", f"0:{caption.index:d}"]
    for number, caption in enumerate(plan.captions):
        args += [f"-c:s:{number}", "mov_text"]
        args += [f"-metadata:s:s:{number}", f"language={three_letters(caption.language)}"]
    return [*args, *muxer(out)]


def muxer(out: Path) -> list[str]:
    """How the file is written: by `out`'s suffix `.m4a` as sound, else as MP4."""
    return [
        "-map_metadata", "-1",  # names, places and devices are the uploader's own business
        "-map_chapters", "-1",
        "-fflags", "+bitexact",  # no date: the same source gives the same file
        "-movflags", "+faststart",  # the index first: players begin before the file is there
        "-max_muxing_queue_size", "4096",  # tracks that begin late must not fail the file
        "-f", "ipod" if out.suffix == ".m4a" else "mp4",
        f"file:{out}",
    ]  # fmt: skip


def _copied(video: VideoTrack) -> list[str]:
    args = ["-c:v", "copy"]
    if None in (video.color_primaries, video.transfer, video.matrix):
        said = colours(video)
        # the parameter sets say what players would have to guess; pictures stay as they are
        args += [
            "-bsf:v",
            f"h264_metadata=colour_primaries={said.primaries}:transfer_characteristics={said.transfer}"
            f":matrix_coefficients={said.matrix}",
        ]
    return args


def _video(plan: Mp4Plan, video: VideoTrack, made: Rendition, threads: int) -> list[str]:
    profile = PROFILES[made.profile]
    args = [
        "-vf", ",".join(_filters(plan, video, made)),
        "-c:v", profile.encoder,
        *profile.args,
        *profile.speeds["standard"],
        "-crf", f"{made.crf:g}",
        "-maxrate", str(made.maxrate_bps),
        "-bufsize", str(made.bufsize_bits),
        "-force_key_frames", f"expr:gte(t,n_forced*{_KEYFRAME_S})",  # seeking in a download is as good as in a stream
        "-fps_mode", "vfr",  # frames keep their times; two at one time become one
        "-enc_time_base:v", "demux",  # and are not rounded to a frame rate that the source may not have
        "-threads:v", str(threads),
        "-flags:v", "+bitexact",
    ]  # fmt: skip
    if profile.tag:
        args += ["-tag:v", profile.tag]
    params = list(profile.params)
    if profile.threads_param:
        params.append(f"{profile.threads_param}={threads}")
    if params:
        args += [profile.params_flag, ":".join(params)]
    return args


def _filters(plan: Mp4Plan, video: VideoTrack, made: Rendition) -> list[str]:
    steps: list[str] = []
    if video.still:
        length_s = max((a.duration_s for _, a, _ in plan.every_audio), default=0.0) or STILL_DURATION_S
        frames = max(1, ceil(length_s * STILL_RATE))
        steps += [
            "select=eq(n\\,0)",
            f"loop=loop={frames - 1}:size=1",
            f"settb=1/{STILL_RATE}",
            "setpts=N",
        ]
    elif video.interlaced:
        steps.append("bwdif=mode=send_frame:deint=interlaced")
    steps += tone_map(video, [made])
    if made.every > 1 and not video.variable_rate:
        steps.append(f"select=not(mod(n\\,{made.every}))")
    elif made.max_rate is not None:
        steps.append(f"fps={made.max_rate}")
    return [*steps, *fit(video, made)]


def _audio(number: int, made: AudioRendition | None) -> list[str]:
    if made is None:
        return [f"-c:a:{number}", "copy"]
    return [
        f"-c:a:{number}", "aac",
        f"-profile:a:{number}", "aac_low",
        f"-b:a:{number}", str(made.bitrate_bps),
        f"-ar:a:{number}", str(made.sample_rate),
        f"-ac:a:{number}", str(made.channels),
        f"-filter:a:{number}", "aresample=async=1:first_pts=0",  # silence where packets are missing, no drift
        f"-flags:a:{number}", "+bitexact",
    ]  # fmt: skip


def join_args(
    video: Path | None, audio: Sequence[Path], out: Path, *, languages: Sequence[str | None] = ()
) -> list[str]:
    """Arguments behind ffmpeg's global ones: one track of each file, as it is, into one MP4.

    Args:
        languages: BCP 47 tags of the audio tracks, in order.
    """
    args = ["-copyts"]  # all tracks share one clock: none is moved to 0 by itself
    files = ([video] if video is not None else []) + list(audio)
    for path in files:
        args += input_args(path)
    for number, path in enumerate(files):
        args += ["-map", f"{number}:{'v' if path is video else 'a'}:0"]
    for number, language in enumerate(languages):
        args += [f"-metadata:s:a:{number}", f"language={three_letters(language)}"]
    return [*args, "-c", "copy", *muxer(out)]
