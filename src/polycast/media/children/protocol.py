"""The child's side of the conversation described in `toolkit_runner.Tools._run_python_child`.

A child never prints a traceback for its caller: what it expects it names by the class of the error
tree. Anything else ends the process with the traceback on stderr, which the parent logs, and with code
`STUMBLED` when the source was being read; code 1 means that the child could not start or not reach its files.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from polycast.domain.errors import MediaError

STUMBLED = 70
"""EX_SOFTWARE of sysexits.h: an error nobody foresaw, on this input."""


def send(kind: str, value: Any) -> None:
    """Write one line at once; `kind` is progress, result or error."""
    # os.write, not print: a line goes out whole and nothing is left in a buffer when a limit kills us
    data = json.dumps({kind: value}, separators=(",", ":")).encode() + b"\n"
    while data:
        data = data[os.write(1, data) :]


def main(handle: Callable[[dict[str, Any]], Any]) -> None:
    """Read the request, answer with `handle`'s value or its MediaError, and leave without clean-up.

    `os._exit` skips the interpreter's teardown (some 10 ms with libav loaded): there is nothing to save.
    """
    request = json.loads(sys.stdin.buffer.read())
    try:
        result = handle(request)
    except MediaError as error:
        send("error", {"class": type(error).__name__, "message": error.message})
    except Exception as error:
        traceback.print_exc()
        sys.stderr.flush()
        # the system's own errors (gone, forbidden, disk full), but not PyAV's, which inherit them
        ours = isinstance(error, OSError) and not type(error).__module__.startswith("av")
        os._exit(1 if ours else STUMBLED)
    else:
        send("result", result)
    sys.stderr.flush()
    os._exit(0)
