"""Which tracks of which files an output is made of. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from polycast.domain.assets import AssetSource, SelectedTrack
from polycast.domain.errors import NoPlayableTracks, Unreadable
from polycast.domain.files import File
from polycast.domain.media import AudioTrack, CaptionTrack, SourceInfo, VideoTrack
from polycast.protocols.language import normalize


@dataclass(frozen=True, slots=True)
class ChosenAudio:
    """`track` already carries the language and title that the caller wants."""

    file: File
    info: SourceInfo
    track: AudioTrack


@dataclass(frozen=True, slots=True)
class ChosenCaption:
    """`track` None: the file itself is a caption file."""

    file: File
    track: CaptionTrack | None
    language: str | None
    label: str | None


@dataclass(frozen=True, slots=True)
class Choice:
    """What an output is made of; `info` is of the video's file, narrowed to the chosen video track."""

    video_file: File | None
    info: SourceInfo | None
    audio: tuple[ChosenAudio, ...]
    captions: tuple[ChosenCaption, ...]

    @property
    def video(self) -> VideoTrack | None:
        return self.info.main_video if self.info is not None else None

    @property
    def lead(self) -> tuple[File, SourceInfo]:
        """The file that sets the clock: the video's, else that of the first audio track."""
        if self.video_file is not None and self.info is not None:
            return self.video_file, self.info
        return self.audio[0].file, self.audio[0].info

    @property
    def files(self) -> list[tuple[File, SourceInfo]]:
        """All files of picture and sound, the lead first, with the audio that was chosen of each."""
        first, info = self.lead
        found = {first.num: (first, info)}
        for audio in self.audio:
            found.setdefault(audio.file.num, (audio.file, audio.info))
        return [
            (file, replace(info, audio=tuple(a.track for a in self.audio if a.file.num == file.num)))
            for file, info in found.values()
        ]

    @property
    def sound_order(self) -> list[tuple[int, str]]:
        """All audio as it was asked for, each track by the place of its file in `files` and its id."""
        places = {file.num: place for place, (file, _) in enumerate(self.files)}
        return [(places[audio.file.num], audio.track.id) for audio in self.audio]


def choose(sources: Sequence[tuple[File, AssetSource]], *, with_video: bool = True) -> Choice:
    """Pick tracks: those named by the caller, in that order, else the first video and, where asked, all audio.

    Audio is never picked by itself unless `auto_audio` is set, but a source without video, or given as
    audio alone, and without named tracks gives its audio: there would be nothing else. So a source given
    as captions alone gives all its captions, and its picture to nobody.

    Raises:
        Unreadable: a file could not be probed; its reason is the message.
        NoPlayableTracks: a named track does not exist, or nothing is left.
    """
    video_file: File | None = None
    video_info: SourceInfo | None = None
    audio: list[ChosenAudio] = []
    captions: list[ChosenCaption] = []
    for file, source in sources:
        if file.purpose == "caption" or file.kinds == ("caption",):
            given = next(iter(source.tracks), None)
            captions.append(
                ChosenCaption(file, None, given.language if given else None, given.name if given else None)
            )
            continue
        if file.probe is None:
            raise Unreadable(file.error or "the file could not be read")
        info = file.probe
        named = {t.track: t for t in source.tracks}
        _check_names(info, source.tracks)
        if with_video and video_file is None and (found := _video(info, source)) is not None:
            video_file, video_info = file, replace(info, video=(found,))
        given_as = None if source.tracks or "video" in source.kinds else source.kinds
        implied = not source.tracks and (
            source.auto_audio
            or given_as == ("audio",)
            or (info.main_video is None and given_as != ("caption",))
        )
        for track in _as_named(info.audio, named):
            if implied or track.id in named:
                audio.append(ChosenAudio(file, info, _labelled(track, named.get(track.id))))
        for caption in info.captions:
            wanted = named.get(caption.id)
            if caption.text and (wanted is not None or source.auto_audio or given_as == ("caption",)):
                captions.append(
                    ChosenCaption(
                        file,
                        caption,
                        (wanted.language if wanted else None) or caption.language,
                        (wanted.name if wanted else None) or caption.title,
                    )
                )
    if not with_video and not audio:
        # an audio-only output of a film whose audio nobody named
        for file, _ in sources:
            if file.probe is not None:
                audio += [ChosenAudio(file, file.probe, _labelled(t, None)) for t in file.probe.audio[:1]]
    if video_file is None and not audio:
        raise NoPlayableTracks("the file has neither video nor audio that can be used")
    return Choice(video_file, video_info, tuple(audio), tuple(captions))


def _video(info: SourceInfo, source: AssetSource) -> VideoTrack | None:
    wanted = {t.track for t in source.tracks if t.kind == "video"}
    real = [v for v in info.video if not v.attached_picture]
    if source.kinds and "video" not in source.kinds:
        return None  # a file given for its sound or captions alone
    return next((v for v in real if not wanted or v.id in wanted), None)


def _as_named(tracks: Sequence[AudioTrack], named: Iterable[str]) -> list[AudioTrack]:
    """Tracks in the order that the caller named them in: the first one plays by default."""
    order = {track: n for n, track in enumerate(named)}
    return sorted(tracks, key=lambda track: order.get(track.id, len(order)))


def _check_names(info: SourceInfo, named: Sequence[SelectedTrack]) -> None:
    known = {t.id for group in (info.video, info.audio, info.captions) for t in group}
    for track in named:
        if track.track not in known:
            raise NoPlayableTracks(f"the file has no track {track.track[:64]}")


def _labelled(track: AudioTrack, named: SelectedTrack | None) -> AudioTrack:
    language = (named.language if named else None) or track.language
    return replace(
        track,
        language=normalize(language) if language else None,
        title=(named.name if named else None) or track.title,
    )
