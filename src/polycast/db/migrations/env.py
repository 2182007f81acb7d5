"""Run by Alembic, with the connection that `polycast.db.migrate` opened and locked."""

from typing import Any

from alembic import context
from alembic.operations.ops import CreateForeignKeyOp, CreateTableOp, MigrationScript
from sqlalchemy import Connection, ForeignKeyConstraint

from polycast.db.migrate import is_ours
from polycast.db.tables import metadata


def _add_circular_keys(_context: Any, _revision: Any, scripts: list[MigrationScript]) -> None:
    """Tables that refer to each other get one of the keys later; the comparison forgets it in new tables."""
    for script in scripts:
        assert script.upgrade_ops is not None
        for made in [op for op in script.upgrade_ops.ops if isinstance(op, CreateTableOp)]:
            for constraint in metadata.tables[made.table_name].constraints:
                if isinstance(constraint, ForeignKeyConstraint) and constraint.use_alter:
                    script.upgrade_ops.ops.append(CreateForeignKeyOp.from_constraint(constraint))


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
        process_revision_directives=_add_circular_keys,
    )
    with context.begin_transaction():
        context.run_migrations()


_run()
