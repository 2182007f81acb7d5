"""Named points between two steps, where a test ends the process, or lets something else happen first.

Nothing happens here in production: no setting arms them, only code that calls `arm` (tests/support/crash).
"""

from collections.abc import Awaitable, Callable

POINTS = (
    "upload.part",  # a part is stored, not yet acknowledged
    "upload.joined",  # the store has joined the parts, the database does not know
    "upload.completed",  # the file is written down, the client was not told
    "process.begun",
    "process.packaged",  # the tracks lie in the store, nobody knows them
    "process.planned",  # the generation of the packaged source is written down, the ladder is not planned
    "process.prepared",  # a copy of the source for the encoders lies in the store
    "process.done",
    "chunk.claimed",
    "chunk.encoded",
    "chunk.kept",  # its objects lie in the store, its row says nothing of it
    "chunk.done",
    "assemble.logs",  # track logs are written, the generation is not published
    "assemble.published",
    "pictures.kept",
    "delete.committed",
    "garbage.deleted",  # objects are gone, the row that asked for it is not
)

Hook = Callable[[str], Awaitable[None]]

_hooks: list[Hook] = []


def arm(hook: Hook) -> Callable[[], None]:
    """Have `hook` awaited with the name of each point that is reached in this process; returns what undoes it."""
    _hooks.append(hook)
    return lambda: _hooks.remove(hook)


async def reached(name: str) -> None:
    """A point of `POINTS` is reached."""
    for hook in list(_hooks):
        await hook(name)
