"""Everything a client can get wrong is answered in the one form of errors."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI

from polycast.dialects.bodies import MAX_BODY, MAX_OPEN_BODY, MAX_VALUES
from polycast.dialects.videokit.app import create_videokit
from tests.contract.videokit.conftest import Shared
from tests.contract.videokit.kit import Kit, error_of
from tests.support.raw import connected

WILD = [
    b"null",
    b"[]",
    b'"x"',
    b"17",
    b"true",
    b"{",
    b"",
    b"\xff\xfe",
    b'{"name": NaN}',
    b'{"name": 1e999}',
    b'{"a": ' + b"9" * 5000 + b"}",
    b'{"name": "\\u0000", "fileId": "\\u0000", "url": "\\u0000", "title": "\\u0000"}',
    b'{"name": "\\ud800", "title": "\\udfff"}',
    b'{"metadata": ' + b'{"a":' * 100 + b"1" + b"}" * 101,
    b"[" * 100_000 + b"]" * 100_000,
    json.dumps([None] * 10_000).encode(),
    json.dumps({"name": {"a": 1}, "parts": {"a": 1}, "tags": 5, "images": [], "chapters": {}}).encode(),
    json.dumps(dict.fromkeys(("name", "fileId", "parts", "preset", "transcodedSources", "url"))).encode(),
    json.dumps(dict.fromkeys(("name", "friendlyName", "title", "preset", "fileId"), "x" * 100000)).encode(),
    json.dumps(dict.fromkeys(("fileSize", "limit", "name", "title"), -(2**70))).encode(),
]


@pytest.fixture(scope="module")
def routes() -> list[tuple[str, str]]:
    """(method, path with made-up ids) of every operation, from the document; nothing is called here."""
    app = create_videokit(None).app._app  # type: ignore[arg-type, attr-defined]
    assert isinstance(app, FastAPI)
    found = []
    for path, methods in app.openapi()["paths"].items():
        filled = path.replace("{partNumber}", "1")
        while "{" in filled:
            begin, end = filled.index("{"), filled.index("}")
            filled = filled[:begin] + str(UUID(int=begin + 1)) + filled[end + 1 :]
        found += [(method.upper(), filled) for method in methods]
    assert len(found) >= 54
    return found


async def test_every_route_answers_wild_bodies_and_unknown_ids_in_the_error_form(
    kit: Kit, routes: list[tuple[str, str]]
) -> None:
    headers = {"Content-Type": "application/json"}
    for method, path in routes:
        bodies = [b""] if method == "GET" else WILD
        for body in bodies:
            answer = await kit.api.request(method, path, content=body, headers=headers)
            where = f"{method} {path} {body[:60]!r}: {answer.status_code} {answer.text[:300]}"
            assert answer.status_code < 500, where
            assert answer.status_code != 422, where
            if answer.status_code >= 400:
                error_of(answer)


async def test_every_route_wants_a_key(kit: Kit, routes: list[tuple[str, str]]) -> None:
    open_to_all = ("/oauth/token", "/v1/sourceconfig", "/player/v1/acquirecontent", "/v1/embed/bitmovin")
    for method, path in routes:
        answer = await kit.web.request(method, f"{kit.server.url}/videokit{path}")
        if not path.startswith(open_to_all):
            assert answer.status_code == 401, f"{method} {path}"
        error_of(answer)


async def test_methods_that_are_not_there(kit: Kit, routes: list[tuple[str, str]]) -> None:
    known = set(routes)
    for path in {path for _, path in routes}:
        for method in ("PUT", "DELETE", "PATCH", "POST", "TRACE"):
            if (method, path) in known:
                continue
            answer = await kit.api.request(method, path)
            # a word such as deletemany may also be read as an id
            assert answer.status_code in (400, 404, 405), f"{method} {path}"
            error_of(answer)
            if answer.status_code == 405:
                own = {known_method for known_method, each in known if each == path}
                assert own <= set(answer.headers["allow"].split(", ")), path


async def test_paths_that_are_not_there(kit: Kit) -> None:
    for path in (
        "/",
        "/vod",
        "/vod/v1",
        "/vod/v2/files",
        "/vod/v1/film",
        "/vod/v1/files/a/b/c",
        "/streaming/v1/assets/%00/tags",
        "/vod/v1/files/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/vod/v1/assets/%F0%28%8C%28",
        "/" + "x" * 4000,
    ):
        await kit.refused(404, "GET", path)


async def test_paths_with_slashes_and_without_versions(kit: Kit) -> None:
    for path in ("/vod/v1/files/", "/vod/files", "/vod/files/", "/vod/assets", "/transcoder/v1/presets/"):
        assert "items" in await kit.call("GET", path)
    start = {"NAME": "a.mp4", "FriendlyName": "a", "FILESIZE": 5}
    assert (await kit.call("POST", "/vod/files/start/", start))["partsCount"] == 1


async def test_bodies_have_a_bound(kit: Kit) -> None:
    big = b'{"name": "' + b"x" * MAX_BODY + b'"}'
    answer = await kit.api.post("/vod/v1/files/start", content=big)
    assert answer.status_code == 413
    error_of(answer)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 100_000

    answer = await kit.api.post("/vod/v1/files/start", content=endless())
    assert answer.status_code == 413
    error_of(answer)
    many = json.dumps([[]] * MAX_VALUES)
    assert (await kit.api.post("/vod/v1/files/deletemany", content=many)).status_code == 413
    # a form that anybody may send is smaller still
    form = {"grant_type": "client_credentials", "client_id": "x", "client_secret": "x" * MAX_OPEN_BODY}
    assert (await kit.web.post(f"{kit.server.url}/videokit/oauth/token", data=form)).status_code == 413
    parts = [{"partNumber": n, "eTag": f'"{n:032x}"'} for n in range(1, 10_001)]
    longest = json.dumps({"fileId": str(uuid4()), "parts": parts}, indent=4)
    assert (await kit.api.post("/vod/v1/files/complete", content=longest)).status_code == 404


async def test_callers_are_known_before_their_bodies_are_read(kit: Kit) -> None:
    """The body never comes: an answer to it shows that nobody waited for one."""

    async def refused(path: str, headers: dict[str, str]) -> None:
        async with connected(kit.server.url) as connection:
            connection.head("POST", f"/videokit{path}", headers)
            assert (await connection.answer()).startswith(b"HTTP/1.1 401"), path

    # at once: each answer waits a second for bytes that may be on their way
    async with asyncio.TaskGroup() as group:
        for path in ("/vod/v1/files/start", "/vod/v1/files/deletemany", "/streaming/v1/domains"):
            for length in ({"content-length": "1000"}, {"transfer-encoding": "chunked"}):
                for credentials in ({}, {"x-api-key": "nobody's"}, {"authorization": "Bearer x.y.z"}):
                    group.create_task(refused(path, length | credentials))


async def test_a_body_is_json_whatever_its_type(kit: Kit) -> None:
    content = json.dumps({"name": "a.mp4", "friendlyName": "a", "fileSize": 5}).encode()
    assert (await kit.api.post("/vod/v1/files/start", content=content)).status_code == 200
    # what `curl -d` sends where nobody says otherwise
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"):
        headers = {"Content-Type": kind}
        answer = await kit.api.post("/vod/v1/files/start", content=content, headers=headers)
        assert answer.status_code == 200, kind
        wrong = await kit.api.post("/vod/v1/files/start", content=b"name=a.mp4", headers=headers)
        assert wrong.status_code == 400
        assert "JSON" in error_of(wrong)


async def test_pages_of_other_origins_may_call(kit: Kit) -> None:
    asked = {
        "Origin": "https://app.example.org",
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "x-api-key,x-tenant-id,content-type,authorization",
    }
    answer = await kit.web.options(f"{kit.server.url}/videokit/vod/v1/files/{uuid4()}", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] in ("*", "https://app.example.org")
    assert "x-api-key" in answer.headers["access-control-allow-headers"].lower()


@pytest.mark.parametrize(
    ("status", "method", "path", "size"),
    [
        (413, "POST", "/vod/v1/files/start", MAX_BODY + 1),
        (400, "GET", "/vod/v1/files?query=a%00b", 0),
        (404, "GET", "/vod/v1/files/a%00b", 0),
        (404, "GET", "/nowhere", 0),
        (400, "POST", "/vod/v1/files/start", 1),
    ],
)
async def test_pages_of_other_origins_may_read_a_refusal(
    kit: Kit, status: int, method: str, path: str, size: int
) -> None:
    headers = {"Origin": "https://app.example.org", "Content-Type": "application/json"}
    answer = await kit.api.request(method, path, headers=headers, content=b" " * size)
    assert answer.status_code == status
    assert error_of(answer)
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]


async def test_what_is_not_built_says_so(kit: Kit) -> None:
    """No operation of the contract is answered as if there were none at its address."""
    document = json.loads((Path(__file__).parents[3] / "contracts" / "videokit.json").read_text())
    built = {(method, path) for method, path in await _documented(kit)}
    missing = [o for o in document["operations"] if (o["method"], o["path"]) not in built]
    assert len(missing) + len(built) >= len(document["operations"])
    keyless = ("/heartbeat/", "/acquire-license/", "/certificate/", "/kms/")
    for operation in missing:
        path = re.sub(r"\{\w+\}", "x", operation["path"])
        message = await kit.refused(501, operation["method"], path)
        assert "not part of this version" in message
        without = await kit.web.request(operation["method"], f"{kit.server.url}/videokit{path}")
        assert without.status_code == (501 if path.startswith(keyless) else 401), path
    await kit.refused(404, "GET", "/live/v1/film")


async def _documented(kit: Kit) -> list[tuple[str, str]]:
    answer = await kit.api.get("/openapi.json")
    assert answer.status_code == 200
    return [(m.upper(), path) for path, methods in answer.json()["paths"].items() for m in methods]


async def test_parameters_without_a_value_are_not_given(kit: Kit) -> None:
    page = await kit.call("GET", "/vod/v1/files?limit=&page=&desc=&sort=&statuses=&createDateStart=&query=")
    assert (page["pageSize"], page["pageNumber"]) == (100, 1)


async def test_numbers_of_pages_have_a_bound(kit: Kit) -> None:
    assert (await kit.call("GET", "/vod/v1/files?page=9999"))["items"] == []
    assert "page" in await kit.refused(400, "GET", "/vod/v1/files?page=2147483647")


async def test_refusals_name_fields_as_this_api_does(kit: Kit, viewer: Kit, shared: Shared) -> None:
    start = {"name": "a.mp4", "friendlyName": "a", "fileSize": 2**60}
    assert "fileSize: " in await kit.refused(400, "POST", "/vod/v1/files/start", start)
    late = {"preset": "mp4", "expirationDate": "2020-01-01T00:00:00Z"}
    assert "expirationDate: " in await kit.refused(
        400, "POST", f"/vod/v1/assets/{shared.asset}/outputs", late
    )
    path = f"/streaming/v1/assets/{shared.asset}/chapters"
    for times in ({"startSecond": 1e300}, {"startSecond": 1, "endSecond": 1e300}):
        said = await viewer.refused(400, "POST", path, {"chapters": [{"title": "x", **times}]})
        assert f"chapters.{list(times)[-1]}: " in said
        assert "10000000 seconds" in said, "the bound it is over"
    assert "playerDomainId: " in await kit.refused(400, "DELETE", "/streaming/v1/domains")
