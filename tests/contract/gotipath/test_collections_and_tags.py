"""Manage Collection and Manage Tags."""

import re
from typing import Any

import pytest

from tests.contract.gotipath.client import Gotipath
from tests.contract.gotipath.test_videos import DATE_A
from tests.support.media import Media


async def collection(gotipath: Gotipath, name: str, parent: str = "") -> str:
    body = {"name": name, "parent_id": parent}
    return str((await gotipath.ok("POST", "collections", json=body))["id"])


def outline(nodes: list[dict[str, Any]]) -> list[Any]:
    """Names alone: ["a", ["b", []]]."""
    return [[node["name"], outline(node["children"])] for node in nodes]


async def tree(gotipath: Gotipath) -> list[Any]:
    return outline((await gotipath.ok("GET", "collections"))["data"])


@pytest.mark.operation("gotipath.create_collection")
@pytest.mark.operation("gotipath.list_collections")
@pytest.mark.operation("gotipath.show_collection")
async def test_collections_form_a_tree_and_hold_videos(gotipath: Gotipath) -> None:
    courses = await collection(gotipath, "Courses")
    season = await collection(gotipath, "Season one", courses)
    await collection(gotipath, "Deep", season)
    await collection(gotipath, "Archive")
    assert await tree(gotipath) == [["Courses", [["Season one", [["Deep", []]]]]], ["Archive", []]]
    shown = await gotipath.ok("GET", f"collections/{season}")
    (node,) = shown["data"]
    assert (node["parent_id"], node["library_id"]) == (courses, gotipath.library)
    assert outline(node["children"]) == [["Deep", []]]
    assert re.fullmatch(DATE_A, node["created_at"])
    inside = await gotipath.create("inside", collection_id=season)
    await gotipath.create("outside")
    found = await gotipath.ok("GET", f"videos?collection_id={season}")
    assert [(v["id"], v["collection_id"]) for v in found] == [(inside, season)]
    assert len(await gotipath.ok("GET", "videos?collection_id=")) == 2


@pytest.mark.operation("gotipath.update_collection")
async def test_collections_move_with_all_below_them(gotipath: Gotipath) -> None:
    a, b = await collection(gotipath, "a"), await collection(gotipath, "b")
    c = await collection(gotipath, "c", a)
    moved = await gotipath.ok("PUT", f"collections/{a}", json={"parent_id": b})
    assert (moved["parent_id"], outline(moved["children"])) == (b, [["c", []]])
    assert await tree(gotipath) == [["b", [["a", [["c", []]]]]]]
    await gotipath.refused(400, "PUT", f"collections/{b}", json={"parent_id": c})
    await gotipath.refused(400, "PUT", f"collections/{a}", json={"parent_id": a})
    await gotipath.ok("PUT", f"collections/{a}", json={"name": "A", "parent_id": ""})
    assert await tree(gotipath) == [["A", [["c", []]]], ["b", []]]


@pytest.mark.operation("gotipath.delete_collection")
async def test_a_deleted_collection_leaves_its_videos(gotipath: Gotipath, media: Media) -> None:
    top = await collection(gotipath, "top")
    below = await collection(gotipath, "below", top)
    video = await gotipath.create("kept", collection_id=below)
    assert (await gotipath.upload(video, media.clip("h264"))).status_code == 200
    answer = await gotipath.call("DELETE", f"collections/{top}")
    assert answer.json() == {"message": "Collection has been deleted.", "result": "", "success": True}
    assert await tree(gotipath) == []
    detail = await gotipath.until_playable(video)
    assert detail["collection_id"] == ""
    assert b"moof" in await gotipath.first_segment(detail["manifest_url"])


async def test_collections_of_others_and_wild_ones_are_refused(
    gotipath: Gotipath, stranger: Gotipath
) -> None:
    own, theirs = await collection(gotipath, "own"), await collection(stranger, "theirs")
    for ident in (theirs, "x", "00000000-0000-4000-8000-000000000000"):
        await gotipath.refused(404, "GET", f"collections/{ident}")
        await gotipath.refused(404, "PUT", f"collections/{ident}", json={"name": "x"})
        await gotipath.refused(404, "DELETE", f"collections/{ident}")
        await gotipath.refused(404, "POST", "collections", json={"name": "x", "parent_id": ident})
        await gotipath.refused(404, "PUT", f"collections/{own}", json={"parent_id": ident})
    bodies: list[Any] = [{}, {"name": ""}, {"name": "a\0b"}, {"name": 1}, {"name": "x", "parent_id": 1}]
    for body in bodies:
        await gotipath.refused(400, "POST", "collections", json=body)
    assert await tree(stranger) == [["theirs", []]]


async def test_trees_have_a_bottom(gotipath: Gotipath) -> None:
    """They are answered nested: without a bound a few requests would make a list that nobody can read."""
    parent = ""
    for level in range(64):
        parent = await collection(gotipath, str(level), parent)
    await gotipath.refused(400, "POST", "collections", json={"name": "65", "parent_id": parent})
    other = await collection(gotipath, "other")
    await gotipath.refused(400, "PUT", f"collections/{other}", json={"parent_id": parent})
    assert (await gotipath.call("GET", "collections")).status_code == 200


@pytest.mark.operation("gotipath.create_tag")
@pytest.mark.operation("gotipath.list_tags")
async def test_tags_are_the_librarys_own_in_every_api(gotipath: Gotipath, stranger: Gotipath) -> None:
    answer = await gotipath.call("POST", "tags", json={"name": " tutorial "})
    assert (answer.status_code, answer.json()["message"]) == (201, "Tag has been created.")
    tag = answer.json()["result"]
    assert set(tag) == {"id", "library_id", "name", "created_at", "updated_at"}
    again = await gotipath.ok("POST", "tags", status=201, json={"name": "tutorial"})
    assert again["id"] == tag["id"]
    video = await gotipath.create()
    await gotipath.ok("PUT", f"videos/{video}", json={"tags": ["tutorial"]})
    streaming = f"{gotipath.server.url}/videokit/streaming/v1/assets/{video}"
    key = {"x-api-key": gotipath.key}
    seen = await gotipath.http.get(streaming, headers=key)
    assert seen.json()["tags"] == [{"id": tag["id"], "name": "tutorial"}]
    added = await gotipath.http.post(f"{streaming}/tags", headers=key, json={"tags": [{"name": "harbour"}]})
    assert added.status_code == 200, added.text
    assert [t["name"] for t in await gotipath.ok("GET", "tags")] == ["harbour", "tutorial"]
    assert await stranger.ok("GET", "tags") == []
    both = await gotipath.ok("POST", "tags", status=201, json={"tags": ["b", "a", "b"]})
    assert [t["name"] for t in both] == ["b", "a"]


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": None}, {"tags": []}, {"tags": [""]}, {"tags": "x"}, {"name": "\0"},
             {"name": "x" * 257}, {"tags": [str(n) for n in range(101)]}]
)  # fmt: skip
async def test_wild_tags_are_refused(gotipath: Gotipath, body: dict[str, Any]) -> None:
    await gotipath.refused(400, "POST", "tags", json=body)
    assert await gotipath.ok("GET", "tags") == []
