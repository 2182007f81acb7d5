"""Addresses in the remote store, signed once and handed out for a while: signing costs more than sending."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from polycast.storage.interface import ObjectInfo, ObjectStore

LIFE_S: Final = 3600
_HANDED_OUT_S: Final = 1800
"""what is handed out lives for at least LIFE_S - _HANDED_OUT_S"""
_KEPT: Final = 50_000


@dataclass(frozen=True, slots=True)
class Granted:
    """An address, and the object that it serves."""

    url: str
    info: ObjectInfo


class Presigned:
    """Presigned URLs of objects that never change, each used for half of its life."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._granted: OrderedDict[str, tuple[float, Granted]] = OrderedDict()

    async def grant(self, key: str) -> Granted | None:
        """An address that serves the object for at least half an hour; None where the store has no such.

        Raises:
            NotFound: no such object. Unavailable: the store does not answer.
        """
        now = time.monotonic()
        known = self._granted.get(key)
        if known is not None and known[0] > now:
            return known[1]
        url, info = await asyncio.gather(self._store.presign_get(key, LIFE_S), self._store.head(key))
        if url is None:
            return None
        granted = Granted(url, info)
        self._granted[key] = (now + _HANDED_OUT_S, granted)
        self._granted.move_to_end(key)
        while len(self._granted) > _KEPT:
            self._granted.popitem(last=False)
        return granted
