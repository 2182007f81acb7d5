"""Write docs/configuration.md from the settings; `--check` only says whether it lags.

.venv/bin/python scripts/configuration.py [--check]
"""

import re
import sys
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from polycast.settings import ENV_FILE, PREFIX, Settings

PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"
SOURCE = Path(__file__).parent.parent / "src" / "polycast" / "settings.py"

HEAD = f"""# Configuration

Generated from `src/polycast/settings.py` by `scripts/configuration.py`; do not edit.

Each setting is an environment variable. What the environment does not set is read from the file
`{ENV_FILE}` in the data folder (`NAME=value` lines), what that does not set has the default below.
A few are also options of the command line, which win over both: `polycast up --data … --port …`.
Relative paths begin in the folder where the command is run, in `{ENV_FILE}` in the data folder.

Give every process of one installation the same settings; nodes on other machines need the same
`{PREFIX}DATABASE_URL`, `{PREFIX}STORE` and `{PREFIX}SECRET_KEY`. A node with another key, or none, does not start.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for title, names in sections():
        parts.append(f"\n## {title}\n\n| setting | default | meaning |\n|---|---|---|\n")
        parts += [row(name, Settings.model_fields[name]) for name in names]
    return "".join(parts)


def sections() -> list[tuple[str, list[str]]]:
    """Headings and fields in the order of the source: `# -- heading` comments begin a section."""
    found: list[tuple[str, list[str]]] = []
    for line in SOURCE.read_text().splitlines():
        if heading := re.fullmatch(r"    # -- (.+)", line):
            found.append((heading[1].capitalize(), []))
        elif (name := re.match(r"    (\w+): ", line)) and name[1] in Settings.model_fields:
            found[-1][1].append(name[1])
    return [section for section in found if section[1]]


def row(name: str, field: FieldInfo) -> str:
    meaning = (field.description or "").replace("|", "\\|")
    return f"| `{PREFIX}{name.upper()}` | {shown_default(field)} | {meaning} |\n"


def shown_default(field: FieldInfo) -> str:
    extra: Any = field.json_schema_extra or {}
    if shown := extra.get("shown_default"):
        return str(shown)
    value = field.default
    if value is PydanticUndefined and field.default_factory is not None:
        return "empty"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "empty" if value in ("", None) else f"`{value}`"


def main() -> int:
    wanted = page()
    if "--check" in sys.argv:
        return 0 if PAGE.read_text() == wanted else 1
    PAGE.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
