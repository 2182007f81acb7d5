"""Addresses in the remote store, signed once and handed out for a while: signing costs more than sending."""

import time
from collections import OrderedDict
from typing import Final

from polycast.storage.interface import ObjectStore

LIFE_S: Final = 3600
_HANDED_OUT_S: Final = 1800
"""what is handed out lives for at least LIFE_S - _HANDED_OUT_S"""
_KEPT: Final = 50_000


class Presigned:
    """Presigned URLs of a store, each used for half of its life."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._urls: OrderedDict[str, tuple[float, str]] = OrderedDict()

    async def url(self, key: str) -> str | None:
        """An address that serves the object for at least half an hour; None where the store has no such."""
        now = time.monotonic()
        known = self._urls.get(key)
        if known is not None and known[0] > now:
            return known[1]
        made = await self._store.presign_get(key, LIFE_S)
        if made is not None:
            self._urls[key] = (now + _HANDED_OUT_S, made)
            self._urls.move_to_end(key)
            while len(self._urls) > _KEPT:
                self._urls.popitem(last=False)
        return made
