"""Whose waiting chunk is next. Pure: the dispatcher reads the rows and writes the answer."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Held:
    """A chunk job that waits to be released."""

    num: int
    tenant: int
    priority: int


def plan_release(held: Iterable[Held], outstanding: Mapping[int, int], budget: int) -> list[int]:
    """Choose which held jobs to release.

    Every choice goes to the tenant that has the fewest jobs outstanding, those chosen before it in this
    plan included: however many jobs one tenant holds, another one's first job is next. Tenants that are
    equal in this are served by the priority of their first job, then by its age. Inside a tenant order
    is priority, then age: priority never lets one tenant's jobs pass another tenant's turn.

    Args:
        held: in any order; `num` rises with age.
        outstanding: tenant -> jobs released and not yet ended.
        budget: how many may be released; <= 0 releases none.

    Returns:
        `num`s in the order of release, at most `budget`.
    """
    waiting: dict[int, deque[Held]] = defaultdict(deque)
    for job in sorted(held, key=lambda job: (-job.priority, job.num)):
        waiting[job.tenant].append(job)
    load = Counter(outstanding)
    chosen: list[int] = []
    while waiting and len(chosen) < budget:
        tenant = min(waiting, key=lambda t: (load[t], -waiting[t][0].priority, waiting[t][0].num))
        chosen.append(waiting[tenant].popleft().num)
        load[tenant] += 1
        if not waiting[tenant]:
            del waiting[tenant]
    return chosen


def release_budget(running: int, waiting: int, slots: int) -> int:
    """How many more jobs may be put into the queue.

    About two per worker: one at work, one ready when it ends. `running` tells how many workers there are
    on all machines as soon as they are busy; until then `slots`, those of this process, is the floor.
    """
    return max(2 * slots, 2 * running, 2) - running - waiting
