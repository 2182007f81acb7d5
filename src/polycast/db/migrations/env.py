"""Run by Alembic, with the connection that `polycast.db.migrate` opened and locked."""

from alembic import context
from sqlalchemy import Connection

from polycast.db.migrate import is_ours
from polycast.db.tables import metadata


def _run() -> None:
    connection = context.config.attributes["connection"]
    assert isinstance(connection, Connection)
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_object=lambda _object, name, kind, _reflected, _other: is_ours(kind, name),
        # each step in its own transaction: a long one that fails keeps what came before it
        transaction_per_migration=True,
        compare_server_default=False,
    )
    with context.begin_transaction():
        context.run_migrations()


_run()
