"""Small media for the player's tests, as HLS and DASH over the same CMAF segments."""

import subprocess
from pathlib import Path

DURATION_S = 10

CAPTIONS = {
    "en": "WEBVTT\n\n00:00.000 --> 00:05.000\nFirst words\n\n00:05.000 --> 00:10.000\nLast words\n",
    "pl": "WEBVTT\n\n00:00.000 --> 00:05.000\nPierwsze słowa\n\n00:05.000 --> 00:10.000\nOstatnie słowa\n",
}
_TWO_RUNGS = (
    *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-b:v:0", "500k", "-b:v:1", "150k"),
    *("-g", "48", "-keyint_min", "48", "-sc_threshold", "0"),  # a key frame at each segment border
)


def make_video(ffmpeg: str, out: Path, *, portrait: bool = False) -> None:
    """Write two renditions (360p, 180p), a poster, a storyboard and captions into `out`."""
    out.mkdir(parents=True)
    large, small = ("360x640", "180x320") if portrait else ("640x360", "320x180")
    _run(
        ffmpeg,
        *("-f", "lavfi", "-i", f"testsrc2=size={large}:rate=24:duration={DURATION_S}"),
        *("-f", "lavfi", "-i", f"sine=frequency=330:duration={DURATION_S}"),
        # two rungs from one decode
        *("-filter_complex", f"[0:v]split=2[a][b0];[b0]scale={small.replace('x', ':')}[b]"),
        *("-map", "[a]", "-map", "[b]", "-map", "1:a"),
        *_TWO_RUNGS,
        *("-c:a", "aac", "-b:a", "64k", "-ac", "2"),
        *("-f", "dash", "-seg_duration", "2", "-hls_playlist", "1", "-hls_master_name", "playlist.m3u8"),
        *("-adaptation_sets", "id=0,streams=v id=1,streams=a"),
        "manifest.mpd",
        cwd=out,
    )
    _run(
        ffmpeg,
        *("-f", "lavfi", "-i", f"testsrc2=size={large}:rate=1:duration={DURATION_S}"),
        *("-frames:v", "1", "poster.jpg"),
        cwd=out,
    )
    tile = "90x160" if portrait else "160x90"
    _run(
        ffmpeg,
        *("-f", "lavfi", "-i", f"testsrc2=size={tile}:rate=1:duration={DURATION_S}"),
        *("-frames:v", "1", "-vf", "tile=5x2", "storyboard-0.jpg"),
        cwd=out,
    )
    width, height = (int(part) for part in tile.split("x"))
    cues = [
        f"00:{i:02}.000 --> 00:{i + 1:02}.000\n"
        f"storyboard-0.jpg#xywh={i % 5 * width},{i // 5 * height},{width},{height}\n"
        for i in range(DURATION_S)
    ]
    (out / "storyboard.vtt").write_text("WEBVTT\n\n" + "\n".join(cues))
    for language, text in CAPTIONS.items():
        (out / f"{language}.vtt").write_text(text)


def make_bilingual(ffmpeg: str, out: Path) -> None:
    """Write two renditions (360p, 180p) and sound in English and Polish as DASH into `out`."""
    out.mkdir(parents=True)
    _run(
        ffmpeg,
        *("-f", "lavfi", "-i", f"testsrc2=size=640x360:rate=24:duration={DURATION_S}"),
        *("-f", "lavfi", "-i", f"sine=frequency=330:duration={DURATION_S}"),
        *("-f", "lavfi", "-i", f"sine=frequency=660:duration={DURATION_S}"),
        *("-filter_complex", "[0:v]split=2[a][b0];[b0]scale=320:180[b]"),
        *("-map", "[a]", "-map", "[b]", "-map", "1:a", "-map", "2:a"),
        *_TWO_RUNGS,
        *("-c:a", "aac", "-b:a", "64k", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=pol"),
        *("-f", "dash", "-seg_duration", "2"),
        *("-adaptation_sets", "id=0,streams=v id=1,streams=2 id=2,streams=3"),
        "manifest.mpd",
        cwd=out,
    )


def make_audio(ffmpeg: str, out: Path) -> None:
    """Write one AAC track as HLS and DASH into `out`."""
    out.mkdir(parents=True)
    _run(
        ffmpeg,
        *("-f", "lavfi", "-i", f"sine=frequency=440:duration={DURATION_S}"),
        *("-c:a", "aac", "-b:a", "64k", "-f", "dash", "-seg_duration", "2"),
        *("-hls_playlist", "1", "-hls_master_name", "playlist.m3u8", "manifest.mpd"),
        cwd=out,
    )


def _run(ffmpeg: str, *arguments: str, cwd: Path) -> None:
    subprocess.run(
        [ffmpeg, "-v", "error", "-nostdin", "-y", "-threads", "1", *arguments],
        cwd=cwd,
        check=True,
        timeout=50,
        capture_output=True,
    )
