"""Small random damage to an input, the same for the same generator state."""

from collections.abc import Sequence
from random import Random

MAX_INPUT = 64 * 1024


def mutate(rng: Random, seed: bytes, others: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    """One to eight changes: bits, integers at their limits, cuts, repeats, words of the format, splices."""
    data = bytearray(seed)
    # mostly one or two: an input that is damaged everywhere is refused by the first check it meets
    for _ in range(rng.choice((1, 1, 1, 1, 2, 2, 3, 8))):
        position = rng.randrange(len(data) + 1)
        choice = rng.randrange(8)
        if choice == 0 and data:
            data[position % len(data)] ^= 1 << rng.randrange(8)
        elif choice == 1 and data:
            data[position % len(data)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif choice == 2:
            width = rng.choice((2, 4, 8))
            value = rng.choice((0, 1, 7, 8, 2 ** (8 * width - 1), 2 ** (8 * width) - 1, len(data)))
            data[position : position + width] = (value % 2 ** (8 * width)).to_bytes(width)
        elif choice == 3:
            del data[position : position + rng.randint(1, 64)]
        elif choice == 4:
            data[position:position] = data[position : position + rng.randint(1, 256)] * rng.randint(1, 4)
        elif choice == 5 and tokens:
            data[position:position] = rng.choice(tokens)
        elif choice == 6 and others:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            data[position:] = other[start:]
        elif rng.random() < 0.3:
            del data[position:]
    return bytes(data[:MAX_INPUT])
