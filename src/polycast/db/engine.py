"""The way to PostgreSQL: one engine per process, explicit transactions, time limits on every statement."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import event, make_url, text
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as NoneFree
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from polycast.db.reader import Reader, is_alive
from polycast.db.urls import plain_url
from polycast.domain.errors import DatabaseUnavailable, StorageFull

T = TypeVar("T")

SERIALIZATION_FAILURE = "40001"
DEADLOCK = "40P01"
UNIQUE_VIOLATION = "23505"
EXCLUSION_VIOLATION = "23P01"
DISK_FULL = "53100"
LOCK_TIMEOUT = "55P03"
STATEMENT_TIMEOUT = "57014"

OVERLOAD = frozenset({LOCK_TIMEOUT, STATEMENT_TIMEOUT, "53000", "53200", "53300", "53400"})
"""States of PostgreSQL that mean "not now": no lock or no answer in time, no memory, no connection left."""

RACES = frozenset({SERIALIZATION_FAILURE, DEADLOCK, UNIQUE_VIOLATION, EXCLUSION_VIOLATION})
"""States of PostgreSQL that mean "another transaction was first": the same work may succeed when begun anew."""


class Database:
    """A pool of connections to one database.

    Args:
        url: `postgresql://…`; `postgresql+psycopg://…` is the same.
        pool_size: connections kept; `overflow` more may be opened for a moment.
        readers: connections for `reader` at most.
        statement_timeout_s: a statement that runs longer is ended by the server.
        lock_timeout_s: so is one that waits longer for a lock, which must stay below the statement's limit.
        idle_transaction_timeout_s: a transaction forgotten open is ended, since it would block clean-up.
        pool_timeout_s: patience for a free connection.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 5,
        overflow: int = 10,
        readers: int = 10,
        statement_timeout_s: float = 30.0,
        lock_timeout_s: float = 10.0,
        idle_transaction_timeout_s: float = 120.0,
        pool_timeout_s: float = 10.0,
        application: str = "polycast",
    ) -> None:
        self.url = plain_url(url)
        limits = {
            "statement_timeout": statement_timeout_s,
            "lock_timeout": lock_timeout_s,
            "idle_in_transaction_session_timeout": idle_transaction_timeout_s,
        }
        options = " ".join(f"-c {name}={int(seconds * 1000)}" for name, seconds in limits.items())
        connect: dict[str, Any] = {
            "options": f"{options} -c timezone=UTC",
            "application_name": application,
            "connect_timeout": 10,
        }
        self.engine: AsyncEngine = create_async_engine(
            make_url(self.url).set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=overflow,
            pool_timeout=pool_timeout_s,
            pool_use_lifo=True,
            connect_args=connect,
        )
        # a restarted server must cost no caller an error
        event.listen(self.engine.sync_engine, "checkout", _refuse_dead)
        # the same pool; see `read`
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.reader = Reader(self.url, size=readers, patience_s=pool_timeout_s, connect=connect)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed when the block ends, rolled back when it raises or is cancelled.

        Raises:
            DatabaseUnavailable: no connection to the server, it was lost in the block, or a statement did not get
                its lock or its answer in time.
        """
        async with self._connection(self.engine) as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reads; what it began is rolled back at the end.

        Raises:
            DatabaseUnavailable: as `transaction`.
        """
        async with self._connection(self.engine) as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reads: each statement is a transaction of its own.

        It saves the round trips of BEGIN and ROLLBACK; nothing that was changed here could be taken back.
        What is read with every call goes by `reader`, which costs less still.

        Raises:
            DatabaseUnavailable: as `transaction`.
        """
        async with self._connection(self._autocommit) as connection:
            yield connection

    @asynccontextmanager
    async def _connection(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        try:
            connection = await engine.connect()
        except NoneFree as error:
            raise DatabaseUnavailable("the database is busy") from error
        except (OperationalError, InterfaceError, TimeoutError) as error:
            raise DatabaseUnavailable("the database is not available") from error
        try:
            yield connection
        except DBAPIError as error:
            if error.connection_invalidated:
                raise DatabaseUnavailable("the connection to the database was lost") from error
            state = sqlstate(error)
            if state == DISK_FULL:
                raise StorageFull("the disk of the database is full") from error
            if state in OVERLOAD:
                raise DatabaseUnavailable("the database is busy") from error
            raise
        finally:
            await connection.close()

    async def ping(self) -> None:
        """One round trip.

        Raises:
            DatabaseUnavailable: no answer.
        """
        async with self.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def dispose(self) -> None:
        """Close all pooled connections; the object may be used again."""
        await self.reader.dispose()
        await self.engine.dispose()


def _refuse_dead(connection: Any, record: object, proxy: object) -> None:
    """Drop a pooled connection that its server has closed, without a round trip.

    SQLAlchemy's own test (`pool_pre_ping`) asks the server at each checkout, which costs as much as a query.
    """
    if not is_alive(connection.driver_connection):
        # all that were pooled before now are as dead as this one
        raise InvalidatePoolError("the server has closed this connection")


def sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's five-letter state behind an error of SQLAlchemy, None when there is none."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(origin, "sqlstate", None)
    return state if isinstance(state, str) else None


async def retrying(
    work: Callable[[], Awaitable[T]], *, attempts: int = 5, states: frozenset[str] = RACES
) -> T:
    """Run `work`, a whole transaction, again while it loses races against others.

    Two writers that look first and insert then may both see nothing: the loser gets a unique violation,
    begins anew, and finds what the winner wrote. A violation that stays is the caller's own mistake and is
    raised after `attempts`.
    """
    for attempt in range(1, attempts + 1):
        try:
            return await work()
        except DBAPIError as error:
            if sqlstate(error) not in states or attempt == attempts:
                raise
        # apart from each other, or both lose again
        await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - no secret
    raise AssertionError("unreachable")
