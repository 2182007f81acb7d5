"""Public addresses of an asset: one place that knows how they are formed (they equal the object keys)."""

from dataclasses import dataclass
from uuid import UUID

from polycast.domain.assets import Asset, Attachment, Output
from polycast.domain.presets import PRESETS


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A playable or downloadable address. `format` is hls, dash or mp4."""

    id: str
    format: str
    url: str
    output: Output
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Links:
    """Absolute addresses below one public origin, without a slash at its end."""

    base: str

    def play(self, code: str) -> str:
        """The player page."""
        return f"{self.base}/play/{code}"

    def embed(self, code: str) -> str:
        """The player alone, for an iframe."""
        return f"{self.base}/embed/{code}"

    def media(self, asset: UUID, path: str) -> str:
        """Anything of the asset's media folder."""
        return f"{self.base}/media/{asset}/{path}"

    def hls(self, asset: UUID) -> str:
        return self.media(asset, "playlist.m3u8")

    def dash(self, asset: UUID) -> str:
        return self.media(asset, "manifest.mpd")

    def thumbnail(self, asset: UUID) -> str:
        return self.media(asset, "thumbnail.jpg")

    def preview(self, asset: UUID) -> str:
        return self.media(asset, "preview.webp")

    def attachment(self, attachment: Attachment) -> str:
        """A stored picture, caption or storyboard, by its key."""
        return f"{self.base}/{attachment.key}"

    def image(self, asset: UUID, image: UUID) -> str:
        """An uploaded picture."""
        return self.media(asset, f"images/{image}")

    def endpoints(self, asset: Asset, output: Output) -> list[Endpoint]:
        """What an output offers; empty until it plays. The main output plays as soon as the asset does."""
        playable = output.status == "available" or (output.main and asset.playable)
        if not playable:
            return []
        if output.kind == "download":
            if output.key is None:
                return []
            return [Endpoint(f"{output.name}-mp4", "mp4", f"{self.base}/{output.key}", output, output.size)]
        folder = "" if output.main else f"o/{output.uid}/"
        names = {"hls": "playlist.m3u8", "dash": "manifest.mpd"}
        formats = PRESETS[output.preset].formats if output.preset in PRESETS else ("hls", "dash")
        return [
            Endpoint(f"{output.name}-{f}", f, self.media(asset.uid, folder + names[f]), output)
            for f in formats
        ]
