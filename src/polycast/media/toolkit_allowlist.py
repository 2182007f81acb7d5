"""What foreign bytes may reach: the demuxers, decoders and protocols we let FFmpeg use.

Everything else is refused before a parser runs. The lists are names of FFmpeg, used by the PyAV
children and by the ffmpeg command alike. Left out on purpose: every demuxer that opens *other* files
or URLs named inside the upload (hls, dash, concat, image2 patterns, sdp, rtsp, vapoursynth, lavfi),
and decoders nobody uploads but attackers (MagicYUV, game formats, screen codecs).
"""

PROTOCOLS = ("file", "pipe")

DEMUXERS = (
    # containers
    "mov", "mp4", "matroska", "webm", "mpegts", "mpeg", "avi", "flv", "asf", "ogg", "mxf", "dv", "ivf",
    # bare streams
    "h264", "hevc", "obu", "av1", "m4v", "mpegvideo",
    # audio
    "wav", "w64", "aiff", "caf", "mp3", "aac", "flac", "ac3", "eac3", "amr",
    # stills: the single-image demuxers, which read one file and expand no pattern
    "png_pipe", "jpeg_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe", "gif",
)  # fmt: skip

VIDEO_DECODERS = (
    "h264", "hevc", "vp8", "vp9", "libvpx", "libvpx-vp9", "av1", "libdav1d", "libaom-av1",
    "mpeg1video", "mpeg2video", "mpegvideo", "mpeg4", "msmpeg4v2", "msmpeg4", "h263", "flv",
    "wmv1", "wmv2", "wmv3", "vc1", "theora", "prores", "dnxhd", "dvvideo", "ffv1", "rawvideo",
    "mjpeg", "png", "webp", "bmp", "tiff", "gif",
)  # fmt: skip

AUDIO_DECODERS = (
    "aac", "aac_latm", "mp3float", "mp3", "mp2float", "mp2", "mp1float", "mp1", "ac3", "eac3", "dca",
    "truehd", "mlp", "opus", "libopus", "vorbis", "libvorbis", "flac", "alac", "wmav1", "wmav2",
    "wmapro", "amrnb", "amrwb", "speex", "libspeex", "adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt",
    "pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be",
    "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_alaw", "pcm_mulaw", "pcm_bluray",
    "pcm_dvd", "pcm_lxf",
)  # fmt: skip

SUBTITLE_DECODERS = ("mov_text", "subrip", "srt", "webvtt", "ass", "ssa", "text")
"""Text formats only: bitmap subtitles cannot become WebVTT and their decoders stay shut."""

DECODERS = VIDEO_DECODERS + AUDIO_DECODERS + SUBTITLE_DECODERS

_STILLS = (
    (b"\x89PNG\r\n\x1a\n", "png_pipe"), (b"\xff\xd8\xff", "jpeg_pipe"), (b"BM", "bmp_pipe"),
    (b"II*\x00", "tiff_pipe"), (b"MM\x00*", "tiff_pipe"),
)  # fmt: skip


def still_demuxer(head: bytes) -> str | None:
    """The demuxer for a still picture, by its first 12 bytes; None for anything else.

    It has to be named: by the file's *name* FFmpeg would take `image2`, which reads patterns of files.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp_pipe"
    return next((name for magic, name in _STILLS if head.startswith(magic)), None)


PROTOCOL_WHITELIST = ",".join(PROTOCOLS)
FORMAT_WHITELIST = ",".join(DEMUXERS)
CODEC_WHITELIST = ",".join(DECODERS)
