"""What player pages report: beacons into append-only spools, folded into views and watch time.

Receiving a beacon costs one append and no database. A spool file belongs to one process; how far it was
folded is a row that changes in the same transaction as the counters, so nothing counts twice.
"""

import asyncio
import json
import logging
import os
import secrets
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.db.tables import assets, impressions, spools
from polycast.domain.errors import Invalid, TooLarge, Unavailable
from polycast.services import ledger
from polycast.services.checks import storable

log = logging.getLogger(__name__)

MAX_BATCH_BYTES = 64 * 1024
_MAX_SAMPLES = 200
_ROTATE_S = 300.0
_MAX_SAMPLE_MS = 120_000
_KEPT = "interval '2 days'"
_READ_BYTES = 16 << 20
_MEASURE_S = 5.0
_STATEMENT_ROWS = 5000


class Views:
    """Takes beacons and counts them.

    Args:
        folder: of the spools, on a local disk.
        max_bytes: of all spools together; while they hold more, beacons are refused: what nobody folds must
            not fill the disk.
    """

    def __init__(self, db: Database, folder: Path, *, max_bytes: int = 256 << 20) -> None:
        self._db = db
        self._folder = folder
        self._max_bytes = max_bytes
        self._writing = threading.Lock()
        self._file: _Spool | None = None
        self._measured = (0.0, 0)

    async def take(self, asset: UUID, body: bytes, *, address: str | None, user_agent: str | None) -> int:
        """Append one batch of playback samples to the spool; returns how many.

        Args:
            body: JSON: {"impression": id, "samples": [{...}]} as the player sends it.

        Raises:
            TooLarge: over 64 KiB or 200 samples. Invalid: not such a document.
            Unavailable: the spools are full, or the disk is.
        """
        impression, samples = read_batch(body)
        line = {
            "at": time.time(),
            "asset": str(asset),
            "impression": impression,
            "address": address,
            "user_agent": (user_agent or "")[:512],
            "samples": samples,
        }
        data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        try:
            await asyncio.to_thread(self._append, data)
        except OSError as error:
            raise Unavailable("beacons cannot be kept now") from error
        return len(samples)

    def _append(self, data: bytes) -> None:
        with self._writing:
            self._refuse_when_full()
            now = time.monotonic()
            if self._file is None or now - self._file.opened > _ROTATE_S:
                self._close()
                self._folder.mkdir(parents=True, exist_ok=True)
                # unique over machines: how far it was folded is known by this name
                name = f"beacons-{time.time_ns()}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
                self._file = _Spool((self._folder / name).open("ab", buffering=0), now)
            written = self._file.file.write(data)
            if written != len(data):
                # the disk is full: what stands there half is skipped by the reader, the rest goes elsewhere
                self._close()
                raise OSError("short write")

    def _refuse_when_full(self) -> None:
        now = time.monotonic()
        if now - self._measured[0] > _MEASURE_S:
            sizes = (p.stat().st_size for p in self._spools()) if self._folder.is_dir() else ()
            self._measured = (now, sum(sizes))
        if self._measured[1] > self._max_bytes:
            raise OSError("the spools are full")

    def _close(self) -> None:
        if self._file is not None:
            self._file.file.close()
            self._file = None

    def close(self) -> None:
        """Let go of the open spool; the next beacon begins another."""
        with self._writing:
            self._close()

    def _spools(self) -> list[Path]:
        return sorted(self._folder.glob("beacons-*.jsonl"))

    async def fold(self) -> int:
        """Count what the spools hold; returns the lines read. Finished spools are removed. For upkeep."""
        total = 0
        for path in await asyncio.to_thread(self._spools):
            try:
                total += await self._fold_one(path)
            except FileNotFoundError:
                continue  # another process finished it
        async with self._db.transaction() as tx:
            await tx.execute(text(f"DELETE FROM impressions WHERE at < now() - {_KEPT}"))  # noqa: S608 - a constant
        return total

    async def _fold_one(self, path: Path) -> int:
        async with self._db.transaction() as tx:
            await tx.execute(upsert(spools).values(name=path.name).on_conflict_do_nothing())
            row = (await tx.execute(select(spools).where(spools.c.name == path.name).with_for_update())).one()
            data = await asyncio.to_thread(_read_from, path, row.position)
            whole = data[: data.rfind(b"\n") + 1]
            lines = whole.splitlines()
            await _count(tx, lines)
            await tx.execute(
                update(spools).where(spools.c.name == path.name).values(position=row.position + len(whole))
            )
            old = time.time() - (await asyncio.to_thread(path.stat)).st_mtime > 2 * _ROTATE_S
            finished = old and not whole
        if finished:
            # the file first: a crash between leaves a row without a file, never a file that counts anew
            await asyncio.to_thread(path.unlink, missing_ok=True)
            async with self._db.transaction() as tx:
                await tx.execute(delete(spools).where(spools.c.name == path.name))
        return len(lines)


@dataclass(frozen=True, slots=True)
class _Spool:
    file: FileIO
    opened: float


def read_batch(body: bytes) -> tuple[str, list[dict[str, Any]]]:
    """The viewing session and the samples of a beacon.

    Raises:
        TooLarge: over 64 KiB or 200 samples. Invalid: not such a document.
    """
    if len(body) > MAX_BATCH_BYTES:
        raise TooLarge("a batch of samples has at most 64 KiB")
    try:
        batch = json.loads(body)
        impression, samples = str(batch["impression"])[:64], batch["samples"]
        if not isinstance(samples, list) or not all(isinstance(s, dict) for s in samples):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Invalid("the body must hold an impression and samples") from error
    if len(samples) > _MAX_SAMPLES:
        raise TooLarge(f"a batch has at most {_MAX_SAMPLES} samples")
    if not _storable(impression):
        raise Invalid("the impression must be a text", field="impression")
    return impression, samples


def _storable(name: str) -> bool:
    """Whether PostgreSQL can keep it: one that it cannot would stop all folding."""
    return bool(name) and storable(name)


def watched_ms(samples: list[dict[str, Any]]) -> int:
    """Milliseconds really played according to samples; absurd ones are left out."""
    total = 0
    for sample in samples:
        played = sample.get("played_ms")
        if isinstance(played, int | float) and not isinstance(played, bool) and 0 < played <= _MAX_SAMPLE_MS:
            total += int(played)
    return total


async def _count(tx: AsyncConnection, lines: list[bytes]) -> None:
    watched: dict[UUID, int] = defaultdict(int)
    started: dict[UUID, set[str]] = defaultdict(set)
    for line in lines:
        try:
            entry = json.loads(line)
            asset, played = UUID(entry["asset"]), watched_ms(entry["samples"])
            impression = str(entry["impression"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # torn by a crash or a full disk, or nested for no good reason
        if played and _storable(impression):
            watched[asset] += played
            started[asset].add(impression)
    if not watched:
        return
    # in one order always: two processes that fold at once must not wait for each other
    rows = await tx.execute(
        select(assets.c.uid, assets.c.num, assets.c.tenant_num)
        .where(assets.c.uid.in_(list(watched)))
        .order_by(assets.c.num)
        .with_for_update(key_share=True)
    )
    for row in rows.all():
        views = await _new_impressions(tx, row.num, sorted(started[row.uid]))
        await tx.execute(
            update(assets)
            .where(assets.c.num == row.num)
            .values(views=assets.c.views + views, watch_ms=assets.c.watch_ms + watched[row.uid])
        )
        await ledger.count(tx, row.tenant_num, "views", views, row.uid)


async def _new_impressions(tx: AsyncConnection, asset_num: int, names: list[str]) -> int:
    """Write down viewing sessions; how many were not known yet."""
    new = 0
    for at in range(0, len(names), _STATEMENT_ROWS):
        made = await tx.execute(
            upsert(impressions)
            .values([{"asset_num": asset_num, "impression": n} for n in names[at : at + _STATEMENT_ROWS]])
            .on_conflict_do_nothing()
            .returning(impressions.c.impression)
        )
        new += len(made.all())
    return new


def _read_from(path: Path, position: int) -> bytes:
    with path.open("rb") as file:
        file.seek(position)
        return file.read(_READ_BYTES)
