"""The record of failed tries, and what follows from one: another try, or the end."""

import os
import socket
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.domain.errors import ChildFailed, PolycastError
from polycast.jobs.registry import Failure

WORKER = f"{socket.gethostname()}:{os.getpid()}"
_MESSAGE_MAX = 4000

_RECORD = text("""
    INSERT INTO job_failures (job_id, name, attempt, kind, code, message, worker)
    SELECT :job_id, :name, 1 + count(*), :kind, :code, :message, :worker FROM job_failures WHERE job_id = :job_id
    RETURNING attempt
""")
_ALIKE = text("SELECT count(*) FROM job_failures WHERE job_id = :job_id AND code = :code")
_COUNT = text("SELECT count(*) FROM job_failures WHERE job_id = :job_id")


async def record(tx: AsyncConnection, job_id: int, name: str, error: BaseException | None) -> Failure:
    """Write down a failed try; `error` None: its worker died."""
    code, message = describe(error)
    values: dict[str, Any] = {
        "job_id": job_id,
        "name": name,
        "kind": "lost" if error is None else "error",
        "code": code,
        "message": message,
        "worker": WORKER,
    }
    attempt = (await tx.execute(_RECORD, values)).scalar_one()
    alike = (await tx.execute(_ALIKE, {"job_id": job_id, "code": code})).scalar_one()
    return Failure(code, message, int(attempt), error, int(alike))


async def losses(tx: AsyncConnection, job_id: int) -> int:
    """How often a job has lost its worker so far."""
    return int((await tx.execute(_ALIKE, {"job_id": job_id, "code": "lost"})).scalar_one())


async def count(tx: AsyncConnection, job_id: int) -> int:
    """Failed tries of a job so far."""
    return int((await tx.execute(_COUNT, {"job_id": job_id})).scalar_one())


def describe(error: BaseException | None) -> tuple[str, str]:
    """Code and message of a failure, for the operator."""
    if error is None:
        return "lost", "the worker died or lost touch with the database"
    message = f"{type(error).__name__}: {error}"
    if isinstance(error, ChildFailed) and error.stderr_tail:
        message = f"{message}\n{error.stderr_tail}"
    code = error.code if isinstance(error, PolycastError) else "error"
    # PostgreSQL's text holds no zero bytes, which a child may well print
    return code, message.replace("\0", "")[:_MESSAGE_MAX]
