"""Players: a theme is what player pages look like."""

import json
import re
from typing import Any

import pytest

from tests.contract.gotipath.client import Gotipath

NONE = "00000000-0000-4000-8000-000000000000"


async def config_of(gotipath: Gotipath, page: str) -> dict[str, Any]:
    """What the player of a page is told."""
    text = await gotipath.text(page)
    found = re.search(r'id="polycast-config">(.*?)</script>', text, re.DOTALL)
    assert found
    config: dict[str, Any] = json.loads(found[1])
    return config


async def theme_of(gotipath: Gotipath, page: str) -> dict[str, Any]:
    """The theme a player page was made with."""
    theme: dict[str, Any] = (await config_of(gotipath, page))["theme"]
    return theme


async def page_of(gotipath: Gotipath) -> str:
    video = await gotipath.create()
    return str((await gotipath.ok("GET", f"videos/{video}"))["direct_play_url"])


@pytest.mark.operation("gotipath.create_player")
@pytest.mark.operation("gotipath.mark_player_default")
@pytest.mark.operation("gotipath.list_players")
@pytest.mark.operation("gotipath.get_player")
async def test_a_theme_is_what_pages_look_like(gotipath: Gotipath) -> None:
    page = await page_of(gotipath)
    (usual,) = await gotipath.ok("GET", "players")
    assert usual["is_default"] is True
    body = {
        "id": None,
        "library_id": gotipath.library,
        "name": "Dark",
        "primary_color": "#112233",
        "language": "de",
        "font_family": "'Open Sans', serif",
        "font_size": 18,
        "custom_html": {"head": "<!-- own head -->", "footer": "<p>own footer</p>"},
        "caption": {"font_size": 20, "font_color": "#ffffff", "background_color": "#00000080"},
        "controls": {"big_play_button": False, "current_duration": False, "watchtime_heatmap": None,
                     "progress_slider": False, "double_tap_forward_rewind": False},
        "settings": {"captions": True, "quality": True, "speed": False, "loop": False},
    }  # fmt: skip
    made = await gotipath.ok("POST", "players", json=body)
    assert made["is_default"] is False
    assert made["customer_id"] == gotipath.client
    named = await theme_of(gotipath, page.replace("/default/", f"/{made['id']}/"))
    assert (named["primary_color"], named["font_size"], named["language"]) == ("#112233", 18, "de")
    assert named["caption"]["background_color"] == "#00000080"
    off = {"big_play", "current_time", "progress", "double_tap"}
    usual_theme = await theme_of(gotipath, page)
    changed = {k for k, v in named["controls"].items() if v != usual_theme["controls"][k]}
    assert changed == off
    assert named["settings"] == {"captions": True, "quality": True, "speed": False, "loop": False}
    assert usual_theme["primary_color"] is None
    marked = await gotipath.ok("POST", f"players/{made['id']}/mark-as-default")
    assert marked["is_default"] is True
    assert (await theme_of(gotipath, page))["primary_color"] == "#112233"
    text = await gotipath.text(page)
    assert "<!-- own head -->" in text
    assert "<p>own footer</p>" in text
    players = await gotipath.ok("GET", "players")
    assert [(p["name"], p["is_default"]) for p in players] == [("Default", False), ("Dark", True)]
    shown = await gotipath.ok("GET", f"players/{made['id']}")
    assert shown == players[1]
    assert shown["controls"]["watchtime_heatmap"] is None
    sent = {"controls": body["controls"]} if isinstance(body["controls"], dict) else {}
    assert {k: shown["controls"][k] for k in sent["controls"]} == sent["controls"]


@pytest.mark.operation("gotipath.update_player")
async def test_updates_change_only_what_is_given(gotipath: Gotipath) -> None:
    page = await page_of(gotipath)
    (usual,) = await gotipath.ok("GET", "players")
    one = {"primary_color": "#abcdef", "controls": {"mute_button": False}, "caption": {"font_size": 30}}
    await gotipath.ok("PUT", f"players/{usual['id']}", json=one)
    two = {"controls": {"airplay_button": False}, "name": "House"}
    found = await gotipath.ok("PUT", f"players/{usual['id']}", json=two)
    assert (found["name"], found["primary_color"]) == ("House", "#abcdef")
    theme = await theme_of(gotipath, page)
    assert (theme["controls"]["mute"], theme["controls"]["airplay"]) == (False, False)
    assert (theme["primary_color"], theme["caption"]["font_size"]) == ("#abcdef", 30)
    await gotipath.ok(
        "PUT", f"players/{usual['id']}", json={"primary_color": "", "caption": {"font_size": 0}}
    )
    theme = await theme_of(gotipath, page)
    assert (theme["primary_color"], theme["caption"]["font_size"]) == (None, None)


async def test_pages_are_found_by_library_player_and_video(gotipath: Gotipath, stranger: Gotipath) -> None:
    """The vendor's form of an address, as it is answered and as integrators build it from ids that they stored."""
    video, theirs = await gotipath.create(), await stranger.create()
    made = await gotipath.ok("POST", "players", json={"name": "Dark", "primary_color": "#112233"})
    root = f"{gotipath.server.url}/stream/{gotipath.library}"
    assert (await gotipath.ok("GET", f"videos/{video}"))["direct_play_url"] == f"{root}/default/{video}"
    assert (await gotipath.ok("GET", ""))["direct_play_url"] == root
    usual = await config_of(gotipath, f"{root}/default/{video}?autoplay=true")
    assert (usual["theme"]["primary_color"], usual["start"]["autoplay"]) == (None, True)
    named = await config_of(gotipath, f"{root}/{made['id']}/{video}?player=default")
    assert named["theme"]["primary_color"] == "#112233"
    # what the page asks for later is answered with the same theme
    polled = await gotipath.http.get(named["config_url"])
    assert polled.json()["theme"]["primary_color"] == "#112233"
    await gotipath.ok("POST", f"players/{made['id']}/mark-as-default")
    assert (await theme_of(gotipath, f"{root}/default/{video}"))["primary_color"] == "#112233"
    (foreign,) = await stranger.ok("GET", "players")
    for path in (
        f"{gotipath.library}/default/{theirs}",
        f"{stranger.library}/default/{video}",
        f"{gotipath.library}/{foreign['id']}/{video}",
        f"{gotipath.library}/{NONE}/{video}",
        f"{gotipath.library}/no-player/{video}",
        f"no-library/default/{video}",
        f"{gotipath.library}/default/{NONE}",
    ):
        assert (await gotipath.http.get(f"{gotipath.server.url}/stream/{path}")).status_code == 404, path


@pytest.mark.operation("gotipath.delete_player")
async def test_a_deleted_theme_is_no_page_any_more(gotipath: Gotipath) -> None:
    page = await page_of(gotipath)
    made = await gotipath.ok("POST", "players", json={"name": "Short-lived"})
    own = page.replace("/default/", f"/{made['id']}/")
    assert (await gotipath.http.get(own)).status_code == 200
    answer = await gotipath.call("DELETE", f"players/{made['id']}")
    assert answer.json() == {"message": "Player has been deleted.", "result": "", "success": True}
    assert (await gotipath.http.get(own)).status_code == 404
    (usual,) = await gotipath.ok("GET", "players")
    await gotipath.refused(400, "DELETE", f"players/{usual['id']}")
    await gotipath.refused(404, "DELETE", f"players/{made['id']}")


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "\0"},
        {"primary_color": "red; background: url(x)"},
        {"primary_color": "#12345"},
        {"caption": {"font_color": "</script>"}},
        {"caption": {"font_size": 73}},
        {"font_size": -1},
        {"font_size": "big"},
        {"font_family": "x</style>"},
        {"font_family": "url(x)"},
        {"language": 'de"><script>'},
        {"controls": {"mute_button": "perhaps"}},
        {"controls": []},
        {"custom_html": {"head": "x" * 65_537}},
        {"custom_html": {"head": "\0"}},
        {"custom_html": "x"},
    ],
)
async def test_wild_themes_are_refused(gotipath: Gotipath, body: dict[str, Any]) -> None:
    await gotipath.refused(400, "POST", "players", json={"name": "x"} | body)
    (usual,) = await gotipath.ok("GET", "players")
    await gotipath.refused(400, "PUT", f"players/{usual['id']}", json=body)
    assert await gotipath.ok("GET", "players") == [usual]


async def test_themes_of_others_are_not_found(gotipath: Gotipath, stranger: Gotipath) -> None:
    (theirs,) = await stranger.ok("GET", "players")
    page = await page_of(gotipath)
    for ident in (theirs["id"], NONE, "x"):
        await gotipath.refused(404, "GET", f"players/{ident}")
        await gotipath.refused(404, "PUT", f"players/{ident}", json={"name": "x"})
        await gotipath.refused(404, "DELETE", f"players/{ident}")
        await gotipath.refused(404, "POST", f"players/{ident}/mark-as-default")
    assert (await gotipath.http.get(f"{page}?player={theirs['id']}")).status_code == 404
    await gotipath.refused(403, "POST", "players", json={"name": "x", "library_id": stranger.library})
