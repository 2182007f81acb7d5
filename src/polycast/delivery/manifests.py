"""Manifests: rendered from track rows and track logs, the same bytes for every viewer."""

import asyncio
from dataclasses import replace
from uuid import UUID

from polycast.delivery.texts import thumbnails
from polycast.domain.assets import Generation, Track
from polycast.domain.errors import NotFound
from polycast.domain.states import GenerationState
from polycast.domain.tracks import TrackHeader, TrackLog
from polycast.protocols import hls, mpd
from polycast.protocols.language import display_name
from polycast.protocols.published import PublishedTrack
from polycast.services.keeping import Kept
from polycast.services.playback import Playback, Presentation

_KEPT_BYTES = 32 * 1024 * 1024
"""memory for finished media playlists: some 60 bytes a segment"""
_KEPT_TARGETS = 20_000
"""finished generations whose target duration is kept: all their logs are read for it"""


class Manifests:
    """Renders HLS and DASH. Finished media playlists are kept: they can be large and never change."""

    def __init__(self, playback: Playback) -> None:
        self._playback = playback
        self._playlists: Kept[tuple[UUID, UUID, str], str] = Kept(_KEPT_BYTES)
        self._targets: Kept[tuple[UUID, UUID], int] = Kept(_KEPT_TARGETS)

    def multivariant(self, shown: Presentation, up: str) -> str:
        """The HLS multivariant playlist.

        Args:
            up: relative way from the playlist to the asset's folder, "" or "../../".
        """
        generation = shown.generation
        tracks = [
            PublishedTrack(t.name, _header(t), f"{up}g/{generation.uid}/{t.name}.m3u8", default=t.is_default)
            for t in generation.tracks
        ]
        subtitles = [
            hls.Subtitle(
                name=c.label or display_name(c.language) or f"Captions {c.position}",
                uri=f"{up}captions/{c.position}.m3u8",
                language=c.language,
            )
            for c in shown.of_kind("caption")
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
            return known, True
        track = next((t for t in generation.tracks if t.name == name), None)
        if track is None:
            raise NotFound("track", name)
        growing = generation.state is GenerationState.GROWING
        log = await self._playback.logs.get(asset, track.folder, track.name, growing=growing)
        # an I-frame track has no bytes of its own: it points into the objects of its rendition
        pictures = track.kind == "iframe"
        target = 0 if pictures else self._targets.get(key[:2])
        if growing or target is None:
            beside = await self._played(asset, generation)
            if growing:
                # sound is often whole long before its picture; a list with an end beside one without would make
                # players take the whole for finished, and stop where the picture ends now
                log = replace(hls.as_far_as_pictures(log, beside), complete=False)
            target = max(map(hls.target_duration, beside), default=0)
        folder = "" if track.folder == str(generation.uid) else f"../{track.folder}/"
        base = f"{folder}{track.rendition if pictures and track.rendition else track.name}/"
        init = log.header.init
        text = hls.media_playlist(
            log,
            segment_uri=lambda _, segment: base + segment.object,
            init_uri=base + (init.object if init else ""),
            byte_ranges=pictures,
            target_s=target,
        ).render()
        if log.complete:
            self._playlists.keep(key, text, 512 + len(text))
            if not pictures:
                self._targets.keep(key[:2], target, 1)
        return text, log.complete

    async def _played(self, asset: UUID, generation: Generation) -> list[TrackLog]:
        """The logs of all pictures and sounds."""
        growing = generation.state is GenerationState.GROWING
        return await asyncio.gather(
            *(
                self._playback.logs.get(asset, t.folder, t.name, growing=growing)
                for t in generation.tracks
                if t.kind in ("video", "audio")
            )
        )

    async def dash(self, shown: Presentation, up: str) -> str:
        """The DASH manifest.

        Raises:
            NotFound: the presentation still grows: then there is HLS only.
        """
        if shown.generation.state is GenerationState.GROWING:
            raise NotFound("DASH manifest")
        tracks = []
        for t in shown.generation.tracks:
            if t.kind in ("video", "audio"):
                found = await self._playback.logs.get(shown.asset_uid, t.folder, t.name)
                tracks.append(
                    PublishedTrack(t.name, found, f"{up}g/{t.folder}/{t.name}/", default=t.is_default)
                )
        captions = [
            mpd.Caption(
                name=f"captions-{c.position}",
                uri=f"{up}captions/{c.position}.vtt",
                language=c.language,
                label=c.label,
            )
            for c in shown.of_kind("caption")
        ]
        pictures = thumbnails(shown.of_kind("storyboard"), up)
        return mpd.render(mpd.manifest(tracks, captions=captions, thumbnails=pictures))


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
        video_range="" if track.kind == "audio" else "SDR",
        language=track.language,
        label=track.label,
    )
