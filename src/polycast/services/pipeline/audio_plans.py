"""Which sound tracks are encoded, and from where."""

from collections.abc import Sequence, Set
from dataclasses import replace
from itertools import count

from polycast.domain.files import File
from polycast.domain.media import SourceInfo
from polycast.media.ladder import AudioRendition, plan_ladder
from polycast.services.pipeline.choice import ChosenAudio
from polycast.services.pipeline.plan import AudioPlan
from polycast.services.pipeline.work import Work


def audio_plans(
    work: Work,
    chosen: Sequence[ChosenAudio],
    lead: SourceInfo,
    key: str | None = None,
    *,
    grid_file: File | None = None,
    taken: Set[str] = frozenset(),
    default: bool = True,
) -> tuple[AudioPlan, ...]:
    """Audio tracks to encode; those of the prepared video file are read from its prepared form.

    Args:
        taken: names of tracks that the generation has already.
        default: the first one is what a player takes by itself.
    """
    plans: list[AudioPlan] = []
    names = (name for n in count(1) if (name := f"audio_{n}") not in taken)
    for audio in chosen:
        prepared = grid_file is not None and audio.file.num == grid_file.num and key is not None
        info = lead if prepared else audio.info
        track = next(t for t in info.audio if t.id == audio.track.id)
        name = next(names)
        made = plan_ladder(
            replace(info, audio=(track,), video=()), work.preset, audio_tracks=(track.id,)
        ).audio[0]
        rendition: AudioRendition = replace(
            made,
            name=name,
            language=audio.track.language,
            title=audio.track.title,
            default=default and not plans,
        )
        plans.append(AudioPlan(key if prepared and key else audio.file.key, info, rendition, name))
    return tuple(plans)
