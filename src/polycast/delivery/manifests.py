"""Manifests: rendered from track rows and track logs, the same bytes for every viewer."""

from collections import OrderedDict
from datetime import UTC, datetime
from uuid import UUID

from polycast.domain.assets import Asset, Attachment, Generation, Track
from polycast.domain.errors import NotFound
from polycast.domain.states import GenerationState
from polycast.domain.tracks import TrackHeader, TrackLog
from polycast.protocols import hls, mpd
from polycast.protocols.language import display_name
from polycast.protocols.published import PublishedTrack
from polycast.services.playback import Playback

_KEPT = 256


class Manifests:
    """Renders HLS and DASH. Finished media playlists are kept: they can be large and never change."""

    def __init__(self, playback: Playback) -> None:
        self._playback = playback
        self._playlists: OrderedDict[tuple[UUID, UUID, str], str] = OrderedDict()

    def multivariant(self, generation: Generation, captions: list[Attachment], up: str) -> str:
        """The HLS multivariant playlist.

        Args:
            up: relative way from the playlist to the asset's folder, "" or "../../".
        """
        tracks = [
            PublishedTrack(t.name, _header(t), f"{up}g/{generation.uid}/{t.name}.m3u8", default=t.is_default)
            for t in generation.tracks
        ]
        subtitles = [
            hls.Subtitle(
                name=c.label or display_name(c.language) or f"Captions {c.position}",
                uri=f"{up}captions/{c.position}.m3u8",
                language=c.language,
                default=False,
            )
            for c in captions
        ]
        growing = generation.state is GenerationState.GROWING
        return hls.multivariant(tracks, subtitles=subtitles, start0=growing).render()

    async def media(self, asset: UUID, generation: Generation, name: str) -> tuple[str, bool]:
        """One HLS media playlist and whether it is final.

        Raises:
            NotFound: the generation has no such track.
        """
        key = (asset, generation.uid, name)
        if (known := self._playlists.get(key)) is not None:
            self._playlists.move_to_end(key)
            return known, True
        track = next((t for t in generation.tracks if t.name == name), None)
        if track is None:
            raise NotFound("track", name[:64])
        log = await self._playback.log(asset, track.folder, track.name)
        folder = "" if track.folder == str(generation.uid) else f"../{track.folder}/"
        base = f"{folder}{track.name}/"
        init = log.header.init
        text = hls.media_playlist(
            log,
            segment_uri=lambda _, segment: base + segment.object,
            init_uri=base + (init.object if init else ""),
        ).render()
        if log.complete:
            self._playlists[key] = text
            if len(self._playlists) > _KEPT:
                self._playlists.popitem(last=False)
        return text, log.complete

    async def dash(
        self,
        asset: UUID,
        generation: Generation,
        captions: list[Attachment],
        storyboard: list[Attachment],
        up: str,
        available_from: datetime,
    ) -> str:
        """The DASH manifest: static, or dynamic while the generation grows (ISO/IEC 23009-1 5.3.1)."""
        tracks: list[PublishedTrack] = []
        for t in generation.tracks:
            log: TrackLog = await self._playback.log(asset, t.folder, t.name)
            tracks.append(PublishedTrack(t.name, log, f"{up}g/{t.folder}/{t.name}/", default=t.is_default))
        growing = None
        if generation.state is GenerationState.GROWING:
            growing = mpd.Growing(availability_start=available_from, now=datetime.now(UTC))
        return mpd.render(
            mpd.manifest(
                tracks,
                captions=[
                    mpd.Caption(
                        name=f"captions-{c.position}",
                        uri=f"{up}captions/{c.position}.vtt",
                        language=c.language,
                        label=c.label,
                    )
                    for c in captions
                ],
                growing=growing,
            )
        )


def subtitle_playlist(asset: Asset, position: str) -> str:
    """The HLS playlist around one WebVTT file."""
    return hls.subtitle_playlist(f"{position}.vtt", (asset.duration_ms or 1000) / 1000).render()


def _header(track: Track) -> TrackHeader:
    return TrackHeader(
        kind=track.kind,  # type: ignore[arg-type]
        codec=track.codec,
        timescale=1,
        bandwidth=track.bandwidth,
        average_bandwidth=track.average_bandwidth,
        target_duration_s=1,
        width=track.width,
        height=track.height,
        frame_rate=track.frame_rate,
        sample_rate=track.sample_rate,
        channels=track.channels,
        video_range="SDR" if track.kind == "video" else "",
        language=track.language,
        label=track.label,
    )
