"""What all stores do alike with parts: receiving a body and judging a completion."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from polycast.domain.errors import Conflict, Invalid, TooLarge
from polycast.storage.files import BLOCK
from polycast.storage.interface import PartInfo
from polycast.storage.keys import clean_etag


@dataclass(frozen=True, slots=True)
class Received:
    """Length and MD5 (hex) of a body."""

    size: int
    md5: str


async def receive(
    stream: AsyncIterator[bytes],
    write: Callable[[bytes], Awaitable[None]],
    *,
    max_bytes: int,
    size: int | None,
) -> Received:
    """Pass a body on in blocks of about `BLOCK` bytes, hashing it on the way.

    At most two blocks are in memory: one being gathered, one being written.

    Raises:
        TooLarge: more than `max_bytes`; what was passed on must be thrown away.
        Invalid: not `size` bytes, if declared (field 'size').
    """
    if size is not None and size > max_bytes:
        raise TooLarge(f"the part is larger than {max_bytes} bytes", field="size")
    # MD5 is S3's etag of a part, not a protection
    digest = hashlib.md5(usedforsecurity=False)
    gathered = bytearray()
    total = 0
    async for block in stream:
        total += len(block)
        if total > max_bytes:
            raise TooLarge(f"the part is larger than {max_bytes} bytes", field="size")
        gathered += block
        if len(gathered) >= BLOCK:
            full, gathered = bytes(gathered), bytearray()
            await _pass_on(digest.update, write, full)
    if size is not None and total != size:
        raise Invalid(f"{size} bytes were declared for the part, {total} came", field="size")
    if gathered:
        await _pass_on(digest.update, write, bytes(gathered))
    return Received(total, digest.hexdigest())


async def _pass_on(
    update: Callable[[bytes], None], write: Callable[[bytes], Awaitable[None]], block: bytes
) -> None:
    # hashlib releases the GIL for blocks like these
    hashing = asyncio.create_task(asyncio.to_thread(update, block))
    try:
        await write(block)
    finally:
        await hashing


def check_parts(
    known: Iterable[PartInfo],
    wanted: Sequence[tuple[int, str]],
    expected_size: int | None = None,
    *,
    min_size: int = 0,
) -> list[PartInfo]:
    """The received parts that a completion names, in order.

    Args:
        min_size: smallest size in bytes of all parts but the last.

    Raises:
        Invalid: field 'parts' (the message names the part), or 'size' if the sum is not `expected_size`.
    """
    received = {part.number: part for part in known}
    if not wanted:
        raise Invalid("no parts are named", field="parts")
    chosen: list[PartInfo] = []
    for number, etag in wanted:
        if chosen and number <= chosen[-1].number:
            raise Invalid(f"part {number} is not in ascending order", field="parts")
        found = received.get(number)
        if found is None:
            raise Invalid(f"part {number} was not uploaded", field="parts")
        if clean_etag(etag) != found.etag:
            raise Invalid(f"part {number} has another ETag", field="parts")
        chosen.append(found)
    for part in chosen[:-1]:
        if part.size < min_size:
            raise Invalid(f"part {part.number} is smaller than {min_size} bytes", field="parts")
    total = sum(part.size for part in chosen)
    if expected_size is not None and total != expected_size:
        raise Invalid(f"{expected_size} bytes were declared, the parts have {total}", field="parts")
    return chosen


def check_same_parts(done: Sequence[PartInfo], wanted: Sequence[tuple[int, str]]) -> None:
    """A repeated completion names what was completed; raises `Conflict` if not."""
    if [(part.number, part.etag) for part in done] != [(number, clean_etag(etag)) for number, etag in wanted]:
        raise Conflict("the upload was completed with other parts")
