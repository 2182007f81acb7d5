"""Configurations for the player's tests, all over the media of `media.py`."""

from polycast.delivery.pages import AssetInfo, Caption, Chapter, PlayerConfig, Sources
from tests.e2e.player.media import DURATION_S


def video(folder: str = "video") -> PlayerConfig:
    """A film with everything around it."""
    base = f"/media/{folder}"
    width, height = (360, 640) if folder == "portrait" else (640, 360)
    return PlayerConfig(
        asset=AssetInfo(
            code="KQXWZRTB",
            title="Coastal Run",
            description="Forty kilometres along the cliffs, before the town wakes up.",
            duration_s=DURATION_S,
            width=width,
            height=height,
        ),
        sources=Sources(hls=f"{base}/playlist.m3u8", dash=f"{base}/manifest.mpd"),
        generation="g1",
        poster=f"{base}/poster.jpg",
        storyboard=f"{base}/storyboard.vtt",
        chapters=(Chapter("Harbour", 0, 4), Chapter("The climb <b>", 4, 7), Chapter("Lighthouse", 7, None)),
        captions=(Caption("en", "English", f"{base}/en.vtt"), Caption("pl", "Polski", f"{base}/pl.vtt")),
        tags=("running", "coast"),
        beacon_url="/beacon",
    )


def audio() -> PlayerConfig:
    """Sound alone, without a picture."""
    return PlayerConfig(
        asset=AssetInfo(code="MNBVCXZA", title="Evening Radio", duration_s=DURATION_S, kind="audio"),
        sources=Sources(hls="/media/audio/playlist.m3u8", dash="/media/audio/manifest.mpd"),
        beacon_url="/beacon",
    )
