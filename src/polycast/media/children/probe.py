"""Say what a file is.

Request: `{"source", "max_dimension", "max_tracks", "max_duration_s"}`; result: `SourceInfo.to_json()`.
"""

import os
from pathlib import Path
from typing import Any

from polycast.domain.errors import Encrypted, LimitExceeded, NoPlayableTracks, Unreadable
from polycast.domain.media import KeyframeIndex, SourceChapter, SourceInfo
from polycast.media.children import mp4_boxes, mp4_tables, probe_index, probe_scan, probe_tracks
from polycast.media.children.opening import open_source
from polycast.media.children.picture_scaler import orientation
from polycast.media.children.protocol import main
from polycast.media.toolkit_allowlist import DECODERS

_BARE = {"h264", "hevc", "m4v", "mpegvideo", "av1", "obu"}
_LOOKED_AT = 4
"""video tracks whose first picture is decoded"""
_LATE_S = 1.0
"""a start that makes a difference to the length"""
_STILL_BRANDS = {"avif", "heic", "heix", "mif1"}


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """Probe one file.

    Raises:
        Unreadable, Encrypted, NoPlayableTracks, LimitExceeded: see `probe.Probing.probe`.
    """
    path = request["source"]
    size = Path(path).stat().st_size
    if size == 0:
        raise Unreadable("the file is empty")
    probe_scan.refuse_playlists(path)
    tables, edits = _mp4(path, size)
    if probe_scan.scrambled(path):
        raise Encrypted("the file is encrypted")
    try:
        with open_source(path) as container:
            return _info(container, size, tables, edits, request).to_json()
    except (ValueError, OverflowError, ArithmeticError, LookupError) as error:
        # PyAV's own errors are ValueError, LookupError or OSError as well; see av/error.py
        raise Unreadable("the file is damaged") from error


def _mp4(path: str, size: int) -> tuple[list[mp4_tables.Mp4Track], int]:
    """Tracks of an MP4 and the number of edits that do more than set a start; ([], 0) for other files.

    Raises:
        Encrypted: a track is.
    """
    fd = os.open(path, os.O_RDONLY)
    try:
        moov = mp4_boxes.read_moov(fd, size)
        tracks = mp4_tables.tracks(moov, size) if moov is not None else []
    except mp4_boxes.Malformed:
        return [], 0
    finally:
        os.close(fd)
    if any(t.encrypted for t in tracks):
        raise Encrypted("the file is encrypted")
    return tracks, sum(len(t.edits) for t in tracks if mp4_tables.timeline(t) is None)


def _info(
    container: Any, size: int, tables: list[mp4_tables.Mp4Track], edits: int, request: dict[str, Any]
) -> SourceInfo:
    if container.format.name in _BARE and not container.duration:
        raise Unreadable(
            "the file is a bare video stream, without times; put it into a container such as MP4"
        )
    streams = [s for s in container.streams if s.type in {"video", "audio", "subtitle"}]
    if len(streams) > request["max_tracks"]:
        raise LimitExceeded(f"the file has more than {request['max_tracks']} tracks")
    if any("enc_key_id" in s.metadata for s in streams):  # Matroska's ContentEncryption
        raise Encrypted("the file is encrypted")
    start_s = max(0.0, (container.start_time or 0) / 1e6)
    still = container.format.name.endswith("_pipe") or container.metadata.get("major_brand") in _STILL_BRANDS
    duration_s = 0.0 if still else (container.duration or 0) / 1e6
    if duration_s <= 0 and not still:
        duration_s = probe_scan.measured_duration(container, streams, start_s)
    elif start_s >= _LATE_S and "matroska" in container.format.name:
        duration_s = probe_scan.length_to_last(container, streams, start_s, duration_s)
    if duration_s > request["max_duration_s"]:
        raise LimitExceeded("the file is too long")
    end_s = start_s + duration_s
    found: dict[str, list[Any]] = {"video": [], "audio": [], "subtitle": []}
    keyframes: KeyframeIndex | None = None
    unturned: list[int] = []
    for stream in streams:
        kind, context = stream.type, stream.codec_context
        number = len(found[kind]) + 1
        if kind == "subtitle":
            found[kind].append(probe_tracks.captions(number, stream))
        elif context is None or context.name not in DECODERS:
            continue  # no decoder we trust: not a track for anybody
        elif kind == "audio":
            if context.sample_rate and context.channels:
                found[kind].append(probe_tracks.audio(number, stream, end_s=end_s))
        elif context.width and context.height:
            if max(context.width, context.height) > request["max_dimension"]:
                raise LimitExceeded(f"the picture is larger than {request['max_dimension']} pixels")
            mp4 = next((t for t in tables if t.number == stream.index and t.handler == b"vide"), None)
            times = probe_index.from_tables(mp4) if mp4 is not None else None
            track = probe_tracks.video(number, stream, mp4=mp4, times=times, still=still, end_s=end_s)
            if mp4 is None:
                unturned.append(len(found[kind]))
            found[kind].append(track)
            if keyframes is None and not track.attached_picture and not still:
                # of an MP4 in fragments FFmpeg knows only those it has met: no index at all
                keyframes = (
                    times.keyframes if times else None if mp4 else _other_index(container, stream, end_s)
                )
    for at in unturned[:_LOOKED_AT]:
        # outside MP4 a turn is told in as many ways as there are containers, and by pictures themselves (Exif,
        # H.264's SEI): the first one decoded has it, however it was told
        track = found["video"][at]
        frame = probe_scan.first_frame(container, container.streams[track.index])
        if frame is not None:
            found["video"][at] = probe_tracks.turned(track, orientation(frame))
    if not found["audio"] and all(v.attached_picture for v in found["video"]):
        raise NoPlayableTracks("the file has no video or audio that can be played here")
    return SourceInfo(
        container=container.format.name,
        duration_s=duration_s,
        start_s=start_s,
        size_bytes=size,
        bitrate_bps=int(size * 8 / duration_s) if duration_s > 0 else None,
        video=tuple(found["video"]),
        audio=tuple(found["audio"]),
        captions=tuple(found["subtitle"]),
        chapters=tuple(_chapters(container)),
        keyframes=keyframes,
        edit_lists=edits,
    )


def _other_index(container: Any, stream: Any, end_s: float) -> KeyframeIndex | None:
    if container.format.name == "matroska,webm":
        container.seek(0)  # makes the demuxer read cues that lie at the end of the file
    return probe_index.from_entries(stream, end_s)


def _chapters(container: Any) -> list[SourceChapter]:
    chapters = []
    for item in container.chapters()[:1000]:
        start, end = (float(item[k] * item["time_base"]) for k in ("start", "end"))
        title = item["metadata"].get("title", "")[:500]
        if 0 <= start <= end:
            chapters.append(SourceChapter(start, end, title))
    return chapters


if __name__ == "__main__":
    main(handle)
