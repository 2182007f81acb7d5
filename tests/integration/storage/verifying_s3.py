"""A tiny server that takes part uploads and verifies their signatures, as S3 does and moto does not.

The verification is written from the specification (AWS "Authenticating Requests: Using Query Parameters"),
not with the library that signs.
"""

import hashlib
import hmac
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, unquote, urlsplit

ACCESS, SECRET, REGION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "eu-north-1"


@dataclass
class VerifyingS3:
    """State of the server; `ahead` puts its clock forward."""

    endpoint: str = ""
    ahead: timedelta = timedelta()
    objects: dict[str, bytes] = field(default_factory=dict)


def refusal(method: str, target: str, headers: Mapping[str, str], now: datetime) -> str | None:
    """S3's error code, None if the request is signed rightly and still valid; names of `headers` in lower case."""
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
    signature = query.pop("X-Amz-Signature", "")
    try:
        signed_at = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        lifetime = int(query["X-Amz-Expires"])
        access, scope = query["X-Amz-Credential"].split("/", 1)
    except (KeyError, ValueError):
        return "AccessDenied"
    if access != ACCESS or scope != f"{signed_at:%Y%m%d}/{REGION}/s3/aws4_request":
        return "InvalidAccessKeyId"
    signed = query["X-Amz-SignedHeaders"].split(";")
    if "host" not in signed or query["X-Amz-Algorithm"] != "AWS4-HMAC-SHA256":
        return "AuthorizationQueryParametersError"
    path = quote(unquote(parts.path), safe="/-._~")
    canonical_query = "&".join(
        f"{quote(name, safe='-._~')}={quote(value, safe='-._~')}" for name, value in sorted(query.items())
    )
    lines = [f"{name}:{headers.get(name, '').strip()}" for name in signed]
    canonical = "\n".join([method, path, canonical_query, *lines, "", ";".join(signed), "UNSIGNED-PAYLOAD"])
    to_sign = "\n".join(
        ["AWS4-HMAC-SHA256", query["X-Amz-Date"], scope, hashlib.sha256(canonical.encode()).hexdigest()]
    )
    key = f"AWS4{SECRET}".encode()
    for step in scope.split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    expected = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
    if not hmac.compare_digest(expected, signature):
        return "SignatureDoesNotMatch"
    if not signed_at - timedelta(minutes=15) <= now <= signed_at + timedelta(seconds=lifetime):
        return "AccessDenied"
    return None


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@contextmanager
def verifying_s3() -> Iterator[VerifyingS3]:
    state = VerifyingS3()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            now = datetime.now(UTC) + state.ahead
            code = refusal("PUT", self.path, _lower(self.headers), now)
            answer = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
            self.send_response(403 if code else 200)
            if not code:
                state.objects[self.path.partition("?")[0]] = body
                self.send_header("ETag", f'"{hashlib.md5(body).hexdigest()}"')
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self) -> None:
            now = datetime.now(UTC) + state.ahead
            code = refusal("GET", self.path, _lower(self.headers), now)
            path = self.path.partition("?")[0]
            answer = f"<Error><Code>{code}</Code></Error>".encode() if code else state.objects.get(path, b"")
            self.send_response(403 if code else 200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
