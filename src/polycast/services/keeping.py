"""What is kept in memory because making it again costs more: bounded by what it takes, not by how many."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Values by key; the least recently used go where there would be too many.

    Args:
        most: of the sum of all weights, in whatever unit the caller weighs.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.weight = 0

    def get(self, key: K) -> V | None:
        """The value, None when it is not kept (any more)."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def keep(self, key: K, value: V, weight: int) -> None:
        """Keep a value; one that alone weighs more than all may is not kept."""
        _, before = self._values.pop(key, (None, 0))
        self.weight -= before
        if weight > self._most:
            return
        self._values[key] = (value, weight)
        self.weight += weight
        while self.weight > self._most:
            _, (_, gone) = self._values.popitem(last=False)
            self.weight -= gone
