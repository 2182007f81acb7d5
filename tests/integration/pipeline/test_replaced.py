"""What a file brought beside its tracks goes with it when the source of an asset is replaced."""

import subprocess
from pathlib import Path
from uuid import UUID

import pytest_asyncio

from polycast.services.presentation import NewChapter
from tests.support.media import FFMPEG, Media
from tests.support.studio import Studio


def chaptered(media: Media, *titles: str) -> Path:
    """A clip of six seconds with chapters of a second each."""

    def make(target: Path) -> None:
        parts = "".join(
            f"[CHAPTER]\nTIMEBASE=1/1\nSTART={n}\nEND={n + 1}\ntitle={title}\n"
            for n, title in enumerate(titles)
        )
        facts = target.with_suffix(".txt")
        facts.write_text(";FFMETADATA1\n" + parts)
        command = [
            FFMPEG,
            "-nostdin",
            "-loglevel",
            "error",
            "-i",
            str(media.clip("h264_no_b")),
            "-i",
            str(facts),
        ]
        command += ["-map", "0", "-map_metadata", "1", "-map_chapters", "1", "-c", "copy", str(target)]
        subprocess.run(command, check=True, timeout=60)

    return media.made(f"chapters_{'_'.join(titles)}.mp4", make)


@pytest_asyncio.fixture
async def made(studio: Studio, media: Media) -> UUID:
    """An asset of a film with two chapters."""
    asset = await studio.make(await studio.upload(chaptered(media, "One", "Two")))
    async with studio.working():
        await studio.settled(asset.uid)
        await studio.quiet()
    return asset.uid


async def titles(studio: Studio, uid: UUID) -> list[str]:
    return [chapter.title for chapter in (await studio.asset(uid)).chapters]


async def replace(studio: Studio, uid: UUID, source: Path) -> None:
    file = await studio.upload(source)
    async with studio.working():
        await studio.attach(uid, file)
        await studio.settled(uid)
        await studio.quiet()


async def test_chapters_are_those_of_the_film(studio: Studio, media: Media, made: UUID) -> None:
    assert await titles(studio, made) == ["One", "Two"]
    await replace(studio, made, chaptered(media, "Other"))
    assert await titles(studio, made) == ["Other"]
    await replace(studio, made, media.clip("h264_no_b"))
    assert await titles(studio, made) == []


async def test_chapters_that_somebody_wrote_stay(studio: Studio, media: Media, made: UUID) -> None:
    await studio.services.presentation.add_chapters(studio.caller, made, [NewChapter("Mine", 3.0)])
    await replace(studio, made, chaptered(media, "Other"))
    assert await titles(studio, made) == ["Mine"]


async def test_a_chapter_that_somebody_removed_does_not_come_back(
    studio: Studio, media: Media, made: UUID
) -> None:
    """The same file is looked at again, as after a repair."""
    first = (await studio.asset(made)).chapters[0]
    await studio.services.presentation.remove_chapter(studio.caller, made, first.uid)
    await replace(studio, made, chaptered(media, "One", "Two"))
    assert await titles(studio, made) == ["Two"]


async def test_sound_alone_shows_no_picture_of_the_film_before_it(
    studio: Studio, media: Media, made: UUID
) -> None:
    assert "poster" in {a.kind for a in (await studio.asset(made)).attachments}
    await replace(studio, made, media.clip("mp3"))
    assert {a.kind for a in (await studio.asset(made)).attachments} & {"poster", "frame"} == set()
    await studio.clear()
    await studio.check_books()
