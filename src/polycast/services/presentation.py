"""What is shown around a video: chapters, tags and pictures attached by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.db.tables import asset_images, assets, chapters, files, tags
from polycast.domain.access import Caller, Permission
from polycast.domain.assets import Tag
from polycast.domain.errors import Invalid, NotFound
from polycast.domain.states import FileStatus
from polycast.services import ledger
from polycast.services.asset_changes import AssetChanges, change_asset, remember_tags
from polycast.services.assets import Assets
from polycast.services.checks import checked_text, checked_words

MAX_CHAPTERS = 500
MAX_IMAGES = 100
_LATEST_S = 10**7


@dataclass(frozen=True, slots=True)
class NewChapter:
    """Times in seconds; without an end it lasts to the next one or to the end of the video."""

    title: str
    start_s: float
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class NewImage:
    """A picture for a name of the asset: an uploaded one by id, or any public address."""

    image: UUID | None = None
    file_name: str | None = None
    url: str | None = None


class Presentation:
    """Use cases on chapters, tags and named pictures of one asset."""

    def __init__(self, db: Database, assets_: Assets) -> None:
        self._db = db
        self._assets = assets_

    async def add_chapters(
        self, caller: Caller, asset: UUID, new: Sequence[NewChapter], *, replace: bool = False
    ) -> None:
        """Append chapters, or replace all of them.

        Raises:
            Invalid: no title, a negative or endless time, an end before its start, too many.
        """
        caller.require(Permission.WRITE)
        async with self._db.transaction() as tx:
            num = await _locked(tx, caller, asset)
            await _put_chapters(tx, num, new, replace=replace)
            await _touch(tx, caller, num, asset, "chapters")

    async def remove_chapter(self, caller: Caller, asset: UUID, chapter: UUID) -> None:
        """Raises NotFound when the asset has no such chapter."""
        caller.require(Permission.WRITE)
        async with self._db.transaction() as tx:
            num = await _locked(tx, caller, asset)
            gone = await tx.execute(
                delete(chapters)
                .where(chapters.c.asset_num == num, chapters.c.uid == chapter)
                .returning(chapters.c.num)
            )
            if gone.first() is None:
                raise NotFound("chapter", chapter)
            await _touch(tx, caller, num, asset, "chapters")

    async def change(
        self,
        caller: Caller,
        asset: UUID,
        changes: AssetChanges,
        *,
        chapters: Sequence[NewChapter] | None = None,
        images: Mapping[str, NewImage] | None = None,
    ) -> None:
        """Change an asset with chapters and pictures at once: all of it, or nothing where one part is refused.

        Args:
            chapters, images: replace those it has; None leaves them.

        Raises:
            Invalid, NotFound: as `Assets.update`, `add_chapters` and `set_images`.
        """
        caller.require(Permission.WRITE)
        async with self._db.transaction() as tx:
            num = await change_asset(tx, caller, asset, changes)
            if chapters is not None:
                await _put_chapters(tx, num, chapters, replace=True)
            if images is not None:
                await _put_images(tx, num, images, replace=True)

    async def add_tags(self, caller: Caller, asset: UUID, names: Sequence[str]) -> None:
        """Add tags; those it has already stay once."""
        caller.require(Permission.WRITE)
        async with self._db.transaction() as tx:
            current = await _locked_tags(tx, caller, asset)
            await change_asset(tx, caller, asset, AssetChanges(tags=[*current, *names]))

    async def remove_tag(self, caller: Caller, asset: UUID, tag: str) -> None:
        """Remove a tag by its text or its id; NotFound when the asset does not carry it."""
        caller.require(Permission.WRITE)
        ids = await self.tag_ids(caller, (await self._assets.get(caller, asset)).tags)
        async with self._db.transaction() as tx:
            current = await _locked_tags(tx, caller, asset)
            name = next((n for n in current if n == tag or str(ids.get(n)) == tag.lower()), None)
            if name is None:
                raise NotFound("tag", tag[:64])
            await change_asset(tx, caller, asset, AssetChanges(tags=[t for t in current if t != name]))

    async def tag_ids(self, caller: Caller, names: Sequence[str]) -> dict[str, UUID]:
        """Ids of the tenant's tags by their text."""
        if not names:
            return {}
        async with self._db.connect() as tx:
            rows = await tx.execute(
                select(tags.c.name, tags.c.uid).where(
                    tags.c.tenant_num == caller.tenant.num, tags.c.name.in_(list(names))
                )
            )
            return {row.name: row.uid for row in rows}

    async def create_tags(self, caller: Caller, names: Sequence[str]) -> list[Tag]:
        """Make tags of the tenant; those that exist are returned as they are."""
        caller.require(Permission.WRITE)
        wanted = checked_words(names, "name")
        if not wanted:
            raise Invalid("name is required", field="name")
        async with self._db.transaction() as tx:
            await remember_tags(tx, caller, wanted)
            rows = await tx.execute(
                select(tags).where(tags.c.tenant_num == caller.tenant.num, tags.c.name.in_(wanted))
            )
            found = {row.name: Tag(row.uid, row.name, row.created_at, row.updated_at) for row in rows}
            await ledger.record(tx, caller, "tag.created", "tag", found[wanted[0]].uid, {"names": wanted})
        return [found[name] for name in wanted]

    async def list_tags(self, caller: Caller) -> list[Tag]:
        """All tags of the tenant, by text."""
        async with self._db.connect() as tx:
            rows = await tx.execute(
                select(tags).where(tags.c.tenant_num == caller.tenant.num).order_by(tags.c.name)
            )
            return [Tag(row.uid, row.name, row.created_at, row.updated_at) for row in rows]

    async def set_images(
        self, caller: Caller, asset: UUID, images: Mapping[str, NewImage], *, replace: bool = False
    ) -> None:
        """Attach pictures by name, replacing those of the same name (or all).

        Raises:
            NotFound: the uploaded image is not one of this asset.
            Invalid: a bad name, neither id nor address, or an address that is no http(s) URL.
        """
        caller.require(Permission.WRITE)
        async with self._db.transaction() as tx:
            num = await _locked(tx, caller, asset)
            await _put_images(tx, num, images, replace=replace)
            await _touch(tx, caller, num, asset, "images")

    async def remove_image(self, caller: Caller, asset: UUID, name: str) -> None:
        """Detach a picture; the uploaded file stays. NotFound when there is none of that name."""
        caller.require(Permission.WRITE)
        async with self._db.transaction() as tx:
            num = await _locked(tx, caller, asset)
            gone = await tx.execute(
                delete(asset_images)
                .where(asset_images.c.asset_num == num, asset_images.c.name == name)
                .returning(asset_images.c.name)
            )
            if gone.first() is None:
                raise NotFound("image", name)
            await _touch(tx, caller, num, asset, "images")


async def _put_chapters(
    tx: AsyncConnection, num: int, new: Sequence[NewChapter], *, replace: bool = False
) -> None:
    for chapter in new:
        _check_chapter(chapter)
    if replace:
        await tx.execute(delete(chapters).where(chapters.c.asset_num == num))
    had = (
        await tx.execute(select(func.count()).select_from(chapters).where(chapters.c.asset_num == num))
    ).scalar_one()
    if had + len(new) > MAX_CHAPTERS:
        raise Invalid(f"an asset has at most {MAX_CHAPTERS} chapters", field="chapters")
    rows = [
        {
            "asset_num": num,
            "title": c.title.strip(),
            "start_s": float(c.start_s),
            "end_s": float(c.end_s) if c.end_s is not None else None,
        }
        for c in new
    ]
    if rows:
        await tx.execute(insert(chapters), rows)


async def _put_images(
    tx: AsyncConnection, num: int, images: Mapping[str, NewImage], *, replace: bool = False
) -> None:
    # found, and held, before anything goes: as whoever deletes an uploaded picture does it
    rows = [
        {"asset_num": num, "name": _image_name(name), **await _image(tx, num, image)}
        for name, image in images.items()
    ]
    if replace:
        await tx.execute(delete(asset_images).where(asset_images.c.asset_num == num))
    for values in rows:
        await tx.execute(
            upsert(asset_images)
            .values(**values)
            .on_conflict_do_update(
                index_elements=["asset_num", "name"],
                set_={k: v for k, v in values.items() if k not in ("asset_num", "name")},
            )
        )
    had = (
        await tx.execute(
            select(func.count()).select_from(asset_images).where(asset_images.c.asset_num == num)
        )
    ).scalar_one()
    if had > MAX_IMAGES:
        raise Invalid(f"an asset has at most {MAX_IMAGES} pictures", field="images")


async def _locked_tags(tx: AsyncConnection, caller: Caller, uid: UUID) -> list[str]:
    num = await _locked(tx, caller, uid)
    return list((await tx.execute(select(assets.c.tags).where(assets.c.num == num))).scalar_one())


async def _locked(tx: AsyncConnection, caller: Caller, uid: UUID) -> int:
    num = (
        await tx.execute(
            select(assets.c.num)
            .where(assets.c.uid == uid, assets.c.tenant_num == caller.tenant.num)
            .with_for_update()
        )
    ).scalar()
    if num is None:
        raise NotFound("asset", uid)
    return int(num)


async def _touch(tx: AsyncConnection, caller: Caller, num: int, uid: UUID, what: str) -> None:
    await tx.execute(update(assets).where(assets.c.num == num).values(updated_at=func.now()))
    await ledger.record(tx, caller, "asset.updated", "asset", uid, {"fields": [what]})


def _check_chapter(chapter: NewChapter) -> None:
    title = chapter.title.strip()
    if not title or len(title) > 512:
        raise Invalid("a chapter's title has 1 to 512 characters", field="chapters.title")
    checked_text(title, "chapters.title", 512)
    if not 0 <= chapter.start_s < _LATEST_S:
        raise Invalid(f"a chapter starts at 0 to {_LATEST_S} seconds", field="chapters.start")
    if chapter.end_s is not None and not chapter.start_s < chapter.end_s < _LATEST_S:
        raise Invalid(f"a chapter ends after its start and before {_LATEST_S} seconds", field="chapters.end")


def _image_name(name: str) -> str:
    if not 1 <= len(name) <= 64 or not name.replace("_", "").replace("-", "").isalnum():
        raise Invalid("an image key has 1 to 64 letters, digits, dashes or underscores", field="images")
    return name


async def _image(tx: AsyncConnection, asset_num: int, image: NewImage) -> dict[str, Any]:
    if image.file_name is not None:
        checked_text(image.file_name, "images.name", 1024)
    if image.image is not None:
        row = (
            await tx.execute(
                select(files.c.num, files.c.uid, files.c.name)
                .where(
                    files.c.uid == image.image,
                    files.c.asset_num == asset_num,
                    files.c.purpose == "image",
                    files.c.status == FileStatus.COMPLETED,
                )
                # it stays until it is attached
                .with_for_update(read=True, key_share=True)
            )
        ).first()
        if row is not None:
            return {
                "file_num": row.num,
                "image_uid": row.uid,
                "file_name": image.file_name or row.name,
                "url": None,
            }
        if image.url is None:
            raise NotFound("image", image.image)
    if image.url is None:
        raise Invalid("an image needs an id or a url", field="images")
    if not _is_address(image.url):
        raise Invalid("an image's url must be http or https", field="images.url")
    return {
        "file_num": None,
        "image_uid": image.image,
        "file_name": image.file_name,
        "url": image.url,
    }


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    # it comes back in pages and policies: nothing in it may end an attribute or a directive
    plain = url.isprintable() and not set(url) & set(" \"'<>;,\\")
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and port != 0
        and plain
        and len(url) <= 2048
    )
