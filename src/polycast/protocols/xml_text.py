"""What XML 1.0 can carry."""

import re
from typing import Final

# XML 1.0 section 2.2: everything else is not a character, escaped or not
_ILLEGAL: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(value: str) -> str:
    """A text that may stand in an XML document once it is escaped; what cannot becomes a space."""
    return _ILLEGAL.sub(" ", value)
