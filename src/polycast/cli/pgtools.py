"""pg_dump and pg_restore, those of the bundled PostgreSQL."""

from pathlib import Path

from psycopg import conninfo

from polycast.db import binaries
from polycast.domain.errors import ChildFailed, Unavailable
from polycast.proc.child import run_child
from polycast.proc.spec import ChildSpec, Limits

_UNLIMITED = Limits(memory_bytes=None, processes=None)
# what libpq reads of a connection from the environment: passwords must not stand in a command line
_VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "options": "PGOPTIONS",
}


async def dump(url: str, path: Path) -> None:
    """Write a whole database to a file in PostgreSQL's custom format; one consistent moment of it.

    Raises:
        Unavailable: pg_dump failed; says why.
    """
    argv = ["--format=custom", f"--file={path}", "--no-owner", "--no-privileges"]
    await _run("pg_dump", argv, url)


async def load(url: str, path: Path, *, clean: bool = False) -> None:
    """Fill a database from such a file, in one transaction: all of it or nothing.

    Args:
        clean: drop what is there first.

    Raises:
        Unavailable: pg_restore failed; says why.
    """
    argv = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]
    if clean:
        argv += ["--clean", "--if-exists"]
    # without --dbname it would print the script instead of running it
    await _run("pg_restore", [*argv, "--dbname=", str(path)], url)


async def _run(program: str, argv: list[str], url: str) -> None:
    facts = conninfo.conninfo_to_dict(url)
    environment = {name: str(facts[key]) for key, name in _VARIABLES.items() if facts.get(key)}
    path = str(binaries.current().program(program))
    try:
        await run_child(ChildSpec([path, *argv], env=environment, limits=_UNLIMITED, cwd=Path("/")))
    except ChildFailed as error:
        raise Unavailable(f"{program} failed: {error.stderr_tail.strip() or error}") from error
