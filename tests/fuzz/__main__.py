"""Fuzz one target for a while: `python -m tests.fuzz m3u8 --seconds 60`. Findings are written to the corpus."""

import argparse
import hashlib
import sys
import time
from random import Random

from tests.fuzz.mutate import mutate
from tests.fuzz.targets import CORPUS, TARGETS
from tests.fuzz.test_targets import check


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", default=None, help="makes a run repeatable")
    options = parser.parse_args()
    target = TARGETS[options.target]
    rng = Random(options.seed)
    pool = target.seeds()
    deadline = time.monotonic() + options.seconds
    count = 0
    while time.monotonic() < deadline:
        data = mutate(rng, rng.choice(pool), pool, target.tokens)
        count += 1
        try:
            check(options.target, data)
        except AssertionError as error:
            folder = CORPUS / options.target
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / hashlib.sha256(data).hexdigest()[:16]
            path.write_bytes(data)
            sys.stderr.write(f"{error}\nkept as {path}\n")
            return 1
        # accepted and refused inputs alike lead further
        if len(pool) < 2000 and rng.random() < 0.02:
            pool.append(data)
    sys.stdout.write(f"{count} inputs, nothing found\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
