"""What a child costs before its program begins: `python -m bench.child_start [rounds]`.

Prints milliseconds from start to reaped for /bin/true: bare, through the launcher, and in the sandbox
(median and best; the best is the figure to compare, the rest is the machine's other work).
"""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

from polycast.proc.child import ChildSpec, SandboxPolicy, run_child
from polycast.proc.detect import sandbox_level


async def bare() -> None:
    process = await asyncio.create_subprocess_exec("/bin/true", stdin=subprocess.DEVNULL)
    await process.wait()


async def launched() -> None:
    await run_child(ChildSpec(argv=["/bin/true"]))


async def sandboxed() -> None:
    await run_child(ChildSpec(argv=["/bin/true"], sandbox=SandboxPolicy()))


async def measure(name: str, start: Callable[[], Awaitable[None]], rounds: int) -> None:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        await start()
        times.append((time.perf_counter() - began) * 1000)
    print(f"{name:<10} median {statistics.median(times):6.1f} ms   best {min(times):6.1f} ms")


async def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    print(f"sandbox level: {await sandbox_level()}")
    await measure("bare", bare, rounds)
    await measure("launcher", launched, rounds)
    await measure("sandbox", sandboxed, rounds)


if __name__ == "__main__":
    asyncio.run(main())
