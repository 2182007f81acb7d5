"""A worker process to be killed: writes one line per start of a job, then hangs or ends.

python -m tests.support.job_process URL {hang|note} FILE
"""

import asyncio
import sys
from pathlib import Path

from polycast.db.engine import Database
from polycast.jobs import worker
from polycast.jobs.queue import JobQueue
from polycast.jobs.registry import Args
from polycast.jobs.retry import Retry
from tests.support.jobs import QUICK


async def main(url: str, way: str, path: str) -> None:
    async def handler(args: Args) -> None:
        with Path(path).open("a") as file:  # noqa: ASYNC230 - a line
            file.write(f"{args['n']}\n")
        if way == "hang":
            await asyncio.Event().wait()

    queue = JobQueue(url, Database(url, pool_size=1).transaction)
    queue.register("note", handler, queue="work", retry=Retry(max_attempts=3))
    await worker.run(queue, ["work"], 2, asyncio.Event(), QUICK)


asyncio.run(main(*sys.argv[1:]))
