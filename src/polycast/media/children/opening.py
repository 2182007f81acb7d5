"""Open a foreign file with PyAV: the one place where the children hand bytes to libavformat."""

from pathlib import Path
from typing import Any

import av

from polycast.domain.errors import Unreadable
from polycast.media.toolkit_allowlist import (
    CODEC_WHITELIST,
    FORMAT_WHITELIST,
    PROTOCOL_WHITELIST,
    still_demuxer,
)

av.logging.set_level(None)  # silence: a hostile file could fill stderr, and we report by error class

PROBE_BYTES = 8 << 20
"""What libavformat may read to find the streams; MPEG-TS at 20 Mbit/s shows all of them within this."""


def open_source(path: str) -> Any:
    """An input container over exactly this file.

    Raises:
        Unreadable: no allowed demuxer reads it.
    """
    options = {
        "protocol_whitelist": PROTOCOL_WHITELIST,  # nothing named inside the file leads to the network
        "format_whitelist": FORMAT_WHITELIST,  # no demuxer that opens further files (playlists, patterns)
        "codec_whitelist": CODEC_WHITELIST,  # no rare decoder to find stream parameters
        "probesize": str(PROBE_BYTES),
        "analyzeduration": "5000000",  # microseconds; longer waits find nothing but sparse subtitles
        "max_streams": "64",  # a header may claim a thousand
    }
    with Path(path).open("rb") as file:
        still = still_demuxer(file.read(12))
    try:
        return av.open(
            f"file:{path}", "r", format=still, container_options=options, metadata_errors="replace"
        )
    except av.error.FFmpegError as error:
        raise Unreadable("the file is no video or audio format that can be read here") from error
    except ValueError as error:
        raise Unreadable("the file is damaged") from error
