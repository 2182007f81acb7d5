"""States of a service as a table, and the waiting times between restarts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.proc.child import ChildSpec
from polycast.proc.service import MOVES, Backoff, IllegalMove, Service, ServiceSpec, State
from polycast.proc.supervisor import Supervisor


def ignore(name: str, line: str) -> None:
    pass


def test_every_state_has_its_moves_and_leads_back_to_stopped() -> None:
    assert set(MOVES) == set(State)
    for start in State:
        seen, ahead = {start}, {start}
        while ahead:
            ahead = set().union(*(MOVES[state] for state in ahead)) - seen
            seen |= ahead
        assert State.STOPPED in seen


@pytest.mark.parametrize("start", list(State))
@pytest.mark.parametrize("to", list(State))
async def test_illegal_moves_raise(start: State, to: State) -> None:
    service = Service(ServiceSpec("api", ChildSpec(argv=["x"])), Backoff(), ignore)
    service.state = start
    if to in MOVES[start]:
        service._move(to)
        assert service.state is to
    else:
        with pytest.raises(IllegalMove):
            service._move(to)
        assert service.state is start


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_delays_grow_and_stay_bounded(failures: int, chance: float) -> None:
    backoff = Backoff(first_s=0.5, most_s=30, jitter=0.2)
    assert 0.4 - 1e-9 <= backoff.delay_s(failures, chance) <= 36 + 1e-9
    assert backoff.delay_s(failures, chance) <= backoff.delay_s(failures + 1, chance)


def test_delays_double() -> None:
    assert [Backoff().delay_s(n, 0.5) for n in (1, 2, 3, 7, 8)] == [0.5, 1, 2, 30, 30]


async def test_names_are_unique() -> None:
    spec = ServiceSpec("api", ChildSpec(argv=["x"]))
    with pytest.raises(ValueError, match="two services"):
        Supervisor([spec, spec], on_output=ignore)
