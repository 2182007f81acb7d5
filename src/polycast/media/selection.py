"""Which tracks of a source somebody asked for, in the engine's words."""

from collections.abc import Iterator
from dataclasses import dataclass

from polycast.domain.errors import NoPlayableTracks
from polycast.domain.media import AudioTrack, SourceInfo, VideoTrack


@dataclass(frozen=True, slots=True)
class AudioChoice:
    """One audio track by its id in `SourceInfo`; `language` and `label` replace those of the source."""

    id: str
    language: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class TrackSelection:
    """The tracks to use: only what is named here is packaged. Ids are those of `SourceInfo`.

    Which tracks a caller gets who names none is a rule of the API it called, not of the engine;
    `everything` is the rule of those that take all.
    """

    video: str | None = None
    audio: tuple[AudioChoice, ...] = ()
    captions: tuple[str, ...] = ()

    @classmethod
    def everything(cls, info: SourceInfo) -> "TrackSelection":
        """The main video, all audio tracks, all text captions."""
        video = info.main_video
        return cls(
            video=video.id if video else None,
            audio=tuple(AudioChoice(a.id) for a in info.audio),
            captions=tuple(c.id for c in info.captions if c.text),
        )

    def video_of(self, info: SourceInfo) -> VideoTrack | None:
        """The chosen video track.

        Raises:
            NoPlayableTracks: the source has no such track.
        """
        if self.video is None:
            return None
        found = next((v for v in info.video if v.id == self.video), None)
        if found is None:
            raise NoPlayableTracks(f"the source has no track {self.video}")
        return found

    def audio_of(self, info: SourceInfo) -> Iterator[tuple[AudioTrack, AudioChoice]]:
        """The chosen audio tracks with their choices, in the order chosen, each once.

        Raises:
            NoPlayableTracks: the source has no such track.
        """
        known = {a.id: a for a in info.audio}
        for choice in {c.id: c for c in self.audio}.values():
            if choice.id not in known:
                raise NoPlayableTracks(f"the source has no track {choice.id}")
            yield known[choice.id], choice
