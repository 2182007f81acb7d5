"""pg_dump, pg_restore and psql, those of the bundled PostgreSQL."""

from pathlib import Path

from psycopg import conninfo

from polycast.db import binaries
from polycast.domain.errors import ChildFailed, Unavailable
from polycast.proc.child import run_child
from polycast.proc.spec import ChildSpec, Limits

_NOBODYS = ["--no-owner", "--no-privileges"]
_DROP_ALL = """
SET client_min_messages = warning;
SET lock_timeout = '30s';
DO $$
DECLARE
    -- all at once: what is dropped with another has no name any more
    statements text[] := array(
        SELECT format('DROP %s IF EXISTS %s CASCADE', CASE relkind
            WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE'
            END, oid::regclass)
        FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
        -- a sequence of a column goes with its table, and with it alone
        ORDER BY relkind = 'S'
    ) || array(
        SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', oid::regprocedure)
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
    ) || array(
        SELECT format('DROP TYPE IF EXISTS %s CASCADE', oid::regtype)
        FROM pg_type WHERE typnamespace = 'public'::regnamespace
        AND (typtype IN ('e', 'd', 'r') OR EXISTS (SELECT FROM pg_class WHERE oid = typrelid AND relkind = 'c'))
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_type.oid AND deptype = 'e')
    );
    statement text;
BEGIN
    FOREACH statement IN ARRAY statements LOOP
        EXECUTE statement;
    END LOOP;
END $$;
"""
"""what extensions brought stays; the schema too, which may not be ours to drop"""
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
    await _run("pg_dump", ["--format=custom", f"--file={path}", *_NOBODYS], url)


async def load(url: str, path: Path) -> None:
    """Fill an empty database from such a file, in one transaction: all of it or nothing.

    Raises:
        Unavailable: pg_restore failed; says why.
    """
    # without --dbname it would print the script instead of running it
    await _run(
        "pg_restore", ["--single-transaction", "--exit-on-error", *_NOBODYS, "--dbname=", str(path)], url
    )


async def exchange(url: str, path: Path) -> None:
    """Put such a file in the place of all that a database holds, in one transaction.

    pg_restore drops only what the file holds too: tables of a later release would stay, or their references
    would keep it from dropping anything.

    Args:
        path: its folder takes the whole database as text meanwhile.

    Raises:
        Unavailable: pg_restore or psql failed; says why.
    """
    script = path.with_name(f"{path.name}.sql")
    script.touch(mode=0o600)
    try:
        await _run("pg_restore", [*_NOBODYS, f"--file={script}", str(path)], url)
        argv = [
            "--no-psqlrc",
            "--quiet",
            "--output=/dev/null",
            "--set=ON_ERROR_STOP=1",
            "--single-transaction",
        ]
        await _run("psql", [*argv, f"--command={_DROP_ALL}", f"--file={script}"], url)
    finally:
        script.unlink(missing_ok=True)


async def _run(program: str, argv: list[str], url: str) -> None:
    facts = conninfo.conninfo_to_dict(url)
    environment = {name: str(facts[key]) for key, name in _VARIABLES.items() if facts.get(key)}
    path = str(binaries.current().program(program))
    try:
        await run_child(ChildSpec([path, *argv], env=environment, limits=_UNLIMITED, cwd=Path("/")))
    except ChildFailed as error:
        raise Unavailable(f"{program} failed: {error.stderr_tail.strip() or error}") from error
