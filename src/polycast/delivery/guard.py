"""What happens when an answer cannot be given: a short text with the right status, and never a hang."""

import logging
from collections.abc import Awaitable

from starlette.types import Scope, Send

from polycast.delivery.answers import ANY_ORIGIN, Headers, plain
from polycast.domain.errors import Forbidden, NotFound, NotStreamed, PolycastError, Unavailable

log = logging.getLogger(__name__)


class CutShort(Exception):
    """The answer has begun and cannot be finished; the connection must be closed."""


def for_log(path: str) -> str:
    """A path without the tokens in it: whoever reads a log must not be able to watch or fetch by it."""
    if path.startswith("/s/"):
        return f"/s/…/{path[3:].partition('/')[2]}"
    if path.startswith("/files/"):
        return f"/files/{path[7:].partition('/')[0]}/…"
    return path


async def guarded(scope: Scope, send: Send, work: Awaitable[None]) -> None:
    """Run `work`, which answers a request; answer in its place when it fails before it began to.

    Raises:
        CutShort: the server must close the connection, the one sign for a viewer that bytes are missing.
    """
    headers: Headers = [*ANY_ORIGIN, (b"cache-control", b"no-store")]
    try:
        await work
    except CutShort as error:
        log.warning("%s: %s", for_log(scope["path"]), error.__cause__ or error)
        raise
    except Forbidden as error:
        status, words = 403, error.message
    except NotStreamed as error:
        status, words = 404, error.message
    except NotFound:
        status, words = 404, "not found"
    except Unavailable as error:
        status, words = 503, error.message
        headers.append((b"retry-after", b"2"))
    except PolycastError as error:
        status, words = 400, error.message
    except Exception:
        log.exception("unhandled error for %s", for_log(scope["path"]))
        status, words = 500, "something went wrong"
    else:
        return
    await plain(send, status, words, headers, head=scope["method"] == "HEAD")
