"""Manifests over a real server: what they name can be fetched; growing and retired generations."""

import re
from dataclasses import replace
from urllib.parse import urljoin
from xml.etree import ElementTree as ET

import httpx

from polycast.domain.states import GenerationState
from polycast.protocols import tracklog
from polycast.services.registry import Services
from polycast.services.tenants import Tenant
from tests.integration.delivery.published import add_generation, publish
from tests.support.waiting import until

MPD = "{urn:mpeg:dash:schema:mpd:2011}"


def uris(playlist: str) -> list[str]:
    """Every URI of an HLS playlist."""
    quoted = re.findall(r'URI="([^"]+)"', playlist)
    return quoted + [line for line in playlist.splitlines() if line and not line.startswith("#")]


async def test_everything_a_playlist_names_is_there(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await publish(services, tenant, captions=True)
    for prefix in ("", f"/s/{services.playback.admit(made.uid)}"):
        start = f"{prefix}{made.base}/playlist.m3u8"
        main = await client.get(start)
        assert main.headers["content-type"] == "application/vnd.apple.mpegurl"
        assert main.headers["cache-control"] == "public, max-age=10"
        named = uris(main.text)
        assert len(named) == 3 and not any(uri.startswith(("/", "http")) for uri in named)
        for uri in named:
            path = urljoin(start, uri)
            playlist = await client.get(path)
            assert playlist.status_code == 200 and "#EXT-X-ENDLIST" in playlist.text
            for inner in uris(playlist.text):
                assert (await client.get(urljoin(path, inner))).status_code == 200, inner


async def test_dash_names_segments_captions_and_thumbnails(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await publish(services, tenant, captions=True, storyboard=True)
    answer = await client.get(f"{made.base}/manifest.mpd")
    assert answer.headers["content-type"] == "application/dash+xml"
    root = ET.fromstring(answer.text)
    sets = {s.get("contentType"): s for s in root.iter(f"{MPD}AdaptationSet")}
    assert set(sets) == {"video", "audio", "text", "image"}
    base = f"{made.base}/"
    for kind in ("video", "audio"):
        template = sets[kind].find(f".//{MPD}SegmentTemplate")
        assert template is not None
        media = str(template.get("media")).replace("$Number$", "3")
        for name in (media, str(template.get("initialization"))):
            assert (await client.get(urljoin(base, name))).status_code == 200
    tiles = sets["image"].find(f".//{MPD}SegmentTemplate")
    assert tiles is not None and tiles.get("duration") == "50000"
    sheet = await client.get(urljoin(base, str(tiles.get("media")).replace("$Number$", "1")))
    assert sheet.status_code == 200
    caption = sets["text"].find(f".//{MPD}BaseURL")
    assert caption is not None and caption.text
    assert (await client.get(urljoin(base, caption.text))).text == "WEBVTT\n"


async def test_manifests_go_packed_to_those_who_take_it(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await publish(services, tenant, captions=True, storyboard=True)
    path = f"{made.base}/manifest.mpd"
    packed = await client.get(path, headers={"accept-encoding": "gzip, br"})
    plain = await client.get(path, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    # two representations: a cache that holds one of them answers nobody who wants the other (RFC 9110 8.8.3.3)
    assert packed.headers["etag"] != plain.headers["etag"]
    for answer in (packed, plain):
        assert answer.headers["vary"] == "accept-encoding"
        headers = {"accept-encoding": answer.request.headers["accept-encoding"]}
        known = headers | {"if-none-match": answer.headers["etag"]}
        again = await client.get(path, headers=known)
        assert (again.status_code, again.headers["etag"]) == (304, answer.headers["etag"])
        head = await client.head(path, headers=headers)
        assert head.headers["content-length"] == answer.headers["content-length"]


async def test_growing_generations(client: httpx.AsyncClient, services: Services, tenant: Tenant) -> None:
    made = await publish(services, tenant, state=GenerationState.GROWING)
    main = await client.get(f"{made.base}/playlist.m3u8")
    assert main.headers["cache-control"] == "no-cache"
    assert "#EXT-X-START:TIME-OFFSET=0" in main.text
    playlist = await client.get(f"{made.base}/g/{made.generation}/video_360p.m3u8")
    assert playlist.headers["cache-control"] == "no-cache"
    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in playlist.text
    assert "#EXT-X-ENDLIST" not in playlist.text
    assert (await client.get(f"{made.base}/manifest.mpd")).status_code == 404
    # no growth is hidden by a cache for longer than a moment: a reload shows what was appended
    key = f"media/{made.uid}/g/{made.generation}/video_360p/log.jsonl"
    log = await services.store.get(key)
    last = log.splitlines()[-1].replace(b'"3.m4s"', b'"4.m4s"').replace(b"[720000,", b"[1080000,")
    await services.store.put(key, log + last + b"\n")

    async def grown() -> bool:
        again = await client.get(
            f"{made.base}/g/{made.generation}/video_360p.m3u8",
            headers={"if-none-match": playlist.headers["etag"]},
        )
        return again.status_code == 200 and "video_360p/4.m4s" in again.text

    await until(grown)


async def test_growing_sound_is_listed_as_far_as_its_pictures(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    """Sound is made in one piece: Video.js would play it to its end, and begin anew for want of pictures."""
    made = await publish(services, tenant, state=GenerationState.GROWING)
    folder = f"g/{made.generation}"
    key = f"media/{made.uid}/{folder}/video_360p/log.jsonl"
    log = tracklog.loads(await services.store.get(key))

    async def listed() -> list[str]:
        return uris((await client.get(f"{made.base}/{folder}/audio_1.m3u8")).text)[1:]

    for count in (1, 3):
        await services.store.put(key, tracklog.dumps(replace(log, segments=log.segments[:count])))
        wanted = [f"audio_1/{n}.m4s" for n in range(1, count + 1)]

        async def as_far(wanted: list[str] = wanted) -> bool:
            return await listed() == wanted

        await until(as_far)


async def test_all_playlists_of_a_presentation_have_one_target_duration(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    """RFC 8216bis 6.2.4; here the sound goes on for two seconds behind the last picture."""
    made = await publish(services, tenant)
    folder = f"{made.base}/g/{made.generation}"
    key = f"media/{made.uid}/g/{made.generation}/audio_1/log.jsonl"
    log = tracklog.loads(await services.store.get(key))
    longer = replace(log.segments[-1], duration=6 * 48_000)
    await services.store.put(key, tracklog.dumps(replace(log, segments=(*log.segments[:-1], longer))))
    for name in ("video_360p", "audio_1"):
        assert "#EXT-X-TARGETDURATION:6\n" in (await client.get(f"{folder}/{name}.m3u8")).text


async def test_retired_generations_serve_their_sessions(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await publish(services, tenant, state=GenerationState.RETIRED)
    newer = await add_generation(services, made, 2)
    main = await client.get(f"{made.base}/playlist.m3u8")
    assert str(newer) in main.text and str(made.generation) not in main.text
    old = await client.get(f"{made.base}/g/{made.generation}/video_360p.m3u8")
    assert old.status_code == 200
    assert (await client.get(made.segment())).status_code == 200
    failed = await add_generation(services, made, 3, state=GenerationState.FAILED)
    assert (await client.get(f"{made.base}/g/{failed}/video_360p.m3u8")).status_code == 404


async def test_texts_are_validated_by_etag(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await publish(services, tenant, storyboard=True)
    for name in ("playlist.m3u8", "manifest.mpd", "chapters.vtt", "storyboard.vtt"):
        first = await client.get(f"{made.base}/{name}")
        assert first.status_code == 200
        known = {"if-none-match": f'W/{first.headers["etag"]}, "x"'}
        again = await client.get(f"{made.base}/{name}", headers=known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["cache-control"] == first.headers["cache-control"]
        head = await client.head(f"{made.base}/{name}")
        assert head.headers["content-length"] == first.headers["content-length"]
    assert "Beginning &amp; end" in (await client.get(f"{made.base}/chapters.vtt")).text
    assert "storyboard-1.jpg#xywh=160,0,160,90" in (await client.get(f"{made.base}/storyboard.vtt")).text
