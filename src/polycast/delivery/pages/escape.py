"""Text into HTML, three places, three rules."""

import html
import json
from typing import Any

# In a script element of any type the parser looks for "</script" and "<!--"; U+2028 and U+2029 end a
# line in older script parsers. HTML Living Standard, 4.12.1.3 "Restrictions for contents of script elements".
_SCRIPT_SAFE = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def text(value: str) -> str:
    """Return a value for element content and quoted attributes."""
    return html.escape(value, quote=True)


def script_json(value: Any) -> str:
    """Return JSON that can stand inside a script element and parses back to the same value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(
        _SCRIPT_SAFE
    )
