"""The job worker process: `python -m polycast.cli.working QUEUE…`, settings from the environment."""

import asyncio
import signal
import sys
from collections.abc import Sequence

from polycast import settings as configuration
from polycast.cli.logs import configure
from polycast.db import migrate
from polycast.proc.supervisor import stop_signals
from polycast.settings import Settings

QUEUES = ("encode", "package", "pictures", "pull", "upkeep")
_UPKEEP_CONCURRENCY = 4  # clearing, counting, scrubbing: each at once, and one more


def concurrency(settings: Settings, queue: str) -> int:
    """Jobs of one queue that run at once in one process."""
    places = {
        "encode": settings.encode_slots,
        "package": settings.package_workers,
        "pictures": 1,
        "pull": settings.pull_workers,
    }
    return places.get(queue, _UPKEEP_CONCURRENCY)


async def work(settings: Settings, database_url: str, queues: Sequence[str]) -> None:
    """Work on queues until SIGTERM, SIGINT or the SIGHUP of a closed terminal.

    Each queue has its own places: a long pull takes none from the packaging beside it.
    """
    from polycast.bootstrap import build_platform, running

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in stop_signals():
        loop.add_signal_handler(number, stop.set)
    async with running(build_platform(settings, database_url)) as platform, asyncio.TaskGroup() as group:
        group.create_task(platform.warm_up())
        for queue in queues:
            group.create_task(platform.run_worker([queue], concurrency(settings, queue), stop))


def main() -> int:
    """Run by `polycast up` for each worker it keeps up."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    settings = configuration.load()
    configure(settings.log_level, settings.log_format)
    migrate.wait_blocking(settings.database_url)
    asyncio.run(work(settings, settings.database_url, sys.argv[1:] or QUEUES))
    return 0


if __name__ == "__main__":
    sys.exit(main())
