"""The few requests of S3's multipart protocol, signed by botocore's signer and sent by httpx.

obstore speaks the protocol only inside one `put`; uploads whose parts come from elsewhere, over days, need
it open. Every request is a presigned URL (Signature Version 4 in the query), so that what clients get and
what we send ourselves is signed by the same line of code.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree

import httpx
from botocore.auth import S3SigV4QueryAuth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]

from polycast.domain.errors import Unavailable

_OWN_EXPIRY_S = 900
"""for requests we send at once; the rest is for clocks that differ"""
_PAUSES_S = (0.2, 1.0, 0.0)
"""before the second and third try"""
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
MAX_EXPIRY_S = 7 * 24 * 3600
"""the longest that Signature Version 4 allows"""

Body = bytes | Callable[[], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class S3Account:
    """Where a bucket is and who we are there.

    Attributes:
        endpoint: 'https://host[:port]' of an S3-compatible server, addressed by path; None is AWS.
        prefix: folder inside the bucket, without slashes at its ends; '' is the whole bucket.
    """

    bucket: str
    region: str
    access_key: str
    secret_key: str
    session_token: str | None = None
    endpoint: str | None = None
    prefix: str = ""


class S3Error(Exception):
    """The server refused; `code` is S3's own, such as NoSuchUpload."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


class S3Requests:
    """Signs and sends requests about one bucket."""

    def __init__(self, account: S3Account) -> None:
        self._account = account
        self._credentials = Credentials(account.access_key, account.secret_key, account.session_token)
        # no proxies or netrc from the environment: settings say where the store is
        self._client = httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False)

    def presign(
        self,
        method: str,
        key: str | None,
        query: dict[str, str],
        expires_s: int,
        headers: dict[str, str] | None = None,
    ) -> str:
        """A URL that is valid for `expires_s` seconds; `headers` must be sent as they were signed.

        Args:
            key: as callers know it; None addresses the bucket.
        """
        account = self._account
        if account.endpoint:
            base, path = account.endpoint.rstrip("/"), f"/{account.bucket}"
        elif "." in account.bucket:
            # the wildcard certificate does not cover dots
            base, path = f"https://s3.{account.region}.amazonaws.com", f"/{account.bucket}"
        else:
            base, path = f"https://{account.bucket}.s3.{account.region}.amazonaws.com", ""
        if key is not None:
            path += "/" + quote(f"{account.prefix}/{key}".lstrip("/"), safe="/-._~")
        elif not path:
            path = "/"
        url = f"{base}{path}"
        if query:
            url += "?" + urlencode(query, quote_via=quote, safe="-._~")
        request = AWSRequest(method=method, url=url, headers=dict(headers or {}))
        signer = S3SigV4QueryAuth(
            self._credentials, "s3", account.region, expires=max(1, min(expires_s, MAX_EXPIRY_S))
        )
        signer.add_auth(request)
        signed: str = request.url
        return signed

    async def send(
        self,
        method: str,
        key: str | None,
        query: dict[str, str],
        *,
        headers: dict[str, str] | None = None,
        unsigned_headers: dict[str, str] | None = None,
        body: Body = b"",
    ) -> httpx.Response:
        """Send a request, up to three times if the server or the way to it fails.

        Args:
            body: bytes, or a function that begins the body anew for each try (give Content-Length in
                `unsigned_headers`).

        Raises:
            S3Error: the server's refusal, also one hidden in a 200 (CompleteMultipartUpload does that).
            Unavailable: no answer, or server errors to the last.
        """
        for pause in _PAUSES_S:
            url = self.presign(method, key, query, _OWN_EXPIRY_S, headers)
            try:
                response = await self._client.request(
                    method,
                    url,
                    headers={**(headers or {}), **(unsigned_headers or {})},
                    content=body if isinstance(body, bytes) else body(),
                )
            except httpx.TransportError:
                await asyncio.sleep(pause)
                continue
            error = _error_of(response)
            if error is None:
                return response
            if error.status < 500 and error.code not in {"SlowDown", "InternalError", "RequestTimeout"}:
                raise error
            await asyncio.sleep(pause)
        host = urlsplit(self._account.endpoint or "").hostname or "S3"
        raise Unavailable(f"the media store at {host} does not answer")

    async def aclose(self) -> None:
        await self._client.aclose()


def _error_of(response: httpx.Response) -> S3Error | None:
    if response.status_code == 200 and b"<Error>" not in response.content[:1000]:
        return None
    if response.is_success and response.status_code != 200:
        return None
    code = str(response.status_code)
    with contextlib.suppress(ElementTree.ParseError):
        code = text_of(parse_xml(response), "Code") or code
    return S3Error(response.status_code, code)


def parse_xml(response: httpx.Response) -> ElementTree.Element:
    """The answer as XML, names without S3's namespace.

    From the configured store only; expat itself bounds entity expansion.
    """
    root = ElementTree.fromstring(response.content)  # noqa: S314
    for element in root.iter():
        element.tag = element.tag.rsplit("}", 1)[-1]
    return root


def text_of(element: ElementTree.Element, name: str) -> str:
    """Text of a child, '' if there is none."""
    return element.findtext(name) or ""
