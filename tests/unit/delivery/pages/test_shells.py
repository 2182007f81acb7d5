"""Pages as text: what is escaped, what the policy says, what is left out."""

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.delivery.pages import (
    AssetInfo,
    Chapter,
    Page,
    PageMeta,
    PagePolicy,
    PlayerConfig,
    Sources,
    Theme,
    config_document,
    render_embed,
    render_message,
    render_play,
)

HOSTILE = "</script><!--<script>\u2028 & \" ' <img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of names only."""
    folder = tmp_path_factory.mktemp("dist")
    manifest = {
        "lib.js": {"file": "assets/lib-1.js"},
        "src/player.ts": {
            "file": "assets/player-2.js",
            "css": ["assets/p-3.css"],
            "dynamicImports": ["lib.js"],
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


class Reader(HTMLParser):
    """Elements, attributes and the configuration, as a browser reads them."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.config = ""
        self.text = ""
        self._in_config = False
        self.feed(page.body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in_config = dict(attrs).get("id") == "polycast-config"

    def handle_endtag(self, tag: str) -> None:
        self._in_config = False

    def handle_data(self, data: str) -> None:
        if self._in_config:
            self.config += data
        else:
            self.text += data

    def names(self) -> list[str]:
        return [name for name, _ in self.elements]

    def metas(self) -> dict[str, str | None]:
        found = [attributes for name, attributes in self.elements if name == "meta"]
        return {str(a.get("property") or a.get("name")): a.get("content") for a in found}


def config(text: str = "A film") -> PlayerConfig:
    return PlayerConfig(
        asset=AssetInfo(code="ABCDEFGH", title=text, description=text, duration_s=61.5),
        sources=Sources(hls="/media/x/playlist.m3u8"),
        chapters=(Chapter(text, 30.25), Chapter("first", 0)),
        tags=(text,),
    )


META = PageMeta(
    page_url="https://v.example/play/ABCDEFGH",
    embed_url="https://v.example/embed/ABCDEFGH",
    oembed_url="https://v.example/oembed?url=a&format=json",
    image_url="https://v.example/media/x/thumbnail.jpg",
    site_name="Coast TV",
)


@given(text=st.one_of(st.just(HOSTILE), st.text()))
def test_text_stays_text_and_the_configuration_comes_back(dist: Path, text: str) -> None:
    wanted = config(text)
    plain = Reader(render_play(config(), assets_url="/assets", meta=META, dist=dist))
    page = Reader(render_play(wanted, assets_url="/assets", meta=META, dist=dist))
    # a paragraph for a description is the only element that words may add or take away
    assert [n for n in page.names() if n != "p"][-20:] == [n for n in plain.names() if n != "p"][-20:]
    assert json.loads(page.config) == json.loads(json.dumps(wanted.to_json()))


@given(text=st.one_of(st.just(HOSTILE), st.text()))
def test_a_veiled_configuration_shows_no_address_and_comes_back(dist: Path, text: str) -> None:
    wanted = replace(config(text), veiled=True)
    page = render_embed(wanted, assets_url="/assets", dist=dist)
    assert b"playlist.m3u8" not in page.body
    found = json.loads(Reader(page).config)
    assert set(found) == {"veiled"}
    raw = base64.b64decode(found["veiled"])
    key, mixed = raw[:16], raw[16:]
    plain = bytes(byte ^ key[n % 16] for n, byte in enumerate(mixed))
    assert json.loads(plain) == json.loads(json.dumps(wanted.to_json()))
    body, etag = config_document(wanted)
    assert json.loads(body) == found
    assert config_document(replace(wanted))[1] == etag


def test_the_embedded_configuration_is_safe_inside_a_script(dist: Path) -> None:
    body = render_embed(config(HOSTILE), assets_url="/assets", dist=dist).body.decode()
    inside = body.split('id="polycast-config">')[1].split("</script>")[0]
    assert not set("<>&\u2028\u2029") & set(inside)


def test_assets_come_from_the_manifest(dist: Path) -> None:
    page = Reader(render_play(config(), assets_url="https://cdn.example/a/", dist=dist))
    sources = [a.get("src") or a.get("href") for n, a in page.elements if n in ("script", "link")]
    assert "https://cdn.example/a/assets/player-2.js" in sources
    assert "https://cdn.example/a/assets/p-3.css" in sources
    assert "https://cdn.example/a/assets/lib-1.js" in sources


def test_a_missing_build_says_what_to_run(tmp_path: Path) -> None:
    page = render_play(config(), assets_url="/assets", dist=tmp_path)
    assert page.status == 503
    assert "make web" in page.body.decode()
    (tmp_path / "manifest.json").write_text("{")
    assert render_embed(config(), assets_url="/assets", dist=tmp_path).status == 503


def _directives(page: Page) -> dict[str, list[str]]:
    parts = [part.split() for part in page.headers["content-security-policy"].split(";")]
    return {part[0]: part[1:] for part in parts}


def test_policy_is_strict_by_default(dist: Path) -> None:
    page = render_play(config(), assets_url="/assets", dist=dist)
    csp = _directives(page)
    assert csp["script-src"] == ["'self'"]
    assert csp["default-src"] == csp["base-uri"] == csp["form-action"] == ["'none'"]
    nonce = re.search(r'<style nonce="([\w-]+)">', page.body.decode())
    assert nonce is not None
    assert csp["style-src"] == ["'self'", f"'nonce-{nonce[1]}'"]
    again = render_play(config(), assets_url="/assets", dist=dist)
    assert _directives(again)["style-src"] != csp["style-src"]


@pytest.mark.parametrize(
    ("ancestors", "expected"),
    [
        (("*",), ["*"]),
        ((), ["'none'"]),
        (("'self'", "https://*.example.org:8443"), ["'self'", "https://*.example.org:8443"]),
        (("https://a.example; script-src *", "b.example\r\nx: y", "c.example"), ["c.example"]),
    ],
)
def test_frame_ancestors(dist: Path, ancestors: tuple[str, ...], expected: list[str]) -> None:
    policy = PagePolicy(frame_ancestors=ancestors)
    for page in (
        render_embed(config(), assets_url="/assets", policy=policy, dist=dist),
        render_message("No", "Not here", status=404, frame_ancestors=ancestors),
    ):
        assert _directives(page)["frame-ancestors"] == expected
        assert _directives(page)["script-src"] == ["'self'"]


def test_media_origins_reach_every_kind_of_request(dist: Path) -> None:
    page = render_play(
        config(), assets_url="/assets", policy=PagePolicy(media_origins=("https://cdn.example",)), dist=dist
    )
    for name in ("media-src", "connect-src", "img-src"):
        assert "https://cdn.example" in _directives(page)[name]


def test_custom_html_runs_scripts_only_where_allowed(dist: Path) -> None:
    themed = replace(config(), theme=Theme(head_html="<meta name=x>", footer_html="<p id=foot>©</p>"))
    page = render_play(themed, assets_url="/assets", dist=dist)
    assert "<p id=foot>©</p>" in page.body.decode()
    assert "foot" not in Reader(page).config
    assert _directives(page)["script-src"] == ["'self'"]
    allowed = render_play(themed, assets_url="/assets", policy=PagePolicy(custom_scripts=True), dist=dist)
    assert "'unsafe-inline'" in _directives(allowed)["script-src"]
    # nothing to run: the allowance is not used
    plain = render_play(config(), assets_url="/assets", policy=PagePolicy(custom_scripts=True), dist=dist)
    assert _directives(plain)["script-src"] == ["'self'"]


def test_previews_and_discovery(dist: Path) -> None:
    page = Reader(render_play(config("Über & über"), assets_url="/assets", meta=META, dist=dist))
    metas = page.metas()
    assert metas["og:title"] == "Über & über"
    assert metas["og:video"] == metas["twitter:player"] == META.embed_url
    assert metas["og:image"] == META.image_url
    links = {a.get("type"): a for n, a in page.elements if n == "link"}
    assert links["application/json+oembed"]["href"] == META.oembed_url
    bare = Reader(render_play(config(), assets_url="/assets", dist=dist))
    assert not {"og:url", "og:video", "og:image"} & set(bare.metas())
    assert "svg" not in bare.names()


def test_chapters_in_order_of_time(dist: Path) -> None:
    page = Reader(render_play(config(), assets_url="/assets", dist=dist))
    starts = [float(str(a["data-start"])) for _, a in page.elements if "data-start" in a]
    assert starts == [0, 30.25]
    assert [chapter["start_s"] for chapter in json.loads(page.config)["chapters"]] == [0, 30.25]


def test_embed_holds_the_player_alone(dist: Path) -> None:
    page = Reader(render_embed(config(), assets_url="/assets", meta=META, dist=dist))
    assert not {"h1", "nav", "details", "main"} & set(page.names())


def test_configuration_tag_follows_the_content() -> None:
    body, etag = config_document(config())
    assert config_document(config()) == (body, etag)
    assert json.loads(body)["asset"]["code"] == "ABCDEFGH"
    assert config_document(replace(config(), progress=0.5))[1] != etag
    assert re.fullmatch(r'"[0-9a-f]{32}"', etag)


@pytest.mark.parametrize(
    ("language", "direction"), [("ar", "rtl"), ("he-IL", "rtl"), ("pl", "ltr"), (None, "ltr")]
)
def test_direction(dist: Path, language: str | None, direction: str) -> None:
    page = Reader(render_play(replace(config(), theme=Theme(language=language)), assets_url="/a", dist=dist))
    assert dict(page.elements)["html"]["dir"] == direction


def test_messages_are_escaped() -> None:
    page = render_message(HOSTILE, HOSTILE, status=403)
    assert page.status == 403
    assert not {"img", "script"} & set(Reader(page).names())
