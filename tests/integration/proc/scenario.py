"""Run one hostile child through `run_child` and print how it ended, as JSON.

`python -I scenario.py PACKAGE_ROOT REQUEST`: run as whichever user is to be tested, with whichever
interpreter that user can reach, so it needs nothing but the standard library and polycast.proc.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, sys.argv[1])

from polycast.domain.errors import ChildFailed
from polycast.proc import detect
from polycast.proc.child import ChildSpec, Limits, SandboxLevel, SandboxPolicy, run_child


async def main(request: dict[str, Any]) -> dict[str, Any]:
    if "mode" in request:  # pretend that detection ended here
        mode = request["mode"]
        level = SandboxLevel.NAMESPACE if mode else SandboxLevel.LANDLOCK_SECCOMP
        detect._found[:] = [(level, mode)]
    policy = None
    if request.get("sandbox", True):
        policy = SandboxPolicy(
            read_paths=[Path(path) for path in request.get("read", ())],
            write_paths=[Path(path) for path in request.get("write", ())],
            may_fork=request.get("may_fork", False),
        )
    spec = ChildSpec(
        argv=request["argv"],
        limits=Limits(**request.get("limits", {})),
        sandbox=policy,
        stdout_bytes=request.get("stdout_bytes", 1 << 20),
        grace_s=0.2,
    )
    on_line = None
    if request.get("lines"):

        def on_line(line: str) -> bool:
            print(line, flush=True)
            return False

    try:
        result = await run_child(spec, on_line=on_line)
    except ChildFailed as failed:
        return {"reason": failed.reason, "code": failed.returncode, "stderr": failed.stderr_tail}
    return {
        "answer": json.loads(result.stdout) if result.stdout else None,
        "cpu_s": result.cpu_s,
        "wall_s": result.wall_s,
        "rss": result.max_rss_bytes,
        "level": await detect.sandbox_level(),
    }


if __name__ == "__main__":
    wanted = json.loads(sys.argv[2])
    if wanted.get("mode") == "detect":
        print(json.dumps({"level": asyncio.run(detect.sandbox_level())}))
    else:
        print(json.dumps(asyncio.run(main(wanted))))
