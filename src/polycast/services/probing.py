"""Looking at a file that just became whole: what is in it, and is it what it claims to be."""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

from sqlalchemy import func, update

from polycast.db.engine import Database
from polycast.db.tables import files
from polycast.domain.access import Caller, Permission
from polycast.domain.errors import ChildFailed, Conflict, MediaError, NotFound, Unavailable
from polycast.domain.files import File, upload_stands
from polycast.domain.media import CaptionTrack, SourceInfo
from polycast.domain.states import FileStatus
from polycast.media.captions import check_captions
from polycast.media.images import check_image
from polycast.media.toolkit import MediaToolkit
from polycast.services import ledger
from polycast.services.files import Files
from polycast.services.turns import Turns
from polycast.storage.interface import ObjectStore

log = logging.getLogger(__name__)

_CAPTION_SUFFIXES = {".srt", ".vtt", ".ass", ".ssa", ".txt"}


class Probing:
    """Runs the probe, at most `parallel` at a time in this process, in turn over tenants, each in its own sandbox."""

    def __init__(
        self, db: Database, store: ObjectStore, media: MediaToolkit, files_: Files, *, parallel: int = 4
    ) -> None:
        self._db = db
        self._store = store
        self._media = media
        self._files = files_
        self._slots = Turns(parallel)

    async def look_at(self, file: File) -> dict[str, Any]:
        """Column values for a file that was just received.

        A source that cannot be read is still a completed upload: the reason is kept in `error` and told
        when somebody makes an asset of it. An image or caption that is none is refused at once.

        Raises:
            Unreadable, LimitExceeded: purpose image or caption, and the bytes are something else.
            Unavailable: it could not be looked at now.
        """
        async with self._slots.of(file.tenant_num), self.local(file.key) as path:
            if file.purpose == "image":
                image = await check_image(self._media, path)
                return {
                    "width": image.width,
                    "height": image.height,
                    "content_type": image.content_type,
                    "kinds": ["image"],
                }
            if file.purpose == "caption":
                await check_captions(self._media, path)
                return {"kinds": ["caption"], "content_type": "text/vtt"}
            try:
                info = await self._captions(file, path) or await self._media.probe(path)
            except MediaError as error:
                return {"kinds": [], "probe": None, "error": error.message}
            except ChildFailed as error:
                log.warning("probe of file %s failed: %s %s", file.uid, error, error.stderr_tail[-500:])
                if error.reason in ("start", "sandbox") or error.returncode == 1:
                    # the child says that this machine failed, not the file
                    raise Unavailable("the file cannot be examined now; try again") from error
                return {"kinds": [], "probe": None, "error": "the file crashed the parser and was refused"}
            return {"probe": info.to_json(), "kinds": kinds_of(info), "error": None}

    async def _captions(self, file: File, path: Path) -> SourceInfo | None:
        """A caption file as a source with one caption track; None when it is not one by name and content.

        No media parser knows plain subtitles by their bytes, so the name decides which reader is asked first.
        """
        if PurePosixPath(file.name.lower()).suffix not in _CAPTION_SUFFIXES:
            return None
        try:
            found = await check_captions(self._media, path)
        except MediaError:
            return None
        size = (await asyncio.to_thread(path.stat)).st_size
        track = CaptionTrack("captions_1", 0, found.format)
        return SourceInfo(found.format, found.end_s, 0.0, size, captions=(track,))

    async def detect(self, caller: Caller, uid: UUID) -> SourceInfo:
        """Probe a completed file again and keep what was found.

        Raises:
            NotFound: the file, or it went while it was looked at. Conflict: it is not completed.
            MediaError: it cannot be read; the message says why.
        """
        caller.require(Permission.WRITE)
        file = await self._files.get(caller, uid)
        if file.status is not FileStatus.COMPLETED:
            raise Conflict(f"the upload of the file {upload_stands(file.status, file.error)}")
        found = await self.look_at(file)
        async with self._db.transaction() as tx:
            kept = await tx.execute(
                update(files)
                .where(files.c.num == file.num)
                .values(**found, updated_at=func.now())
                .returning(files.c.num)
            )
            if kept.first() is None:
                raise NotFound("file", uid)  # deleted while it was looked at
            await ledger.record(tx, caller, "file.probed", "file", uid, {"error": found["error"]})
        if found["error"]:
            raise MediaError(found["error"])
        return SourceInfo.from_json(found["probe"])

    @asynccontextmanager
    async def local(self, key: str) -> AsyncIterator[Path]:
        """The object as a local file for the time of the block; a copy only where the store is remote."""
        path = self._store.local_path(key)
        if path is not None:
            yield path
            return
        with tempfile.TemporaryDirectory(dir=self._media.work_root, prefix="fetch-") as folder:
            path = Path(folder) / ("source" + Path(key).suffix)
            await self._store.fetch(key, path)
            yield path


def kinds_of(info: SourceInfo) -> list[str]:
    """What a source is good for: a film with sound is video; captions count when nothing else is in it."""
    if info.main_video is not None:
        return ["video"]
    if info.audio:
        return ["audio"]
    return ["caption"] if info.captions else []
