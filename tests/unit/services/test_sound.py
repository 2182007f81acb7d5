"""Sound that is told while it is encoded: soon at first, and in all little more than once."""

from itertools import pairwise
from typing import Any

from polycast.domain.tracks import ObjectRef, Segment
from polycast.media.audio import AudioPiece
from polycast.services.pipeline.sound import Pieces

_INIT = ObjectRef("init.mp4", 0, 700, "00")


def piece(number: int) -> AudioPiece:
    segment = Segment(number * 48_000, 48_000, 8000, f"{number + 1}.m4s", "00")
    return AudioPiece(number, "mp4a.40.2", 48_000, _INIT, segment)


async def heard(pieces: int, *, seconds_each: float) -> tuple[list[int], list[tuple[str, bool]]]:
    """How many segments each telling named, and what was stored, of an encoder that is so fast."""
    told: list[int] = []
    stored: list[tuple[str, bool]] = []

    async def store(piece: AudioPiece, head: bool) -> None:
        stored.append((piece.segment.object, head))

    async def tell(result: dict[str, Any]) -> None:
        assert result["partial"]
        told.append(len(result["tracks"][0]["segments"]))

    stream = Pieces("audio_1", store, tell, clock=lambda: len(stored) * seconds_each)
    for number in range(pieces):
        stream.add(piece(number))
    assert await stream.close() == {name for name, _ in stored}
    return told, stored


async def test_all_are_stored_the_first_with_its_head() -> None:
    _, stored = await heard(50, seconds_each=0.1)
    assert stored == [(f"{n + 1}.m4s", n == 0) for n in range(50)]


async def test_the_first_is_told_at_once_then_at_most_each_second() -> None:
    told, _ = await heard(30, seconds_each=0.1)
    assert told == [1, 11, 21]


async def test_ten_hours_are_written_a_few_times_over_not_thousands() -> None:
    """Each telling names all segments: together they stay within a small multiple of the track."""
    pieces = 9000
    told, _ = await heard(pieces, seconds_each=1.0)
    assert sum(told) < 6 * pieces
    # and who listens is never far behind: a quarter of what was there
    assert all(b <= a * 1.25 + 1 for a, b in pairwise(told))
