"""What all tables share: one metadata, the identity columns of every public row, naming of constraints."""

from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Identity, MetaData, Uuid, text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

NOW = text("now()")
EMPTY_OBJECT = text("'{}'::jsonb")
EMPTY_LIST = text("'[]'::jsonb")
EMPTY_ARRAY = text("'{}'")


def identity() -> list[Column[Any]]:
    """`num` for joins and order, `uid` for the outside; the 8-letter `code` is computed from `num`."""
    return [
        Column("num", BigInteger, Identity(always=True), primary_key=True),
        Column("uid", Uuid, nullable=False, unique=True, server_default=text("gen_random_uuid()")),
    ]


def timestamps() -> list[Column[Any]]:
    """Creation and last change, UTC with microseconds."""
    return [
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
        Column("updated_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    ]
