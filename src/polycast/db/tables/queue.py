"""Beside the queue's own tables: why attempts at a job failed."""

from sqlalchemy import BigInteger, Column, DateTime, Identity, Integer, String, Table

from polycast.db.tables.base import NOW, metadata

# append-only; pruned together with the job
job_failures = Table(
    "job_failures",
    metadata,
    Column("num", BigInteger, Identity(always=True), primary_key=True),
    Column("job_id", BigInteger, nullable=False, index=True),
    Column("name", String, nullable=False),
    # of this job, from 1
    Column("attempt", Integer, nullable=False),
    # error | lost (its worker died)
    Column("kind", String, nullable=False),
    Column("code", String, nullable=False),
    Column("message", String, nullable=False),
    # host and process that tried
    Column("worker", String, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=NOW),
)
