"""Whose chunk is next."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from polycast.jobs.fairness import Held, plan_release, release_budget


def _held(*jobs: tuple[int, int, int]) -> list[Held]:
    return [Held(*job) for job in jobs]


def test_one_tenants_thousand_do_not_pass_anothers_one() -> None:
    held = [Held(num, tenant=1, priority=9) for num in range(1000)] + [Held(5000, tenant=2, priority=0)]
    assert plan_release(held, {1: 4}, 1) == [5000]
    assert plan_release(held, {}, 4) == [0, 5000, 1, 2]


def test_inside_a_tenant_priority_then_age() -> None:
    assert plan_release(_held((3, 1, 0), (1, 1, 0), (2, 1, 5)), {}, 3) == [2, 1, 3]


def test_equal_tenants_by_priority_then_age() -> None:
    assert plan_release(_held((1, 1, 0), (2, 2, 5), (3, 3, 0)), {}, 3) == [2, 1, 3]


def test_no_budget_releases_nothing() -> None:
    assert plan_release(_held((1, 1, 0)), {}, 0) == []
    assert plan_release(_held((1, 1, 0)), {}, -3) == []


JOBS = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2)), max_size=40)


@given(JOBS, st.dictionaries(st.integers(1, 4), st.integers(0, 6)), st.integers(0, 50))
def test_no_tenant_gets_ahead_while_another_waits(
    jobs: list[tuple[int, int]], outstanding: dict[int, int], budget: int
) -> None:
    held = [Held(num, tenant, priority) for num, (tenant, priority) in enumerate(jobs)]
    tenant_of = {job.num: job.tenant for job in held}
    chosen = plan_release(held, outstanding, budget)
    assert len(chosen) == len(set(chosen)) == min(budget, len(held))
    load, left = Counter(outstanding), Counter(tenant_of.values())
    for num in chosen:
        tenant = tenant_of[num]
        assert all(load[tenant] <= load[other] for other in left if left[other] > 0)
        load[tenant] += 1
        left[tenant] -= 1


def test_two_per_worker() -> None:
    assert release_budget(running=0, waiting=0, slots=2) == 4
    assert release_budget(running=2, waiting=2, slots=2) == 0
    assert release_budget(running=2, waiting=0, slots=2) == 2
    assert release_budget(running=20, waiting=3, slots=2) == 17, "twenty busy workers elsewhere"
    assert release_budget(running=0, waiting=0, slots=0) == 2, "a dispatcher without workers of its own"
