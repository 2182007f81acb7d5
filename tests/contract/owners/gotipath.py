"""A library of Gotipath."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from polycast.domain.access import Role
from tests.contract.gotipath.client import Gotipath
from tests.contract.owners.asked import Asked, Operation, Rules, documented
from tests.support.server import PolycastServer, TenantKey

TUS = {"Tus-Resumable": "1.0.0"}


RULES = Rules(
    roles={
        "multipart_presign": Role.EDITOR,
        "update_library": Role.ADMIN,
        "create_library": Role.OWNER,
        "delete_library": Role.OWNER,
    },
    ours=frozenset({"list_libraries", "create_library"}),
)


class GotipathOwner:
    """See `asked.Owner`.

    Args:
        client: the organization's uid. source: an address that videos can be pulled from.
    """

    rules = RULES
    operations: Mapping[str, Operation]

    def __init__(
        self, server: PolycastServer, tenant: TenantKey, client: str, clip: Path, source: str
    ) -> None:
        self.tenant = tenant
        self.api = Gotipath(server, client, tenant.uid, tenant.key)
        self.base = self.api.base
        self.http: httpx.AsyncClient = self.api.http
        self._server = server
        self._clip = clip
        self._source = source
        self._video = ""

    async def close(self) -> None:
        await self.http.aclose()

    def credentials(self, key: str, asked: Asked | None = None) -> dict[str, str]:
        library = asked.path.get("libraryId", self.tenant.uid) if asked is not None else self.tenant.uid
        return {**self.api.credentials, "X-Auth-LibraryId": library, "X-Auth-ApiKey": key}

    async def prepare(self) -> None:
        self.operations = await documented(self.http, self.base)
        self._video = await self.api.create(custom_id1="lesson")
        await self.api.ok("GET", "")  # shows the library's key, which makes it

    async def ask(self, operation: str) -> Asked:
        if operation.startswith("multipart_"):
            return await self._multipart(operation)
        if operation.startswith("tus_"):
            return await self._tus(operation)
        library = {"libraryId": self.tenant.uid}
        match operation:
            case "list_libraries":
                return Asked()
            case "create_library":
                return Asked(body={"name": "New"}, events=("tenant.created", "api_key.created"))
            case "delete_library":
                return Asked({"libraryId": (await self._server.tenant("doomed")).uid})
            case "update_library":
                return Asked(library, body={"name": "Changed"})
            case "get_library" | "list_collections" | "list_tags" | "list_players":
                return Asked(library)
            case "list_videos":
                return Asked(library, query={"collection_id": await self._collection()})
            case "create_video":
                body = {"name": "x", "collection_id": await self._collection()}
                return Asked(library, body=body)
            case "pull_video":
                body = {"name": "x", "url": self._source, "collection_id": await self._collection()}
                return Asked(library, body=body, events=("file.started", "asset.created"))
            case "get_video":
                return Asked({**library, "videoId": self._video})
            case "get_video_by_custom_field":
                return Asked({**library, "customField": "custom_id1", "customId": "lesson"})
            case "update_video":
                body = {"name": "y", "collection_id": await self._collection()}
                return Asked({**library, "videoId": self._video}, body=body)
            case "update_videos_stub":
                return Asked(library, body={"id": self._video, "name": "z"})
            case "delete_video":
                return Asked({**library, "videoId": await self.api.create()})
            case "create_collection":
                return Asked(library, body={"name": "below", "parent_id": await self._collection()})
            case "update_collection":
                body = {"name": "moved", "parent_id": await self._collection()}
                return Asked({**library, "collectionId": await self._collection()}, body=body)
            case "show_collection" | "delete_collection":
                return Asked({**library, "collectionId": await self._collection()})
            case "create_tag":
                return Asked(library, body={"name": uuid4().hex})
            case "create_player":
                return Asked(library, body={"name": "dark", "library_id": self.tenant.uid})
            case "update_player":
                return Asked({**library, "playerId": await self._player()}, body={"name": "light"})
            case "get_player" | "delete_player" | "mark_player_default":
                return Asked({**library, "playerId": await self._player()})
        raise AssertionError(f"{operation} has no case here: say what its owner may send")

    async def across(self, operation: str, other: "GotipathOwner") -> list[Asked]:
        # below the other's own library, which alone is in the path of some
        asked = await self.ask(operation)
        if operation in ("get_library", "update_library", "delete_library"):
            return []
        if operation in ("list_collections", "list_tags", "list_players", "create_tag"):
            return []
        if operation == "get_video_by_custom_field":
            await self.api.create(custom_id1="theirs alone")
            return [asked.on(libraryId=other.tenant.uid, customId="theirs alone")]
        if operation == "multipart_create":
            metadata = {**asked.body["metadata"], "library_id": other.tenant.uid}
            return [Asked(body={**asked.body, "metadata": metadata})]
        if operation == "create_player":
            return [asked.on(libraryId=other.tenant.uid)]
        if "libraryId" in asked.path:
            return [asked.on(libraryId=other.tenant.uid)]
        return [asked]

    async def _collection(self) -> str:
        return str((await self.api.ok("POST", "collections", json={"name": "c"}))["id"])

    async def _player(self) -> str:
        return str((await self.api.ok("POST", "players", json={"name": "p"}))["id"])

    async def _multipart(self, operation: str) -> Asked:
        metadata = {"video_id": self._video, "library_id": self.tenant.uid}
        body = {"filename": "a.mp4", "type": "video/mp4", "metadata": metadata}
        if operation == "multipart_create":
            return Asked(body=body)
        opened = (await self.api.call("POST", "/uploads/s3/multipart", json=body)).json()
        path, query = {"uploadId": opened["uploadId"]}, {"key": opened["key"]}
        if operation in ("multipart_list_parts", "multipart_abort"):
            return Asked(path, query)
        numbered = {**path, "partNumber": "1"}
        if operation == "multipart_presign":
            return Asked(numbered, query)
        assert operation == "multipart_complete", f"{operation} has no case here"
        root = f"/uploads/s3/multipart/{opened['uploadId']}"
        signed = (await self.api.call("GET", f"{root}/1", params=query)).json()
        put = await self.http.put(signed["url"], content=self._clip.read_bytes())
        parts = [{"PartNumber": 1, "ETag": put.headers["etag"]}]
        return Asked(path, query, body={"parts": parts}, events=("file.completed", "asset.queued"))

    async def _tus(self, operation: str) -> Asked:
        data = b"not a video"
        begin = {**TUS, "VideoId": self._video, "Upload-Length": str(len(data))}
        if operation == "tus_create":
            return Asked(headers=begin)
        made = await self.api.call("POST", "/tusupload", headers=begin)
        path: dict[str, Any] = {"fileId": made.headers["location"].rpartition("/")[2]}
        if operation in ("tus_head", "tus_delete"):
            return Asked(path, headers=TUS)
        assert operation == "tus_patch", f"{operation} has no case here"
        kind = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
        return Asked(path, headers={**TUS, **kind}, content=data, events=("file.completed", "asset.queued"))
