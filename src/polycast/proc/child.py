"""Run one child process: the only place in Polycast, beside the supervisor built on it, that makes any.

    result = await run_child(ChildSpec(argv=[ffmpeg, ...], limits=Limits(wall_s=60, stall_s=20)))

Each child has its own session and process group, an environment of its own, no inherited descriptor
but those named, and dies with the thread that started it: the kernel ties PR_SET_PDEATHSIG to the
parent *thread*, so `run_child` must run in an event loop whose thread lives as long as the child.
"""

import logging

from polycast.proc.detect import detected
from polycast.proc.launch import launch, resolve
from polycast.proc.policy import SandboxLevel, SandboxPolicy, SandboxUnavailable
from polycast.proc.run import OnLine, OnStdout, Run
from polycast.proc.sandbox import confinement
from polycast.proc.spec import ChildResult, ChildSpec, Limits, python_child

log = logging.getLogger(__name__)

__all__ = [
    "ChildResult",
    "ChildSpec",
    "Limits",
    "OnLine",
    "OnStdout",
    "SandboxLevel",
    "SandboxPolicy",
    "SandboxUnavailable",
    "python_child",
    "run_child",
]


async def run_child(
    spec: ChildSpec, *, on_line: OnLine | None = None, on_stdout: OnStdout | None = None
) -> ChildResult:
    """Run a child to its end.

    Args:
        spec: program, surroundings, limits, sandbox.
        on_line: called with each line of stdout, without its end. Returning False says "no progress"
            (an encoder that repeats the same time): the stall clock then keeps running.
        on_stdout: called with each piece of stdout; may be a coroutine function, whose slowness holds
            the child back and does not count as a stall. At most one of the two callbacks.

    Returns:
        The result of a child that ended with code 0.

    Raises:
        ChildFailed: reason `start` (program missing), `sandbox` (could not be confined), `exit`,
            `signal`, `timeout` (wall_s), `cpu`, `stalled`, `memory` (it hit its limit and said so),
            `output` (stdout_bytes or file_bytes exceeded).
        SandboxUnavailable: the spec asks for a sandbox and this machine has none. Nothing was started.

    What a callback raises ends the child and comes out here. Cancelling ends the whole process group
    (SIGTERM, `grace_s`, SIGKILL) and reaps it before CancelledError comes out. Files are left as they are.
    """
    if on_line is not None and on_stdout is not None:
        raise ValueError("on_line and on_stdout exclude each other")
    argv = resolve(spec)
    sandbox = None
    if spec.sandbox is not None:
        level, namespaces = await detected()
        if level is not SandboxLevel.NONE:
            sandbox = confinement(spec.sandbox, argv, namespaces)
        elif not spec.sandbox.allow_unsandboxed:
            raise SandboxUnavailable("this server cannot isolate the reading of media files")
        else:
            log.warning("%s runs unconfined: this machine offers no sandbox (polycast doctor)", spec.program)
    return await Run(spec, await launch(spec, argv, sandbox), on_line, on_stdout).to_end()
