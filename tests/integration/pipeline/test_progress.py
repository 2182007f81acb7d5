"""What is said of how far an output is never goes back, but for another source, which begins at nothing."""

from itertools import pairwise

import pytest

from tests.support.meddling import at_point
from tests.support.media import Clip, Media
from tests.support.studio import Studio
from tests.support.waiting import until

_WATCH = (
    "CREATE TABLE said (num bigint GENERATED ALWAYS AS IDENTITY, what text, round int, progress float8)",
    """CREATE FUNCTION say_output() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN INSERT INTO said (what, round, progress) VALUES ('output', NEW.epoch, NEW.progress); RETURN NEW; END $$""",
    """CREATE FUNCTION say_chunk() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN INSERT INTO said (what, round, progress) VALUES ('chunk', NEW.num, NEW.progress); RETURN NEW; END $$""",
    "CREATE TRIGGER say AFTER UPDATE OF progress ON outputs FOR EACH ROW EXECUTE FUNCTION say_output()",
    "CREATE TRIGGER say AFTER UPDATE OF progress ON chunk_jobs FOR EACH ROW EXECUTE FUNCTION say_chunk()",
)


async def watch(studio: Studio) -> None:
    """Have the database write down all that is ever said."""
    for statement in _WATCH:
        await studio.execute(statement)


async def said(studio: Studio, what: str) -> dict[int, list[float]]:
    """All figures of outputs by round, or of chunks by number, in order."""
    found: dict[int, list[float]] = {}
    for row in await studio.rows("SELECT * FROM said WHERE what = :what ORDER BY num", what=what):
        found.setdefault(row.round, []).append(row.progress)
    return found


async def _all_done(studio: Studio) -> bool:
    states = [row.state for row in await studio.rows("SELECT state FROM chunk_jobs")]
    return bool(states) and set(states) == {"done"}


def check_rising(figures: list[float]) -> None:
    assert all(a <= b for a, b in pairwise(figures)), figures


async def test_sound_of_another_file_is_not_all_there_is(studio: Studio, media: Media) -> None:
    """It is the first thing to be encoded, when nothing is known yet of the ladder above the packaged film."""
    film = await studio.upload(media.clip("tall"))
    # no longer than the film, which would not be packaged otherwise
    beside = Clip(seconds=4, video=(), audio=(("libmp3lame", "-b:a", "64k"),))
    sound = await studio.upload(media.make("beside.mp3", beside))
    asset = await studio.make(film, sound)
    await watch(studio)

    seen: list[float] = []

    async def encode_what_is_there() -> None:
        async with studio.working("encode"):
            await until(lambda: _all_done(studio), timeout_s=30)
            seen.extend(row.progress for row in await studio.rows("SELECT progress FROM outputs"))

    async with at_point("process.planned", encode_what_is_there), studio.working("package", "encode"):
        await studio.settled(asset.uid)
    assert seen == [0]
    [figures] = (await said(studio, "output")).values()
    check_rising(figures)


@pytest.mark.parametrize("point", ["assemble.published", "chunk.done"])
async def test_another_source_begins_at_nothing(studio: Studio, media: Media, point: str) -> None:
    """Whatever of the old one was done, and whoever of its jobs still speaks."""
    asset = await studio.make(await studio.upload(media.clip("tall_vp9")))
    new = await studio.upload(media.clip("open_gop"))
    await watch(studio)
    async with at_point(point, lambda: studio.attach(asset.uid, new)) as seen, studio.working():
        await studio.settled(asset.uid)
        await studio.quiet()
    assert seen
    rounds = list((await said(studio, "output")).values())
    assert len(rounds) == 2
    for figures in rounds:
        check_rising(figures)
    assert rounds[1][0] == 0
    # the first thing that is said of the new one is said by its own first job: a part of many
    assert next(figure for figure in rounds[1] if figure > 0) < 0.5


async def test_a_second_try_shows_no_less(studio: Studio, media: Media) -> None:
    asset = await studio.make(await studio.upload(media.clip("tall_vp9")))
    await watch(studio)

    async def as_a_first_try_left_it() -> None:
        await studio.execute("UPDATE chunk_jobs SET progress = 0.9 WHERE state = 'released'")

    async with at_point("chunk.claimed", as_a_first_try_left_it), studio.working():
        await studio.settled(asset.uid)
    chunks = await said(studio, "chunk")
    assert any(0.9 in figures for figures in chunks.values())
    for figures in chunks.values():
        check_rising(figures)
