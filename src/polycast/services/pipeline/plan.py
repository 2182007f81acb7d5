"""The plan of a generation: what its chunk jobs make and what it shares; decided once, kept as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from typing import Any

from polycast.domain.media import SourceInfo
from polycast.media.grid import plan_grid
from polycast.media.grid_shape import Grid
from polycast.media.ladder import AudioRendition, Rendition


@dataclass(frozen=True, slots=True)
class SharedTrack:
    """A track whose bytes lie in another generation's folder."""

    name: str
    folder: str
    rendition: str
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class AudioPlan:
    """One audio track to encode, from the object `key`."""

    key: str
    info: SourceInfo
    rendition: AudioRendition
    name: str


@dataclass(frozen=True, slots=True)
class GenerationPlan:
    """What a generation is made of.

    Attributes:
        step: `as_is` (packaged source), `first` (first rung, growing) or `ladder`.
        round: which files and preset it is of: another round replaces the source.
        key, info: the object to encode video from, and its facts.
        grid: of what is encoded; None where nothing is, and for sound alone, which keeps its own time.
        renditions: made by chunk jobs, all of them in each chunk.
        packaged: names of tracks that are in the folder already.
        shared: tracks of an earlier generation, which must be complete first.
        base: uid of that generation; its completion is this one's condition.
        scratch: keys to remove when the output is done.
    """

    step: str
    round: str
    key: str | None = None
    info: SourceInfo | None = None
    grid: Grid | None = None
    renditions: tuple[Rendition, ...] = ()
    audio: tuple[AudioPlan, ...] = ()
    packaged: tuple[SharedTrack, ...] = ()
    shared: tuple[SharedTrack, ...] = ()
    base: str | None = None
    scratch: tuple[str, ...] = ()
    chunks: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; the grid without its cuts, which only the chunks need."""
        return {
            "step": self.step,
            "round": self.round,
            "key": self.key,
            "info": self.info.to_json() if self.info else None,
            "grid": _grid_json(self.grid) if self.grid else None,
            "renditions": [_plain(asdict(r)) for r in self.renditions],
            "audio": [
                {
                    "key": a.key,
                    "info": a.info.to_json(),
                    "rendition": _plain(asdict(a.rendition)),
                    "name": a.name,
                }
                for a in self.audio
            ],
            "packaged": [asdict(t) for t in self.packaged],
            "shared": [asdict(t) for t in self.shared],
            "base": self.base,
            "scratch": list(self.scratch),
            "chunks": self.chunks,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "GenerationPlan":
        return cls(
            step=data["step"],
            round=data["round"],
            key=data["key"],
            info=SourceInfo.from_json(data["info"]) if data["info"] else None,
            grid=_grid_from(data["grid"]) if data["grid"] else None,
            renditions=tuple(rendition_from(r) for r in data["renditions"]),
            audio=tuple(
                AudioPlan(
                    a["key"],
                    SourceInfo.from_json(a["info"]),
                    AudioRendition(**a["rendition"]),
                    a["name"],
                )
                for a in data["audio"]
            ),
            packaged=tuple(SharedTrack(**t) for t in data["packaged"]),
            shared=tuple(SharedTrack(**t) for t in data["shared"]),
            base=data["base"],
            scratch=tuple(data["scratch"]),
            chunks=data["chunks"],
        )

    def track_names(self) -> Sequence[str]:
        """Names of all renditions the chunk jobs make."""
        return [r.name for r in self.renditions]


def sound_grid_of(plan: GenerationPlan, audio: AudioPlan) -> Grid:
    """The grid of a track to encode. Sound of another file than the picture's begins with the presentation."""
    if plan.grid is None:
        return plan_grid(replace(audio.info, video=()), None)
    if audio.key == plan.key:
        return plan.grid
    return replace(plan.grid, origin_s=Fraction(audio.info.start_s).limit_denominator(1_000_000))


def rendition_from(data: Mapping[str, Any]) -> Rendition:
    """A rendition from its JSON."""
    values = dict(data)
    if values.get("max_rate") is not None:
        values["max_rate"] = Fraction(values["max_rate"])
    return Rendition(**values)


def _grid_json(grid: Grid) -> dict[str, Any]:
    return {f.name: _plain(getattr(grid, f.name)) for f in fields(grid) if f.name != "cuts"}


def _grid_from(data: Mapping[str, Any]) -> Grid:
    values = dict(data)
    values["origin_s"] = Fraction(values["origin_s"])
    values["rate"] = Fraction(values["rate"]) if values["rate"] is not None else None
    values["starts"] = tuple(values["starts"])
    values["counts"] = tuple(values["counts"])
    return Grid(**values, cuts=())


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
