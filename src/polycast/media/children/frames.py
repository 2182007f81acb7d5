"""Lists the presentation times of one video stream; demuxes, never decodes.

Request: path, index, sound (indexes of the streams that are heard with it). Progress: how many frames were read so
far (a number), and in the end the list itself in pieces (`frame_list.cut`). Result: time_base, last_duration, exact
(`grid_frames.FrameIndex`), count and sound_end_s (`sound_end.follow`, from the end of the last frame).
"""

from typing import Any

import av
from av.error import FFmpegError

from polycast.domain.errors import LimitExceeded, Unreadable
from polycast.media.children.protocol import main, send
from polycast.media.children.sound_end import follow
from polycast.media.frame_list import cut
from polycast.media.toolkit_allowlist import CODEC_WHITELIST, FORMAT_WHITELIST, PROTOCOL_WHITELIST

MAX_FRAMES = 12_000_000
"""55 hours at 60 frames a second."""
_REPORT_EVERY = 20_000


def frames(request: dict[str, Any]) -> dict[str, Any]:
    try:
        with av.open(
            f"file:{request['path']}",
            options={
                "protocol_whitelist": PROTOCOL_WHITELIST,
                "format_whitelist": FORMAT_WHITELIST,
                "codec_whitelist": CODEC_WHITELIST,
            },
        ) as container:
            sound = [container.streams[int(index)] for index in request["sound"]]
            return _read(container, container.streams[int(request["index"])], sound)
    except (FFmpegError, IndexError, ValueError) as error:
        raise Unreadable("the file cannot be read to its end") from error


def _read(container: Any, stream: Any, sound: list[Any]) -> dict[str, Any]:
    pts: dict[int, int] = {}
    keys: set[int] = set()
    exact = True
    try:
        for packet in container.demux(stream):
            if packet.size == 0:
                continue  # the flush packet at the end
            time = packet.pts if packet.pts is not None else packet.dts
            # field pairs in two packets, or muxers without composition times
            exact = exact and packet.pts is not None and time not in pts
            if time is None or packet.is_discard:
                continue  # in front of an edit list's start: decoded, never shown
            pts[time] = packet.duration or 0
            if packet.is_keyframe:
                keys.add(time)
            if len(pts) > MAX_FRAMES:
                raise LimitExceeded("the video has too many frames")
            if len(pts) % _REPORT_EVERY == 0:
                send("progress", len(pts))
    except FFmpegError:
        exact = False  # damaged at the end: what came before is still a video
    if not pts:
        raise Unreadable("the video has no frames")
    ordered = sorted(pts)
    last = pts[ordered[-1]]
    if last <= 0:
        last = ordered[-1] - ordered[-2] if len(ordered) > 1 else max(1, round(1 / (25 * stream.time_base)))
    for piece in cut(ordered, keys):
        send("progress", piece)
    end_s = float((ordered[-1] + last) * stream.time_base)
    return {
        "time_base": f"{stream.time_base.numerator}/{stream.time_base.denominator}",
        "count": len(ordered),
        "last_duration": last,
        "exact": exact,
        "sound_end_s": follow(container, sound, end_s) if sound else end_s,
    }


if __name__ == "__main__":
    main(frames)
