"""In front of the application: paths and queries as the vendor's samples write them."""

from collections.abc import Iterable
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.types import ASGIApp, Receive, Scope, Send

from polycast.dialects.videokit.envelope import envelope

_FORM = "/oauth/token"


class Lenient:
    """Reads what the vendor's samples send, and refuses what no parameter can mean.

    A trailing slash is dropped unless it was written as %2F, `/vod/files` means `/vod/v1/files`, query names are found in any case, and a
    parameter without a value counts as not given. Bodies are JSON whatever type they claim, but for the one form.
    NUL characters are refused here once: no text column can hold them.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str]) -> None:
        self._app = app
        self._names: dict[str, list[str]] = {}
        for name in names:
            self._names.setdefault(name.lower(), []).append(name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        query = QueryParams(scope["query_string"]).multi_items()
        if "\0" in scope["path"]:
            await envelope(404, "common_1", "not found")(scope, receive, send)
        elif any("\0" in word for pair in query for word in pair):
            await envelope(400, "common_2", "a parameter contains a NUL character")(scope, receive, send)
        else:
            pairs = [(name, value) for key, value in query if value for name in self._known(key)]
            changed = {
                **scope,
                "path": _path(scope),
                "query_string": urlencode(pairs).encode(),
                "headers": _headers(scope),
            }
            await self._app(changed, receive, send)

    def _known(self, key: str) -> list[str]:
        bare = key.removesuffix("[]")
        return self._names.get(bare.lower(), [bare])


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    below = path.removeprefix(root)
    if len(below) > 1 and not _meant(scope):
        below = below.rstrip("/")
    if below.startswith("/vod/") and not below.startswith("/vod/v1/"):
        below = "/vod/v1" + below[4:]
    return root + below


def _meant(scope: Scope) -> bool:
    """Whether the path ends with a slash that is part of a name, a tag's for example."""
    raw: bytes = scope.get("raw_path") or b""
    return raw.partition(b"?")[0].lower().endswith(b"%2f")


def _headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    headers: list[tuple[bytes, bytes]] = list(scope["headers"])
    if scope["path"].rstrip("/").endswith(_FORM):
        return headers
    # all other bodies are JSON, whatever a client calls them: `curl -d` says that it sends a form
    return [(name, value) for name, value in headers if name != b"content-type"]
