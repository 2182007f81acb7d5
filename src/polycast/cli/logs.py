"""The log of a process: lines for people on a terminal, JSON for machines elsewhere."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}

_SECRETIVE = ("httpx", "httpcore", "hpack", "h2", "botocore", "urllib3")


class JsonLines(logging.Formatter):
    """One JSON object per record; what was given as `extra` becomes members."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        line |= {name: value for name, value in record.__dict__.items() if name not in _OWN}
        return json.dumps(line, default=str, ensure_ascii=False)


class TextLines(logging.Formatter):
    """Time, level, where, what."""

    default_msec_format = "%s.%03d"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")


def configure(level: str, form: Literal["auto", "text", "json"]) -> None:
    """Send this process's log to stderr. Libraries speak up from warnings on, unless the level is debug; those
    that make requests do so always, since their addresses and headers hold signatures and keys."""
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextLines() if text else JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
    logging.getLogger("polycast").setLevel(level.upper())
    for name in _SECRETIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
