"""Filters, sorting and paging that all lists share."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from tests.contract.videokit.kit import Json, Kit, ids

DAY = datetime(2026, 3, 4, 9, 15, 30, 123456, tzinfo=UTC)


@pytest.fixture
async def rows(kit: Kit) -> list[str]:
    """Five assets, a day between them, each unlike the others; their ids in order."""
    made = []
    async with kit.server.platform() as platform:
        have = platform.services
        caller = await have.keys.authenticate(kit.tenant.key)
        for n in range(5):
            asset = await have.assets.create(
                caller,
                title=f"{'edcba'[n]} title",
                preset=("hls", "mp4")[n % 2],
                metadata={
                    "Number": str(n),
                    "Title": f"{'edcba'[n]} title",
                    "low": f"{4 - n}",
                    "odd": '"q" \\ 100%_ü',
                },
            )
            made.append(str(asset.uid))
            async with have.db.transaction() as tx:
                await tx.execute(
                    text(
                        "UPDATE assets SET created_at = :c, updated_at = :u, duration_ms = :d, status = :s,"
                        " tags = :t, attributes = :a WHERE uid = :id"
                    ),
                    {
                        "c": DAY + timedelta(days=n),
                        "u": DAY + timedelta(days=10 - n),
                        "d": n * 1000 if n else None,
                        "s": ("available", "processing", "queued", "error", "available")[n],
                        "t": ["all", f"tag{n}", *(["even"] if n % 2 == 0 else [])],
                        "a": ["kind=film", f"n={n}", f"place=Paris, {n}"],
                        "id": UUID(asset.uid.hex),
                    },
                )
    return made


FILTERS: list[tuple[str, str]] = [
    ("", "01234"),
    ("statuses=Available", "04"),
    ("Statuses=available,error", "034"),
    ("statuses=Available&statuses=Processing", "0124"),
    ("statuses[]=Pending", ""),
    ("presets=mp4", "13"),
    ("presets=mp4,hls", "01234"),
    ("tags=all,even", "024"),
    ("tags=even&tags=tag2", "2"),
    ("tags=none", ""),
    ("attributes=[kind]=film", "01234"),
    ("attributes=[kind]=film,n=3", "3"),
    ("attributes=n%3D1&attributes=%5Bkind%5D%3Dfilm", "1"),
    ("attributes=n=9", ""),
    # a comma may stand in a value
    ("attributes=place=Paris, 2", "2"),
    ("attributes=[place]=Paris, 2,n=2,", "2"),
    ("attributes=n=3&attributes=place=Paris, 2", ""),
    ("durationFrom=2000&durationTo=3000", "23"),
    ("durationfrom=4000", "4"),
    ("createDateStart=2026-03-06", "234"),
    ("createDateEnd=2026-03-05", "01"),
    ("createDateStart=2026-03-05T09:15:30.123Z&createDateEnd=2026-03-05T09:15:30.123Z", "1"),
    ("createDateStart=2026-03-05T11:15:30.1234560+02:00&createDateEnd=2026-03-05T11:15:31+02:00", "1"),
    ("createDateEnd=2026-03-04T04:15:30.200-05:00", "0"),
    ("createDateEnd=2026-03-04T04:15:30.000-05:00", ""),
    ("lastModificationDateStart=2026-03-13", "01"),
    ("lastModificationDateEnd=2026-03-10T23:59:59Z", "4"),
    ("query=C+TITLE", "2"),
    ("query=title", "01234"),
    ("query=100%25_", "01234"),
    ("query=100%25%25", ""),
    ("query=%C3%BC", "01234"),
    ("query=%C3%9C", "01234"),
    ("Query=nowhere", ""),
    ("unknown=1", "01234"),
]


@pytest.mark.parametrize("path", ["/vod/v1/assets", "/streaming/v1/assets"])
async def test_filters(kit: Kit, rows: list[str], path: str) -> None:
    for query, wanted in FILTERS:
        if "presets" in query and "streaming" in path:
            continue
        found = await kit.call("GET", f"{path}?{query}&sort=createDate")
        assert "".join(str(rows.index(i)) for i in ids(found)) == wanted, query
        assert found["totalCount"] == len(wanted), query
    listed = f"ids={rows[1]},{rows[3]}&ids={uuid4()}&ids=rubbish"
    assert ids(await kit.call("GET", f"{path}?{listed}&sort=CreateDate")) == [rows[1], rows[3]]
    assert ids(await kit.call("GET", f"{path}?ids=rubbish")) == []
    assert ids(await kit.call("GET", f"{path}?query={rows[2][4:20]}")) == [rows[2]]
    # a moment just as an answer showed it, in another zone
    shown = (await kit.call("GET", f"{path}?ids={rows[0]}"))["items"][0]["createDate"]
    moved = datetime.fromisoformat(shown).astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()
    for moment in (shown, quote(moved), moved):
        found = await kit.call("GET", f"{path}?createDateStart={moment}&createDateEnd={moment}")
        assert ids(found) == [rows[0]], moment


SORTS: list[tuple[str, str]] = [
    ("", "01234"),
    ("desc=true", "43210"),
    ("sort=CreateDate", "01234"),
    ("sort=createdate&desc=True", "43210"),
    ("sort=LastModificationDate", "43210"),
    ("sort=lastModificationDate&desc=true", "01234"),
    ("Sort=Metadata.Title", "43210"),
    ("sort=metadata.title&Desc=true", "01234"),
    ("sort=Metadata.Number&desc=true", "43210"),
    ("sort=DurationMilliseconds", "12340"),
    ("sort=durationMilliseconds&desc=true", "43210"),
    ("sort=Metadata.None", "01234"),
    # keys have a case, names of orders have none
    ("sort=Metadata.Low", "43210"),
    ("sort=metadata.LOW&desc=true", "01234"),
    ("sort=metadata.number&desc=true", "43210"),
]


@pytest.mark.parametrize("path", ["/vod/v1/assets", "/streaming/v1/assets"])
async def test_sorting_and_paging(kit: Kit, rows: list[str], path: str) -> None:
    for query, wanted in SORTS:
        whole = await kit.call("GET", f"{path}?{query}")
        assert "".join(str(rows.index(i)) for i in ids(whole)) == wanted, query
        # pages of two cut the same order
        cut: list[Json] = [await kit.call("GET", f"{path}?{query}&limit=2&page={n}") for n in (1, 2, 3, 4)]
        assert [i for page in cut for i in ids(page)] == ids(whole), query
        assert [len(page["items"]) for page in cut] == [2, 2, 1, 0]
        assert [page["hasMore"] for page in cut] == [True, True, False, False]
        for number, page in enumerate(cut, 1):
            shape = {k: page[k] for k in ("pageCount", "pageSize", "totalCount", "pageNumber")}
            assert shape == {"pageCount": 3, "pageSize": 2, "totalCount": 5, "pageNumber": number}
    by_id = await kit.call("GET", f"{path}?sort=Id")
    assert ids(by_id) == sorted(rows)


async def test_of_keys_that_differ_in_case_the_one_asked_for_sorts(kit: Kit) -> None:
    made = {}
    for low, high in (("1", "c"), ("2", "b"), ("3", "a")):
        body: Json = {"name": f"{low}.mp4", "friendlyName": low, "fileSize": 1}
        body["metadata"] = {"rank": low, "Rank": high}
        made[low] = (await kit.call("POST", "/vod/v1/files/start", body))["fileId"]
    for query, wanted in (("Metadata.rank", "123"), ("Metadata.Rank", "321"), ("Metadata.RANK", "321")):
        found = ids(await kit.call("GET", f"/vod/v1/files?sort={query}"))
        assert found == [made[low] for low in wanted], query


async def test_words_far_behind_are_found(kit: Kit) -> None:
    """A description has up to 64 KiB, and so has metadata."""
    made = []
    async with kit.server.platform() as platform:
        caller = await platform.services.keys.authenticate(kit.tenant.key)
        for field in ("description", "metadata"):
            long = "deep water " * 5000 + f"needle in {field}"
            said: dict[str, Any] = (
                {"description": long} if field == "description" else {"metadata": {"k": long}}
            )
            made.append(str((await platform.services.assets.create(caller, title=field, **said)).uid))
        async with platform.services.db.transaction() as tx:
            # those that wait for their file are not listed
            ready = text("UPDATE assets SET status = 'available' WHERE uid = ANY(:uids)")
            await tx.execute(ready, {"uids": [UUID(uid) for uid in made]})
    for query, wanted in (
        ("needle", made),
        ("needle in description", made[:1]),
        ("needle+in+metadata", made[1:]),
    ):
        found = await kit.call("GET", f"/streaming/v1/assets?query={quote(query, safe='+')}&sort=CreateDate")
        assert (ids(found), found["totalCount"]) == (wanted, len(wanted)), query


LISTS = ["/vod/v1/assets", "/vod/v1/files", "/streaming/v1/assets", "IMAGES"]
WRONG = [
    "limit=0",
    "limit=-1",
    "limit=1001",
    "limit=x",
    "limit=99999999999999999999999",
    "limit=1.5",
    "page=0",
    "page=x",
    "page=99999999999999999999999",
    "desc=maybe",
    "sort=secret",
    "sort=num);drop",
    "sort=" + "x" * 5000,
    "sort=Metadata.",
    "status=None",
    "createDateStart=yesterday",
    "createDateStart=2026-13-01",
    "createDateEnd=0001-01-01T00:00:00%2B14:00",
    "createDateEnd=9999-12-31T23:59:59-14:00",
    "lastModificationDateEnd=1",
    "query=a%00b",
]


async def test_what_lists_refuse(kit: Kit, rows: list[str]) -> None:
    for path in LISTS:
        real = path.replace("IMAGES", f"/streaming/v1/assets/{rows[0]}/images/uploaded")
        for query in WRONG:
            if path == "/vod/v1/assets" and query.startswith("status="):
                query = "statuses=Available,None"  # noqa: PLW2901 - this list has the plural alone
            await kit.refused(400, "GET", f"{real}?{query}")


async def test_files_sort_and_filter(kit: Kit) -> None:
    made = []
    for name, size in (("b.mp4", 30), ("a.mp4", 10), ("c.mp3", 20)):
        body: dict[str, Any] = {"name": name, "friendlyName": f"Friendly {name}", "fileSize": size}
        made.append((await kit.call("POST", "/vod/v1/files/start", body))["fileId"])
    b, a, c = made
    await kit.call("POST", f"/vod/v1/files/{c}/cancel")
    for query, wanted in (
        ("", [b, a, c]),
        ("sort=CreateDate&desc=true", [c, a, b]),
        ("sort=Metadata.FriendlyName", [a, b, c]),
        ("sort=name&desc=true", [c, b, a]),
        # by what is shown: the announced size of what is not there yet
        ("sort=FileSize", [a, c, b]),
        ("sort=fileSize&desc=true", [b, c, a]),
        ("status=Uploading", [b, a]),
        ("status=error", [c]),
        ("statuses=Error,Uploading&limit=2&page=2", [c]),
        ("query=friendly+A", [a]),
        ("fileType=Video", []),
    ):
        assert ids(await kit.call("GET", f"/vod/v1/files?{query}")) == wanted, query
    for query in ("fileType=Movie", "fileType=Video,Audio", "statuses=Uploading,Gone"):
        await kit.refused(400, "GET", f"/vod/v1/files?{query}")
