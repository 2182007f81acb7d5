"""What every ffmpeg command begins with, and which demuxers it can reach."""

import asyncio
import importlib.util
from pathlib import Path

import av
import pytest

from polycast.media import children
from polycast.media.toolkit_allowlist import DEMUXERS, still_demuxer
from polycast.media.toolkit_runner import Tools, input_args

OPENS_OTHER_FILES = {
    "hls", "dash", "concat", "image2", "image2pipe", "sdp", "rtsp", "rtp", "lavfi", "vapoursynth", "imf", "webm_dash_manifest", "tedcaptions",
}  # fmt: skip


def test_no_demuxer_that_opens_further_files_is_allowed() -> None:
    assert not OPENS_OTHER_FILES & set(DEMUXERS)


def test_every_allowed_demuxer_exists() -> None:
    known = {name for entry in av.formats_available for name in entry.split(",")}
    assert set(DEMUXERS) - known <= {"w64"}


def test_the_white_lists_stand_before_the_input_and_names_cannot_be_options_or_protocols() -> None:
    args = input_args(Path("/data/-evil:name"), "-ss", "4")
    assert args[-2:] == ["-i", "file:/data/-evil:name"]
    assert args.index("-protocol_whitelist") < args.index("-i")
    assert args[args.index("-protocol_whitelist") + 1] == "file,pipe"
    assert "-format_whitelist" in args
    assert "-codec_whitelist" in args
    assert "-f" not in args


def test_a_still_names_its_demuxer() -> None:
    args = input_args(Path("/data/a.jpg"), container="jpeg_pipe")
    assert args[args.index("-f") + 1] == "jpeg_pipe"
    assert "-f" not in input_args(Path("/data/a.mp4"), container="mov,mp4,m4a,3gp,3g2,mj2")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\r", "png_pipe"),
        (b"\xff\xd8\xff\xe0", "jpeg_pipe"),
        (b"RIFF\0\0\0\0WEBP", "webp_pipe"),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"\0\0\0\x20ftypisom", None),
        (b"", None),
    ],
)
def test_stills_are_known_by_content(head: bytes, name: str | None) -> None:
    assert still_demuxer(head) == name


def test_warming_up_compiles_the_children_without_loading_them(tmp_path: Path) -> None:
    cached = Path(importlib.util.cache_from_source(str(Path(children.__file__).with_name("package_cuts.py"))))
    cached.unlink(missing_ok=True)
    asyncio.run(Tools(ffmpeg="ffmpeg", work_root=tmp_path).warm_up())
    assert cached.exists()
