"""Pictures and captions of an asset: made beside the encoding, never in its way."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import and_, delete, insert, select

from polycast.db.engine import Database
from polycast.db.tables import attachments, chapters, garbage
from polycast.domain.errors import ChildFailed, MediaError, NotFound
from polycast.domain.files import File
from polycast.domain.media import SourceInfo
from polycast.media.captions import convert_captions, extract_all_captions
from polycast.media.images import frames, poster, preview
from polycast.media.pictures import OURS
from polycast.media.storyboard import storyboard
from polycast.media.toolkit import MediaToolkit
from polycast.protocols.language import normalize
from polycast.services import ledger
from polycast.services.crashpoints import reached
from polycast.services.making import lock_asset
from polycast.services.pipeline.choice import Choice, ChosenCaption, choose
from polycast.services.pipeline.records import book_bytes
from polycast.services.pipeline.trail import Trail
from polycast.services.pipeline.work import Work, load_work
from polycast.services.pipeline.workspace import Local, Workspace

log = logging.getLogger(__name__)

FRAMES = 6


@dataclass(frozen=True, slots=True)
class Made:
    """A file made for the asset, to be kept under `name` in its folder."""

    kind: str
    path: Path
    name: str
    content_type: str
    position: int = 0
    origin: str = "auto"
    language: str | None = None
    label: str | None = None
    data: dict[str, Any] | None = None


class Pictures:
    """Job `pictures`: poster, stills, animated preview, storyboard, embedded captions and chapters."""

    def __init__(self, db: Database, workspace: Workspace, media: MediaToolkit) -> None:
        self._db = db
        self._space = workspace
        self._media = media

    async def run(self, output_num: int) -> None:
        """Make all pictures of an asset; what cannot be made is left out and logged."""
        async with self._db.connect() as tx:
            work = await load_work(tx, output_num, settled=True)
        if work is None or not work.main:
            return
        try:
            choice = choose(work.sources, with_video=True)
        except MediaError:
            return
        try:
            async with Trail(self._db, work):
                await self._make(work, choice)
        except NotFound as error:
            log.info("no pictures of asset %s: %s", work.asset_uid, error)  # it, or its source, was deleted

    async def _make(self, work: Work, choice: Choice) -> None:
        async with self._space.scratch("pictures") as out, self._space.sources() as local:
            made: list[Made] = []
            file, info = choice.lead
            path = await local(file.key)
            for name, maker in (
                ("poster", self._poster),
                ("frames", self._frames),
                ("storyboard", self._storyboard),
                ("preview", self._preview),
            ):
                made += await self._guarded(work, name, maker, path, info, out)
                if name == "poster":
                    # also where none was made: the one there is shows an earlier film
                    await self._keep(work, made, kinds=["poster"])
            made += await self._captions(work, choice, out, local)
            await self._keep(work, [m for m in made if m.kind != "poster"], kinds=None)
        await self._chapters(work, info)

    async def _guarded(
        self, work: Work, name: str, maker: Any, path: Path, info: SourceInfo, out: Path
    ) -> list[Made]:
        try:
            return list(await maker(path, info, out))
        except (MediaError, ChildFailed) as error:
            if isinstance(error, ChildFailed) and error.reason in OURS:
                raise  # it says nothing of the film: tried again, and what is there stays
            await self._space.blame_space(error)
            log.warning("no %s for asset %s: %s", name, work.asset_uid, error)
            return []

    async def _poster(self, path: Path, info: SourceInfo, out: Path) -> Sequence[Made]:
        target = out / "poster.jpg"
        found = await poster(self._media, path, info, target)
        return [Made("poster", target, "thumbnail.jpg", "image/jpeg")] if found else []

    async def _frames(self, path: Path, info: SourceInfo, out: Path) -> Sequence[Made]:
        folder = out / "frames"
        folder.mkdir()
        stills = await frames(self._media, path, info, folder, count=FRAMES)
        return [
            Made("frame", still.path, f"frames/{n:04}.jpg", "image/jpeg", n, data={"at_s": still.at_s})
            for n, still in enumerate(stills, 1)
        ]

    async def _storyboard(self, path: Path, info: SourceInfo, out: Path) -> Sequence[Made]:
        folder = out / "storyboard"
        folder.mkdir()
        board = await storyboard(self._media, path, info, folder)
        if board is None:
            return []
        facts = {k: v for k, v in asdict(board).items() if k != "sheets"}
        return [
            Made("storyboard", sheet, f"storyboard-{n}.jpg", "image/jpeg", n, data=facts)
            for n, sheet in enumerate(board.sheets, 1)
        ]

    async def _preview(self, path: Path, info: SourceInfo, out: Path) -> Sequence[Made]:
        target = out / "preview.webp"
        found = await preview(self._media, path, info, target)
        return [Made("preview", target, "preview.webp", "image/webp")] if found else []

    async def _captions(self, work: Work, choice: Choice, out: Path, local: Local) -> list[Made]:
        """Captions from inside the sources, one pass a file, and from caption files."""
        folder = out / "captions"
        folder.mkdir()
        found: list[tuple[Path, str, str | None, str | None]] = []
        for number, (file, wanted) in enumerate(_by_file(choice.captions)):
            target = folder / str(number)
            target.mkdir()
            try:
                path = await local(file.key)
                if wanted[0].track is None or file.probe is None:
                    made = target / "captions.vtt"
                    await convert_captions(self._media, path, made)
                    found.append((made, "upload", wanted[0].language, wanted[0].label))
                    continue
                named = {c.track.id: c for c in wanted if c.track is not None}
                for track in await extract_all_captions(
                    self._media, path, file.probe, target, only=list(named)
                ):
                    chosen = named[track.track.id]
                    language = chosen.language or track.language
                    if track.file.path is not None:
                        found.append((track.file.path, "embedded", language, chosen.label or track.label))
            except (MediaError, ChildFailed) as error:
                await self._space.blame_space(error)
                log.warning("captions of asset %s left out: %s", work.asset_uid, error)
        return [
            Made(
                "caption",
                path,
                f"captions/{position}.vtt",
                "text/vtt",
                position,
                origin=origin,
                language=normalize(language),
                label=label,
            )
            for position, (path, origin, language, label) in enumerate(found, 1)
        ]

    async def _keep(self, work: Work, made: Sequence[Made], *, kinds: Sequence[str] | None) -> None:
        replaced = kinds or ["frame", "storyboard", "preview", "caption"]
        sizes = {m.name: m.path.stat().st_size for m in made}
        keys = {f"{work.folder}{m.name}" for m in made}
        async with self._db.transaction() as tx:
            # an earlier making may have given up the very same names: that wish is void now
            await tx.execute(delete(garbage).where(garbage.c.key.in_(keys)))
        total = await self._space.keep((m.path, f"{work.folder}{m.name}", sizes[m.name]) for m in made)
        await reached("pictures.kept")
        async with self._db.transaction() as tx:
            if not await lock_asset(tx, work.asset_num):
                return
            old = (
                await tx.execute(
                    delete(attachments)
                    # all of these kinds come from the sources, captions out of files of their own included
                    .where(attachments.c.asset_num == work.asset_num, attachments.c.kind.in_(replaced))
                    .returning(attachments.c.key, attachments.c.size)
                )
            ).all()
            await ledger.discard(tx, {row.key for row in old} - keys)
            for m in made:
                await tx.execute(
                    insert(attachments).values(
                        asset_num=work.asset_num,
                        kind=m.kind,
                        position=m.position,
                        origin=m.origin,
                        key=f"{work.folder}{m.name}",
                        content_type=m.content_type,
                        size=sizes[m.name],
                        language=m.language,
                        label=m.label,
                        data=m.data or {},
                    )
                )
            await book_bytes(tx, work, total - sum(row.size for row in old))

    async def _chapters(self, work: Work, info: SourceInfo) -> None:
        """Chapters that the file brings, in place of those of an earlier file; none if somebody wrote their own."""
        titled = [c for c in info.chapters if c.title.strip()][:500]
        # the file's clock need not begin at 0; what plays does
        times = [tuple(max(0.0, at - info.start_s) for at in (c.start_s, c.end_s)) for c in titled]
        brought = [(c.title.strip()[:512], *time) for c, time in zip(titled, times, strict=True)]
        mine = and_(chapters.c.asset_num == work.asset_num, chapters.c.origin == "embedded")
        async with self._db.transaction() as tx:
            if not await lock_asset(tx, work.asset_num):
                return
            had = (
                await tx.execute(
                    select(chapters.c.origin, chapters.c.title, chapters.c.start_s).where(
                        chapters.c.asset_num == work.asset_num
                    )
                )
            ).all()
            of_file = {(row.title, row.start_s) for row in had if row.origin == "embedded"}
            if of_file and of_file <= {(title, start_s) for title, start_s, _ in brought}:
                return  # of this very file; somebody may have removed some
            await tx.execute(delete(chapters).where(mine))
            if brought and all(row.origin == "embedded" for row in had):
                rows = [
                    {
                        "asset_num": work.asset_num,
                        "title": title,
                        "start_s": start_s,
                        "end_s": end_s,
                        "origin": "embedded",
                    }
                    for title, start_s, end_s in brought
                ]
                await tx.execute(insert(chapters), rows)


def _by_file(captions: Sequence[ChosenCaption]) -> list[tuple[File, list[ChosenCaption]]]:
    """Chosen captions grouped by the file they are in, in order."""
    groups: dict[int, tuple[File, list[ChosenCaption]]] = {}
    for caption in captions:
        groups.setdefault(caption.file.num, (caption.file, []))[1].append(caption)
    return list(groups.values())
