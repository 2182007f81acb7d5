"""Content codings (RFC 9110 section 8.4.1): which of them a client takes."""

import re
from typing import Final

_CODING: Final = re.compile(
    r"([!#$%&'*+.^_`|~0-9a-z-]+)[ \t]*(?:;[ \t]*q=([01](?:\.\d{0,3})?))?", re.IGNORECASE
)
_NAMES: Final = ("gzip", "x-gzip")
"""one coding under two names (8.4.1.3)"""


def takes_gzip(accept_encoding: str) -> bool:
    """Whether the value of Accept-Encoding (12.5.3) allows gzip: by its name, else by `*`, with a weight above 0."""
    weights: dict[str, float] = {}
    for word in accept_encoding.split(","):
        coding = _CODING.fullmatch(word.strip(" \t"))
        if coding is not None:
            weights[coding[1].lower()] = float(coding[2] or 1)
    named = [weights[name] for name in _NAMES if name in weights]
    return max(named) > 0 if named else weights.get("*", 0) > 0
