"""A web server for the player's tests: pages rendered from configurations that a test sets, files, beacons."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from polycast.delivery.pages import (
    Page,
    PageMeta,
    PagePolicy,
    PlayerConfig,
    config_document,
    dist_dir,
    render_embed,
    render_play,
)

TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".vtt": "text/vtt",
    ".jpg": "image/jpeg",
    ".m4s": "video/mp4",
    ".mp4": "video/mp4",
}


class Site:
    """Serves on a port of its own until closed. A test assigns `configs` and reads what was asked for."""

    def __init__(self, media: Path) -> None:
        self.media = media
        self.configs: dict[str, PlayerConfig] = {}
        self.policy = PagePolicy()
        self.requests: list[str] = []
        self.beacons: list[dict[str, Any]] = []
        #: path → status instead of the file
        self.refused: dict[str, int] = {}
        #: path → text instead of the file
        self.replaced: dict[str, Callable[[], str]] = {}
        #: path → answered only when the event is set
        self.held: dict[str, threading.Event] = {}
        self.not_modified = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Origin of the site."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def reset(self) -> None:
        """Forget what the test before has set and asked for."""
        self.configs.clear()
        self.requests.clear()
        self.beacons.clear()
        self.refused.clear()
        self.replaced.clear()
        for event in self.held.values():
            event.set()
        self.held.clear()
        self.policy = PagePolicy()
        self.not_modified = 0

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def segments(self) -> list[str]:
        """Media bytes that were asked for."""
        return [path for path in self.requests if path.endswith(".m4s")]

    def page(self, kind: str, name: str) -> Page:
        """Render the page of a configuration."""
        config = self.configs[name]
        meta = PageMeta(
            page_url=f"{self.url}/play/{name}",
            embed_url=f"{self.url}/embed/{name}",
            oembed_url=f"{self.url}/oembed?url=x",
        )
        render = render_play if kind == "play" else render_embed
        return render(
            replace(config, config_url=f"/config/{name}"), assets_url="/assets", policy=self.policy, meta=meta
        )


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            return

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            site.requests.append(path)
            kind, _, name = path.strip("/").partition("/")
            if path in site.held:
                site.held[path].wait(60)
            if path in site.refused:
                self.answer(site.refused[path], b"", {})
            elif path in site.replaced:
                self.answer(200, site.replaced[path]().encode(), {"content-type": TYPES[Path(path).suffix]})
            elif kind in ("play", "embed") and name in site.configs:
                page = site.page(kind, name)
                self.answer(page.status, page.body, page.headers)
            elif kind == "config" and name in site.configs:
                self.config(name)
            elif kind == "frame":
                body = f'<!doctype html><iframe id="f" src="/embed/{name}" allow="autoplay; fullscreen"></iframe>'
                self.answer(200, body.encode(), {"content-type": "text/html"})
            elif kind == "assets":
                self.file(dist_dir(), name)
            elif kind == "media":
                self.file(site.media, name)
            else:
                self.answer(404, b"", {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            site.beacons.append(json.loads(body))
            self.answer(204, b"", {})

        def config(self, name: str) -> None:
            body, etag = config_document(replace(site.configs[name], config_url=f"/config/{name}"))
            if self.headers.get("if-none-match") == etag:
                site.not_modified += 1
                self.answer(304, b"", {"etag": etag})
            else:
                self.answer(200, body, {"etag": etag, "content-type": "application/json"})

        def file(self, root: Path, name: str) -> None:
            path = (root / name).resolve()
            if root.resolve() not in path.parents or not path.is_file():
                self.answer(404, b"", {})
            else:
                self.answer(200, path.read_bytes(), {"content-type": TYPES.get(path.suffix, "text/plain")})

        def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for header, value in headers.items():
                self.send_header(header, value)
            if status not in (204, 304):
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            if status not in (204, 304):
                self.wfile.write(body)

    return Handler
