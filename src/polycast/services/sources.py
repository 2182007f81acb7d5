"""Time-limited links to stored source files: look at one, or download the original."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from polycast.db.engine import Database
from polycast.db.tables import files, tenants
from polycast.domain.access import Caller
from polycast.domain.errors import Conflict, NotFound
from polycast.domain.files import upload_stands
from polycast.domain.states import FileStatus
from polycast.protocols.signing import Keyring, sign_link, verify_link
from polycast.services.files import Files
from polycast.storage.interface import ObjectStore

PREVIEW_LIFE = timedelta(hours=1)
_PURPOSE = "source"
# names of the containers as the probe tells them -> subtype; a browser asked not to guess needs one to play it
_SUBTYPES = {
    "mov": "mp4",
    "mp4": "mp4",
    "matroska": "webm",
    "webm": "webm",
    "ogg": "ogg",
    "mpegts": "mp2t",
    "mpeg": "mpeg",
    "avi": "x-msvideo",
    "flv": "x-flv",
    "mxf": "mxf",
    "mp3": "mpeg",
    "wav": "wav",
    "flac": "flac",
    "aac": "aac",
    "ac3": "ac3",
}


@dataclass(frozen=True, slots=True)
class SourceLink:
    """An address good until `expires_at`."""

    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class StoredSource:
    """What a link leads to; `tenant` is the number of its owner."""

    key: str
    name: str
    content_type: str | None
    tenant: int


class SourceLinks:
    """Makes and checks links to source files."""

    def __init__(self, db: Database, store: ObjectStore, ring: Keyring, files_: Files) -> None:
        self._db = db
        self._store = store
        self._ring = ring
        self._files = files_

    async def preview(
        self, caller: Caller, uid: UUID, base_url: str, *, now: datetime | None = None
    ) -> SourceLink:
        """A link to a completed file, good for an hour.

        Raises:
            Conflict: the file is not completed.
        """
        file = await self._files.get(caller, uid)
        if file.status is not FileStatus.COMPLETED:
            raise Conflict(f"the upload of the file {upload_stands(file.status, file.error)}")
        expires = ((now or datetime.now(UTC)) + PREVIEW_LIFE).replace(microsecond=0)
        token = sign_link(self._ring, f"/files/{uid}", expires=int(expires.timestamp()), purpose=_PURPOSE)
        return SourceLink(f"{base_url}/files/{uid}/{token}", expires)

    async def open(self, uid: UUID, token: str, *, now: datetime | None = None) -> StoredSource:
        """What a link leads to.

        Raises:
            BadToken, ExpiredToken: the link is not ours, or over. NotFound: the file was deleted.
        """
        at = (now or datetime.now(UTC)).timestamp()
        verify_link(self._ring, token, f"/files/{uid}", purpose=_PURPOSE, now=at)
        async with self._db.connect() as tx:
            row = (
                await tx.execute(
                    select(
                        files.c.key,
                        files.c.name,
                        files.c.tenant_num,
                        files.c.content_type,
                        files.c.kinds,
                        files.c.probe["container"].astext.label("container"),
                    )
                    .join(tenants, tenants.c.num == files.c.tenant_num)
                    .where(
                        files.c.uid == uid,
                        files.c.status == FileStatus.COMPLETED,
                        tenants.c.status == "active",
                    )
                )
            ).first()
        if row is None:
            raise NotFound("file", uid)
        kind = _found_type(row.kinds, row.container) or row.content_type
        return StoredSource(row.key, row.name, kind, row.tenant_num)


def _found_type(kinds: Sequence[str], container: str | None) -> str | None:
    """The media type of what was found in a file, which counts more than what was said of it."""
    if "caption" in kinds:
        return "text/plain; charset=utf-8"
    subtype = next((_SUBTYPES[name] for name in (container or "").split(",") if name in _SUBTYPES), None)
    kind = next((kind for kind in ("video", "audio") if kind in kinds), None)
    return f"{kind}/{subtype}" if kind and subtype else None
