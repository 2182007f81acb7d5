"""A stream of bytes in pieces of chosen lengths."""

from collections.abc import AsyncIterator


class Pieces:
    """Cuts a stream of blocks of any size at given lengths."""

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self._rest = b""

    async def more(self) -> bool:
        """Whether at least one more byte will come."""
        while not self._rest:
            try:
                self._rest = await anext(self._body)
            except StopAsyncIteration:
                return False
        return True

    async def take(self, length: int) -> AsyncIterator[bytes]:
        """The next `length` bytes, or what is left, in blocks."""
        while length and await self.more():
            block, self._rest = self._rest[:length], self._rest[length:]
            length -= len(block)
            yield block
