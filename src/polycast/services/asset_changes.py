"""What is said of an asset: changed in one place, whoever changes it, and made searchable."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.tables import assets, collections, tags
from polycast.domain.access import Caller
from polycast.domain.errors import Invalid, NotFound
from polycast.domain.paging import grams
from polycast.domain.tenants import SWITCHES
from polycast.domain.titles import settled
from polycast.services import ledger
from polycast.services.checks import checked_metadata, checked_text, checked_words
from polycast.services.filters import flat


@dataclass(frozen=True, slots=True)
class AssetChanges:
    """What may change of an asset; None stays as it is.

    Attributes:
        title: counts more than one in the metadata; see domain/titles.
        metadata: merged by key, or all there is from now on.
        settings: playback switches: True, False or None (inherit), by name of domain/tenants.SWITCHES.
        collection: uid of a collection, or "" for none.
    """

    title: str | None = None
    description: str | None = None
    metadata: Mapping[str, Any] | None = None
    whole_metadata: bool = False
    tags: Sequence[str] | None = None
    attributes: Sequence[str] | None = None
    settings: Mapping[str, bool | None] | None = None
    collection: UUID | str | None = None
    reference_id: str | None = None
    custom_id: str | None = None


async def change_asset(tx: AsyncConnection, caller: Caller, uid: UUID, changes: AssetChanges) -> int:
    """Change what is said of an asset, in the caller's transaction; the row stays locked until its end.

    Returns:
        The asset's number.

    Raises:
        NotFound: it is not the tenant's. Invalid: see `Assets.update`.
    """
    # the collection first: whoever deletes one goes from it to its assets
    collection = await collection_num(tx, caller, changes.collection, held=True)
    old = (await tx.execute(select(assets).where(own_asset(caller, uid)).with_for_update())).first()
    if old is None:
        raise NotFound("asset", uid)
    values = _changed(old, changes)
    if changes.collection is not None:
        values["collection_num"] = collection
    if "tags" in values:
        await remember_tags(tx, caller, values["tags"])
    values["grams"] = searchable(
        uid, *(values.get(k, getattr(old, k)) for k in ("title", "description", "metadata", "tags"))
    )
    await tx.execute(update(assets).where(assets.c.num == old.num).values(**values, updated_at=func.now()))
    await ledger.record(
        tx, caller, "asset.updated", "asset", uid, {"fields": sorted(set(values) - {"grams"})}
    )
    return int(old.num)


async def collection_num(
    tx: AsyncConnection, caller: Caller, uid: UUID | str | None, *, held: bool = False
) -> int | None:
    """The row of a collection; None for None and "". Raises NotFound for others'.

    Args:
        held: it stays until the transaction ends, so that something can be put into it.
    """
    if uid is None or uid == "":
        return None
    query = select(collections.c.num).where(
        collections.c.uid == uid, collections.c.tenant_num == caller.tenant.num
    )
    num = (await tx.execute(query.with_for_update(read=True, key_share=True) if held else query)).scalar()
    if num is None:
        raise NotFound("collection", uid)
    return int(num)


async def remember_tags(tx: AsyncConnection, caller: Caller, names: Sequence[str]) -> None:
    """Give each new tag of the tenant its row and so its id."""
    if names:
        await tx.execute(
            upsert(tags)
            # in one order always: two who make the same tags would wait for each other
            .values([{"tenant_num": caller.tenant.num, "name": name} for name in sorted(names)])
            .on_conflict_do_nothing()
        )


def own_asset(caller: Caller, uid: UUID) -> ColumnElement[bool]:
    """The asset of this id, if it is the caller's tenant's."""
    return and_(assets.c.uid == uid, assets.c.tenant_num == caller.tenant.num)


def searchable(
    uid: UUID, title: str, description: str, metadata: Mapping[str, Any], words: Sequence[str]
) -> list[str]:
    """What a search for part of a word finds an asset by."""
    # the exact comparison sees the metadata as JSON text, so that its escapes are searched alike
    text = json.dumps(metadata, ensure_ascii=False)
    return grams(str(uid), title, description, flat(dict(metadata)), text, *words)


def reference(text: str | None, field: str) -> str | None:
    """A caller's own reference; "" and None are none."""
    return checked_text(text, field, 256) or None if text is not None else None


def _changed(old: Any, changes: AssetChanges) -> dict[str, Any]:
    values: dict[str, Any] = {}
    title, meta = settled(
        changes.title,
        changes.metadata or {},
        was=old.title,
        had=old.metadata,
        whole=changes.whole_metadata and changes.metadata is not None,
    )
    if changes.title is not None or title != old.title:
        values["title"] = checked_text(title, "title", 1024)
    if changes.description is not None:
        values["description"] = checked_text(changes.description, "description", 64 * 1024)
    if changes.metadata is not None:
        values["metadata"] = checked_metadata(meta)
    elif changes.title is not None and meta != old.metadata:
        values["metadata"] = meta
    if changes.tags is not None:
        values["tags"] = checked_words(changes.tags, "tags")
    if changes.attributes is not None:
        values["attributes"] = checked_words(changes.attributes, "attributes")
    for name in ("reference_id", "custom_id"):
        if (value := getattr(changes, name)) is not None:
            values[name] = reference(value, name)
    if changes.settings is not None:
        unknown = set(changes.settings) - set(SWITCHES)
        if unknown:
            raise Invalid(f"{min(unknown)} is not a switch of an asset", field=min(unknown))
        merged = {**old.settings, **changes.settings}
        values["settings"] = {k: v for k, v in merged.items() if v is not None}
    return values
