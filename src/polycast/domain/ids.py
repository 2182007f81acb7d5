"""The three forms of one identity: `num`, `uid` and `code`.

`code` is a keyed permutation of `num` in eight lower-case letters: short enough for an address that
people type, and it does not tell how many videos there are.
"""

import hashlib
import hmac
import re
from uuid import UUID

_LETTERS = 8
_HALF = 26**4
CODE_SPACE = _HALF * _HALF
_ROUNDS = 6
_CODE = re.compile(r"[a-z]{8}")


class CodeCipher:
    """Feistel network over two base-26⁴ halves: a bijection of 0 … 26⁸-1 chosen by a key."""

    def __init__(self, key: bytes) -> None:
        self._keys = [hmac.digest(key, b"polycast code %d" % i, hashlib.sha256) for i in range(_ROUNDS)]

    def _round(self, i: int, half: int) -> int:
        mac = hmac.digest(self._keys[i], half.to_bytes(4, "big"), hashlib.sha256)
        return int.from_bytes(mac[:8], "big")

    def encode(self, num: int) -> str:
        """The code of a row number.

        Raises:
            ValueError: `num` is negative or not below 26⁸ (about 2·10¹¹).
        """
        if not 0 <= num < CODE_SPACE:
            raise ValueError(f"no code for {num}")
        left, right = divmod(num, _HALF)
        for i in range(_ROUNDS):
            left, right = right, (left + self._round(i, right)) % _HALF
        return _letters(left * _HALF + right)

    def decode(self, code: str) -> int | None:
        """The row number of a code; None when it has not the form of one."""
        if not _CODE.fullmatch(code):
            return None
        value = 0
        for letter in code:
            value = value * 26 + ord(letter) - 97
        left, right = divmod(value, _HALF)
        for i in reversed(range(_ROUNDS)):
            left, right = (right - self._round(i, left)) % _HALF, left
        return left * _HALF + right


def _letters(value: int) -> str:
    out = []
    for _ in range(_LETTERS):
        value, digit = divmod(value, 26)
        out.append(chr(97 + digit))
    return "".join(reversed(out))


def parse_uid(text: str) -> UUID | None:
    """A UUID in its canonical 36-character form, upper or lower case; None for anything else."""
    if len(text) != 36:
        return None
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text.lower() else None
