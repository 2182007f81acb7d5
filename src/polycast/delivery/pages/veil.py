"""The configuration as the browser gets it: plain, or veiled where the tenant wants the code of its pages obscured.

A veil hides addresses and names from a look at the page's source. It hides nothing from who runs the page,
and protects nothing: access is judged where media are asked for.
"""

import base64
import hashlib
import json
from itertools import cycle
from typing import Any

from polycast.delivery.pages.config import PlayerConfig

_KEY_BYTES = 16


def document(config: PlayerConfig) -> dict[str, Any]:
    """What stands in the page and is served for polling; `web/src/config.ts` is the other side.

    Returns:
        The configuration, or `{"veiled": base64}` where it asks for that: a key of 16 bytes, then the JSON
        in UTF-8, each byte XORed with the key in turn. Equal configurations give equal documents.
    """
    plain = config.to_json()
    if not config.veiled:
        return plain
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    key = hashlib.sha256(text).digest()[:_KEY_BYTES]
    mixed = bytes(a ^ b for a, b in zip(text, cycle(key), strict=False))
    return {"veiled": base64.b64encode(key + mixed).decode()}


def config_document(config: PlayerConfig) -> tuple[bytes, str]:
    """Serialise a configuration for `config_url`.

    Returns:
        Body (application/json) and its strong ETag, quotes included. Equal configurations give equal
        tags, so the caller can answer 304 to `If-None-Match`.
    """
    body = json.dumps(document(config), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'
