"""Generated media for tests: short clips in many forms, every frame carrying its own number.

`Media.clip(name)` makes a clip once per test run and gives its path; `VARIANTS` lists the names.
The number is a row of 16 black or white blocks over the top eighth of the picture, lowest bit left: it
survives scaling, encoding and tone-mapping, and `frame_number` reads it back from a decoded frame.

    @pytest.fixture(scope="session")
    def media(tmp_path_factory): return Media.for_run(tmp_path_factory)
"""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import pytest

SAMPLES = Path(__file__).parents[1] / "media"
"""Real files with their licences, see the README there."""
BITS = 16
FFMPEG = os.environ.get("POLYCAST_FFMPEG") or imageio_ffmpeg.get_ffmpeg_exe()


@dataclass(frozen=True)
class Clip:
    """How to make a clip: lavfi picture and sound, then encoder and container options.

    Attributes:
        size, rate, seconds: of the picture; `rate` as FFmpeg writes it.
        video: options of the video encoder; empty for none. audio: likewise, once per track.
        picture: filters behind the numbered picture. output: container options.
        sound: lavfi graph of all sound; "" gives each track a tone of its own.
        after: turns the finished file into another (cut it, damage it).
    """

    suffix: str = ".mp4"
    size: tuple[int, int] = (320, 180)
    rate: str = "30"
    seconds: float = 6
    video: tuple[str, ...] = ("libx264", "-preset", "veryfast", "-g", "60", "-bf", "2", "-flags", "+cgop")
    audio: tuple[tuple[str, ...], ...] = (("aac", "-b:a", "64k"),)
    channels: str = "stereo"
    picture: str = "format=yuv420p"
    sound: str = ""
    output: tuple[str, ...] = ()
    after: "Callable[[Path, Path], None] | None" = None


_X264 = ("libx264", "-preset", "veryfast")
_CLOSED = ("-g", "60", "-bf", "2", "-flags", "+cgop")
_PQ = ("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc")


def _run(*args: str) -> None:
    # -bitexact: the same bytes in every run; -threads 1: tests share two cores
    command = [FFMPEG, "-nostdin", "-hide_banner", "-loglevel", "error", "-y", *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")


def _rotate(source: Path, target: Path) -> None:
    _run("-display_rotation:v:0", "90", "-i", str(source), "-c", "copy", str(target))


def _cut(share: float) -> Callable[[Path, Path], None]:
    def cut(source: Path, target: Path) -> None:
        data = source.read_bytes()
        target.write_bytes(data[: int(len(data) * share)])

    return cut


def _broken_timestamps(source: Path, target: Path) -> None:
    """The clip twice in a row: times jump back in the middle, as in a joined broadcast recording."""
    data = source.read_bytes()
    target.write_bytes(data + data)


def _untimed(source: Path, target: Path) -> None:
    """Every third picture of a transport stream loses its times (ISO/IEC 13818-1 §2.4.3.7)."""
    _lose_times(source, target, lambda number: number % 3 == 2)


def _timed_once(source: Path, target: Path) -> None:
    """All pictures but the first lose their times."""
    _lose_times(source, target, lambda number: number > 1)


def _lose_times(source: Path, target: Path, loses: Callable[[int], bool]) -> None:
    data = bytearray(source.read_bytes())
    pictures = 0
    for i in range(0, len(data) - 187, 188):
        pid = (data[i + 1] & 0x1F) << 8 | data[i + 2]
        if pid != 0x100 or not data[i + 1] & 0x40:
            continue
        pes = i + 4 + (1 + data[i + 4] if data[i + 3] & 0x20 else 0)
        pictures += 1
        if loses(pictures):
            data[pes + 7] &= 0x3F
            length = data[pes + 8]
            data[pes + 9 : pes + 9 + length] = b"\xff" * length
    target.write_bytes(bytes(data))


def _scramble(source: Path, target: Path) -> None:
    data = bytearray(source.read_bytes())
    for i in range(0, len(data) - 187, 188):
        data[i + 3] |= 0x80
    target.write_bytes(bytes(data))


def _huge(source: Path, target: Path) -> None:
    """A PNG whose header claims 65 535 x 65 535."""
    data = bytearray(source.read_bytes())
    data[16:24] = (65535).to_bytes(4, "big") * 2
    target.write_bytes(bytes(data))


_CENC = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb",
         "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8")  # fmt: skip
_AAC: tuple[str, ...] = ("aac", "-b:a", "64k")

VARIANTS: dict[str, Clip] = {
    # what plays as it is
    "h264": Clip(output=("-movflags", "+faststart")),
    "h264_moov_at_end": Clip(),
    "h264_fragmented": Clip(output=("-movflags", "frag_keyframe+empty_moov+default_base_moof")),
    "h264_mkv": Clip(suffix=".mkv"),
    "h264_ts": Clip(suffix=".ts"),
    "h264_flv": Clip(suffix=".flv"),
    "h264_no_b": Clip(video=(*_X264, "-g", "30", "-bf", "0")),
    "h264_deep_b": Clip(video=(*_X264, "-g", "90", "-bf", "4", "-flags", "+cgop", "-x264-params", "b-pyramid=normal")),
    "h264_long": Clip(seconds=10),
    "no_audio": Clip(audio=()),
    # large enough for a ladder of two rungs, little work
    "tall": Clip(size=(640, 360), rate="15", seconds=4, video=(*_X264, "-g", "15", "-bf", "2", "-flags", "+cgop")),
    "tall_vp9": Clip(suffix=".webm", size=(640, 360), rate="15", seconds=4, video=("libvpx-vp9", "-deadline", "realtime",
                     "-cpu-used", "8", "-g", "15", "-b:v", "300k"), audio=(("libopus", "-b:a", "64k"),)),
    "audio_only": Clip(suffix=".m4a", video=()),
    "languages": Clip(audio=(_AAC, _AAC), output=("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu",
                      "-metadata:s:a:1", "title=Kommentar")),
    "mono": Clip(channels="mono"),
    # rates and times
    "rate_23.976": Clip(rate="24000/1001", video=(*_X264, "-g", "48", "-bf", "2", "-flags", "+cgop")),
    "rate_29.97": Clip(rate="30000/1001"),
    "rate_50": Clip(rate="50", video=(*_X264, "-g", "100", "-bf", "2", "-flags", "+cgop")),
    "rate_60": Clip(rate="60", video=(*_X264, "-g", "120", "-bf", "2", "-flags", "+cgop")),
    "vfr": Clip(picture="format=yuv420p,select='not(eq(mod(n,5),3))'", output=("-fps_mode", "vfr")),
    "late_audio": Clip(output=("-movflags", "+faststart"), after=lambda s, t: _run(
        "-i", str(s), "-itsoffset", "0.5", "-i", str(s), "-map", "0:v", "-map", "1:a", "-c", "copy", str(t))),
    # the clock of a transport stream goes round in the middle
    "h264_ts_wrapped": Clip(suffix=".ts", output=("-output_ts_offset", "95440.7")),
    # a recorder's: its clock has run for hours
    "h264_ts_late": Clip(suffix=".ts", output=("-output_ts_offset", "20000.123")),
    # key frames that are not on whole milliseconds
    "tall_ts": Clip(suffix=".ts", size=(640, 360), seconds=5, video=(*_X264, "-g", "50", "-bf", "2", "-sc_threshold", "0", "-flags", "+cgop")),
    "tall_ts_film": Clip(suffix=".ts", size=(640, 360), rate="24000/1001", seconds=5, video=(*_X264, "-g", "31", "-bf", "2", "-sc_threshold", "0", "-flags", "+cgop")),
    "untimed_ts": Clip(suffix=".ts", seconds=3, after=_untimed),
    "timed_once_ts": Clip(suffix=".ts", seconds=3, after=_timed_once),
    "broken_ts": Clip(suffix=".ts", seconds=3, after=_broken_timestamps),
    # what must be encoded
    "open_gop": Clip(seconds=10, video=(*_X264, "-g", "48", "-bf", "2", "-x264-params", "open-gop=1:scenecut=0")),
    "long_gop": Clip(seconds=10, video=(*_X264, "-g", "600", "-bf", "2")),
    "portrait": Clip(size=(180, 320)),
    "rotated": Clip(size=(180, 320), picture="format=yuv420p,transpose=clock", after=_rotate),
    "rotated_mkv": Clip(suffix=".mkv", size=(180, 320), seconds=3, picture="format=yuv420p,transpose=clock", after=_rotate),
    "flipped": Clip(seconds=3, picture="format=yuv420p,vflip", after=lambda s, t: _run(
        "-display_vflip:v:0", "-i", str(s), "-c", "copy", str(t))),
    "odd_size": Clip(size=(321, 181), picture="format=yuv444p", video=(*_X264, *_CLOSED)),
    "anamorphic": Clip(size=(240, 180), picture="format=yuv420p,setsar=4/3"),
    "interlaced": Clip(picture="format=yuv420p,setfield=tff", video=(*_X264, *_CLOSED, "-x264-params", "tff=1")),
    "ten_bit": Clip(picture="format=yuv420p10le"),
    "hdr": Clip(suffix=".mkv", seconds=3, picture="format=yuv420p10le,setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc", video=("libx265", "-preset", "ultrafast", "-x265-params",
                "log-level=error:pools=1:frame-threads=1", *_PQ)),
    "hevc": Clip(seconds=3, video=("libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:pools=1:frame-threads=1")),
    "vp9": Clip(suffix=".webm", seconds=4, video=("libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "60", "-b:v", "400k"),
                audio=(("libopus", "-b:a", "64k"),)),
    "vp8": Clip(suffix=".webm", seconds=3, video=("libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "400k"), audio=(("libvorbis",),)),
    "av1": Clip(seconds=3, video=("libsvtav1", "-preset", "12", "-svtav1-params", "lp=1")),
    "mpeg2": Clip(suffix=".ts", rate="25", seconds=4, video=("mpeg2video", "-q:v", "4", "-g", "12", "-bf", "2"), audio=(("mp2", "-b:a", "128k"),)),
    # of a camcorder, wide: its pixels are not square
    "dv": Clip(suffix=".dv", size=(720, 576), rate="25", seconds=1, video=("dvvideo", "-pix_fmt", "yuv420p", "-aspect", "16:9"), audio=(("pcm_s16le",),)),
    "prores": Clip(suffix=".mov", seconds=2, picture="format=yuv422p10le", video=("prores_ks", "-profile:v", "0"), audio=(("pcm_s16le",),)),
    "surround": Clip(channels="5.1", audio=(("aac", "-b:a", "256k"),)),
    "mp3": Clip(suffix=".mp3", video=(), audio=(("libmp3lame", "-b:a", "64k"),)),
    "still_png": Clip(suffix=".png", video=("png",), audio=(), output=("-frames:v", "1", "-update", "1")),
    "still_jpg": Clip(suffix=".jpg", video=("mjpeg",), audio=(), output=("-frames:v", "1", "-update", "1")),
    # what must be refused
    "encrypted": Clip(seconds=2, output=_CENC),
    "scrambled_ts": Clip(suffix=".ts", seconds=2, after=_scramble),
    "truncated_faststart": Clip(output=("-movflags", "+faststart"), after=_cut(0.6)),
    "truncated": Clip(after=_cut(0.6)),
    "huge_png": Clip(suffix=".png", video=("png",), audio=(), output=("-frames:v", "1", "-update", "1"), after=_huge),
}  # fmt: skip

_TEXTS = {
    "empty.mp4": b"",
    "text.mp4": b"This is not a video, whatever its name says.\n" * 50,
    "playlist.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "concat.mp4": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "sdp.mp4": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nm=video 5004 RTP/AVP 96\r\n",
    "manifest.mp4": b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>\n',
}


class Media:
    """Makes and keeps clips; safe to use from several test processes over the same folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @classmethod
    def for_run(cls, factory: pytest.TempPathFactory) -> "Media":
        """One folder for all workers of a test run."""
        base = factory.getbasetemp()
        return cls((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "media")

    def clip(self, name: str) -> Path:
        """The path of a clip of `VARIANTS`, or of a file of text that pretends to be one."""
        if name in _TEXTS:
            return self._made(name, lambda path: path.write_bytes(_TEXTS[name]))
        variant = VARIANTS[name]
        return self._made(name + variant.suffix, lambda path: _make(variant, path))

    def make(self, name: str, clip: Clip) -> Path:
        """A clip of the caller's own, made once; equal names must mean equal clips."""
        return self._made(name, lambda path: _make(clip, path))

    def made(self, name: str, make: Callable[[Path], Any]) -> Path:
        """Any other file, made once by `make`."""
        return self._made(name, make)

    def _made(self, name: str, make: Callable[[Path], Any]) -> Path:
        target = self.folder / name
        if not target.exists():
            # complete or not there: another process may look at the same moment
            with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
                draft = Path(scratch) / name
                make(draft)
                # link, not rename: another process may have made it meanwhile, and its sandboxed children
                # are allowed that very file, not one that takes its place
                with contextlib.suppress(FileExistsError):
                    target.hardlink_to(draft)
        return target


def _make(clip: Clip, path: Path) -> None:
    first = path.with_name("first" + path.suffix) if clip.after else path
    inputs: list[str] = []
    maps: list[str] = []
    count = 0
    if clip.video:
        inputs += [
            "-f",
            "lavfi",
            "-t",
            str(clip.seconds),
            "-i",
            f"{numbered(clip.size, clip.rate)},{clip.picture}",
        ]
        maps += ["-map", "0:v", "-c:v", *clip.video, "-threads:v", "1"]
        count = 1
    for n, options in enumerate(clip.audio):
        tone = clip.sound or f"sine=frequency={440 * (n + 1)}:sample_rate=48000"
        tone += f",aformat=channel_layouts={clip.channels}"
        inputs += ["-f", "lavfi", "-t", str(clip.seconds), "-i", tone]
        maps += ["-map", f"{count + n}:a", f"-c:a:{n}", *options]
    _run(*inputs, *maps, "-fflags", "+bitexact", *clip.output, str(first))
    if clip.after:
        clip.after(first, path)


def numbered(size: tuple[int, int], rate: str) -> str:
    """The lavfi graph of a moving test picture with frame numbers."""
    width, height = size
    bits = f"geq=lum='16+219*mod(floor(N/pow(2,X)),2)':cb=128:cr=128,scale={width}:{max(2, height // 8)}:flags=neighbor"
    return (
        f"color=black:s={BITS}x2:r={rate},format=yuv444p,{bits},setsar=1[strip];"
        f"testsrc2=s={width}x{height}:r={rate},format=yuv444p[scene];[scene][strip]overlay=0:0:format=yuv444"
    )


def frame_number(frame: Any) -> int:
    """The number drawn into a decoded `av.VideoFrame` of a clip of ours, at any size."""
    gray = frame.reformat(format="gray")
    plane = gray.planes[0]
    data, stride = memoryview(plane), plane.line_size
    row = max(0, gray.height // 16) * stride
    number = 0
    for bit in range(BITS):
        left = (2 * bit + 1) * gray.width // (2 * BITS)
        if data[row + left] > 127:
            number |= 1 << bit
    return number


def decoded(path: Path | str) -> Iterator[tuple[float, int]]:
    """(presentation time in seconds, number) of each frame of a file's first video track."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            assert frame.pts is not None
            assert frame.time_base is not None
            yield float(frame.pts * frame.time_base), frame_number(frame)
