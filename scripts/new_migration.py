"""Write the next schema migration: what `polycast.db.tables` has and the migrations so far do not.

    .venv/bin/python scripts/new_migration.py "Assets know their owner"

Read the file before committing it: renames look like a drop and an add to the comparison.
"""

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, make_url

from polycast.db import migrate
from polycast.db.embedded import EmbeddedPostgres

MIGRATIONS = Path(migrate.__file__).parent / "migrations"


def main(message: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = asyncio.run(write(message, Path(folder)))
    text = Path(path).read_text()
    Path(path).write_text("".join(line for line in text.splitlines(True) if "# ###" not in line))
    for tool in (["check", "--fix", "-q"], ["format", "-q"]):
        subprocess.run([sys.executable, "-m", "ruff", *tool, path], check=True)


async def write(message: str, folder: Path) -> str:
    server = EmbeddedPostgres(folder / "pg", durable=False)
    url = await server.start()
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    try:
        known = sorted(path.name[:4] for path in MIGRATIONS.glob("versions/[0-9]*.py"))
        with engine.connect() as connection:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            if known:
                command.upgrade(config, "head")
            number = f"{int(known[-1]) + 1 if known else 1:04}"
            script = command.revision(config, message=message, autogenerate=True, rev_id=number)
    finally:
        engine.dispose()
        await server.stop()
    return str(script.path)  # type: ignore[union-attr]


if __name__ == "__main__":
    main(sys.argv[1])
