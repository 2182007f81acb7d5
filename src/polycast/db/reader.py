"""Reads on hot paths: prepared statements, straight by psycopg, each a transaction of its own.

Building, caching and adapting one execution costs SQLAlchemy several times what the query itself costs this
process; see docs/decisions/0101.
"""

import asyncio
import select
from collections.abc import Mapping
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus

from polycast.domain.errors import DatabaseUnavailable

Values = Mapping[str, Any]
"""parameters of a statement by name"""


class Reader:
    """A few connections of its own: opened when they are needed, then kept.

    Args:
        url: as libpq reads it.
        size: connections at most; further callers wait for one.
        patience_s: how long they wait.
        connect: arguments of `psycopg.connect`.
    """

    def __init__(self, url: str, *, size: int, patience_s: float, connect: Mapping[str, Any]) -> None:
        self._url = url
        self._patience_s = patience_s
        self._connect = connect
        self._idle: list[AsyncConnection] = []
        self._free = asyncio.Semaphore(size)

    async def one(self, statement: LiteralString, values: Values) -> tuple[Any, ...] | None:
        """The first row that a statement finds.

        Raises:
            DatabaseUnavailable: no connection to the server, or it broke.
        """
        rows = await self.all(statement, values)
        return rows[0] if rows else None

    async def all(self, statement: LiteralString, values: Values) -> list[tuple[Any, ...]]:
        """All rows that a statement finds. `%(name)s` stands for a parameter, `%%` for a per cent sign.

        Raises:
            DatabaseUnavailable: as `one`.
        """
        await self._turn()
        try:
            connection = self._pooled() or await self._open()
            try:
                return await (await connection.execute(statement, values)).fetchall()
            finally:
                if connection.pgconn.transaction_status == TransactionStatus.IDLE:
                    self._idle.append(connection)
                else:
                    await connection.close()
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise DatabaseUnavailable("the database is not available") from error
        finally:
            self._free.release()

    async def dispose(self) -> None:
        """Close the connections at rest; the object may be used again."""
        while self._idle:
            await self._idle.pop().close()

    async def _turn(self) -> None:
        if not self._free.locked():
            await self._free.acquire()  # at once, without a clock being set
            return
        try:
            async with asyncio.timeout(self._patience_s):
                await self._free.acquire()
        except TimeoutError as error:
            raise DatabaseUnavailable("the database is busy") from error

    def _pooled(self) -> AsyncConnection | None:
        if not self._idle:
            return None
        connection = self._idle.pop()
        if is_alive(connection):
            return connection
        # what rested beside it is as dead
        for one in (connection, *self._idle):
            one.pgconn.finish()
        self._idle.clear()
        return None

    async def _open(self) -> AsyncConnection:
        # statements of this class are few and come again and again: each is prepared at once
        return await AsyncConnection.connect(self._url, autocommit=True, prepare_threshold=0, **self._connect)


def is_alive(connection: Any) -> bool:
    """Whether a connection of psycopg at rest still has its server, without asking it.

    A server says nothing to a connection at rest but its farewell: if there is something to read, or the end,
    it is over.
    """
    try:
        if connection.closed:
            return False
        watch = select.poll()
        watch.register(connection.fileno(), select.POLLIN | select.POLLRDHUP)
        return not watch.poll(0)
    except (OSError, ValueError, psycopg.Error):
        return False
