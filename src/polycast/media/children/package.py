"""Cut a source into CMAF tracks as it is.

Request: `{"source", "out", "target_s", "limit_s", "tracks": [{"id", "index", "kind", "language", "label",
"frame_rate", "colours"}]}`, the last of video alone, members of `Colours`. Progress: `{"track", "header"}` once and
`{"track", "segment"}` per segment, both in the lines of the track log; result: `[{"id", "samples", "source_samples", "dropped"}]`.
"""

import os
from pathlib import Path
from typing import Any

from polycast.media.children import mp4_boxes, mp4_tables, package_mp4
from polycast.media.children.protocol import main


def handle(request: dict[str, Any]) -> list[dict[str, Any]]:
    """By the tables where the source has them, else by demuxing.

    Raises:
        MediaError: see `package.Packaging.package`.
    """
    wanted, out = request["tracks"], Path(request["out"])
    target_s, limit_s = float(request["target_s"]), float(request["limit_s"])
    fd = os.open(request["source"], os.O_RDONLY)
    try:
        size = os.fstat(fd).st_size
        moov = mp4_boxes.read_moov(fd, size)
        if moov is not None and not mp4_tables.fragmented(moov):
            tracks = mp4_tables.tracks(moov, size)
            return package_mp4.package(fd, tracks, wanted, out, target_s, limit_s)
    except mp4_boxes.Malformed:
        pass  # FFmpeg reads more than we do; nothing has been written yet
    finally:
        os.close(fd)
    from polycast.media.children import package_demux

    return package_demux.package(request["source"], wanted, out, target_s, limit_s)


if __name__ == "__main__":
    main(handle)
