"""Every target holds its contract on what once broke it and on a fixed stretch of mutations.

`python -m tests.fuzz TARGET --seconds N` goes on from a random place and keeps what it finds in the corpus.
"""

import time
from random import Random

import pytest

from tests.fuzz.mutate import mutate
from tests.fuzz.targets import CORPUS, TARGETS

ROUNDS = 400
SLOW_S = 5.0


def check(name: str, data: bytes) -> None:
    """Fails on an undocumented error; the input is in the message."""
    target = TARGETS[name]
    begun = time.perf_counter()
    try:
        target.run(data)
    except target.errors:
        pass
    except Exception as error:
        raise AssertionError(f"{name} raised {error!r} on {data[:400]!r}") from error
    assert time.perf_counter() - begun < SLOW_S, f"{name} was slow on {data[:400]!r}"


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_accepted(name: str) -> None:
    target = TARGETS[name]
    for seed in target.seeds():
        try:
            target.run(seed)
        except target.errors:
            # an expired token is a seed too
            assert name == "token"


@pytest.mark.parametrize("name", TARGETS)
def test_what_once_broke(name: str) -> None:
    for path in sorted((CORPUS / name).glob("*")):
        check(name, path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_mutations(name: str) -> None:
    target = TARGETS[name]
    rng = Random(f"polycast {name}")
    seeds = target.seeds()
    for _ in range(ROUNDS):
        check(name, mutate(rng, rng.choice(seeds), seeds, target.tokens))
