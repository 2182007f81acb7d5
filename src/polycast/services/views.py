"""What player pages report: beacons into append-only spools, folded into views and watch time.

Receiving a beacon costs one append and no database. A spool file belongs to one process; how far it was
folded is a row that changes in the same transaction as the counters, so nothing counts twice.
"""

import asyncio
import json
import logging
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from polycast.db.engine import Database
from polycast.db.tables import assets, impressions, spools
from polycast.domain.errors import Invalid, TooLarge
from polycast.services import ledger

log = logging.getLogger(__name__)

MAX_BATCH_BYTES = 64 * 1024
_MAX_SAMPLES = 200
_ROTATE_S = 300.0
_MAX_SAMPLE_MS = 120_000
_KEPT = "interval '2 days'"


class Views:
    """Takes beacons and counts them.

    Args:
        folder: of the spools, on a local disk.
    """

    def __init__(self, db: Database, folder: Path) -> None:
        self._db = db
        self._folder = folder
        self._file: tuple[Path, float, Any] | None = None

    async def take(self, asset: UUID, body: bytes, *, address: str | None, user_agent: str | None) -> int:
        """Append one batch of playback samples to the spool; returns how many.

        Args:
            body: JSON: {"impression": id, "samples": [{...}]} as the player sends it.

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
        line = {
            "at": time.time(),
            "asset": str(asset),
            "impression": impression,
            "address": address,
            "user_agent": (user_agent or "")[:512],
            "samples": samples,
        }
        data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        await asyncio.to_thread(self._append, data)
        return len(samples)

    def _append(self, data: bytes) -> None:
        now = time.monotonic()
        if self._file is None or now - self._file[1] > _ROTATE_S:
            if self._file is not None:
                self._file[2].close()
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"beacons-{time.time_ns()}-{os.getpid()}.jsonl"
            self._file = (path, now, path.open("ab", buffering=0))
        # one write of one line: appends of this size never mix
        self._file[2].write(data)

    async def fold(self) -> int:
        """Count what the spools hold; returns the lines read. Finished spools are removed. For upkeep."""
        total = 0
        for path in sorted(self._folder.glob("beacons-*.jsonl")) if self._folder.is_dir() else []:
            total += await self._fold_one(path)
        return total

    async def _fold_one(self, path: Path) -> int:
        async with self._db.transaction() as tx:
            await tx.execute(upsert(spools).values(name=path.name).on_conflict_do_nothing())
            row = (await tx.execute(select(spools).where(spools.c.name == path.name).with_for_update())).one()
            data = await asyncio.to_thread(_read_from, path, row.position)
            whole = data[: data.rfind(b"\n") + 1]
            lines = whole.splitlines()
            await self._count(tx, lines)
            await tx.execute(
                update(spools).where(spools.c.name == path.name).values(position=row.position + len(whole))
            )
            old = time.time() - (await asyncio.to_thread(path.stat)).st_mtime > 2 * _ROTATE_S
            if old and not whole:
                await tx.execute(delete(spools).where(spools.c.name == path.name))
                await asyncio.to_thread(path.unlink, missing_ok=True)
        return len(lines)

    async def _count(self, tx: Any, lines: list[bytes]) -> None:
        watched: dict[UUID, int] = defaultdict(int)
        started: set[tuple[UUID, str]] = set()
        for line in lines:
            try:
                entry = json.loads(line)
                asset = UUID(entry["asset"])
            except (ValueError, KeyError):
                continue
            for sample in entry["samples"]:
                played = sample.get("played_ms")
                if isinstance(played, int | float) and 0 < played <= _MAX_SAMPLE_MS:
                    watched[asset] += int(played)
                    started.add((asset, entry["impression"]))
        known = {
            row.uid: row
            for row in await tx.execute(
                select(assets.c.uid, assets.c.num, assets.c.tenant_num).where(assets.c.uid.in_(list(watched)))
            )
        }
        views: dict[UUID, int] = defaultdict(int)
        for asset, impression in started:
            if asset in known:
                new = await tx.execute(
                    upsert(impressions)
                    .values(asset_num=known[asset].num, impression=impression)
                    .on_conflict_do_nothing()
                    .returning(impressions.c.asset_num)
                )
                views[asset] += 1 if new.first() is not None else 0
        for asset, played in watched.items():
            if asset in known:
                row = known[asset]
                await tx.execute(
                    update(assets)
                    .where(assets.c.num == row.num)
                    .values(views=assets.c.views + views[asset], watch_ms=assets.c.watch_ms + played)
                )
                await ledger.count(tx, row.tenant_num, "views", views[asset], asset)
        await tx.execute(text(f"DELETE FROM impressions WHERE at < now() - {_KEPT}"))  # noqa: S608 - a constant


def _read_from(path: Path, position: int) -> bytes:
    with path.open("rb") as file:
        file.seek(position)
        return file.read(16 << 20)
