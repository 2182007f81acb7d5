"""The state tables: every walk stays inside them, and what they forbid raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from polycast.domain.errors import Conflict
from polycast.domain.states import (
    ASSET_MOVES,
    GENERATION_MOVES,
    AssetStatus,
    GenerationState,
    check_asset_move,
    check_generation_move,
)


def test_tables_name_every_state() -> None:
    assert set(ASSET_MOVES) == set(AssetStatus)
    assert set(GENERATION_MOVES) == set(GenerationState)


@given(st.sampled_from(AssetStatus), st.sampled_from(AssetStatus))
def test_asset_moves(old: AssetStatus, new: AssetStatus) -> None:
    if new is old or new in ASSET_MOVES[old]:
        check_asset_move(old, new)
    else:
        with pytest.raises(Conflict):
            check_asset_move(old, new)


@given(st.sampled_from(GenerationState), st.sampled_from(GenerationState))
def test_generation_moves(old: GenerationState, new: GenerationState) -> None:
    if new is old or new in GENERATION_MOVES[old]:
        check_generation_move(old, new)
    else:
        with pytest.raises(Conflict):
            check_generation_move(old, new)


def test_every_asset_can_still_become_available() -> None:
    reachable = {AssetStatus.AVAILABLE}
    while more := {s for s in AssetStatus if ASSET_MOVES[s] & reachable} - reachable:
        reachable |= more
    assert reachable == set(AssetStatus)


def test_a_published_generation_is_never_written_again() -> None:
    after: set[GenerationState] = set()
    todo = {GenerationState.PUBLISHED}
    while todo:
        state = todo.pop()
        after |= GENERATION_MOVES[state]
        todo |= GENERATION_MOVES[state] - after
    assert after == {GenerationState.RETIRED}


class Generations(RuleBasedStateMachine):
    """Generations of one output, moved at random as the pipeline may: at most one ends as published."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[GenerationState] = []

    @rule()
    def begin(self) -> None:
        self.states.append(GenerationState.BUILDING)

    @rule(pick=st.integers(0, 20), to=st.sampled_from(GenerationState))
    def move(self, pick: int, to: GenerationState) -> None:
        if not self.states:
            return
        at = pick % len(self.states)
        try:
            check_generation_move(self.states[at], to)
        except Conflict:
            return
        if to is GenerationState.PUBLISHED and any(
            s is GenerationState.PUBLISHED for s in self.states[at + 1 :]
        ):
            return  # the pipeline publishes in order
        self.states[at] = to
        if to is GenerationState.PUBLISHED:
            for n, state in enumerate(self.states[:at]):
                if state in (GenerationState.PUBLISHED, GenerationState.GROWING):
                    check_generation_move(state, GenerationState.RETIRED)
                    self.states[n] = GenerationState.RETIRED

    @invariant()
    def one_is_published(self) -> None:
        assert self.states.count(GenerationState.PUBLISHED) <= 1


TestGenerations = Generations.TestCase
