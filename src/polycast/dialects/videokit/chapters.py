"""Section Chapters."""

from collections.abc import Sequence

from starlette.responses import Response

from polycast.dialects.routing import Section
from polycast.dialects.videokit.auth import CallerDep, ServicesDep
from polycast.dialects.videokit.strict import StrictRoute
from polycast.dialects.videokit.wire import Wire, uid
from polycast.domain.errors import Invalid
from polycast.services.presentation import NewChapter

router = Section(route_class=StrictRoute, tags=["streaming.chapters"])


class ChapterBody(Wire):
    """A chapter in either form of the vendor's samples: startSecond/endSecond or start/end."""

    title: str
    start_second: float | None = None
    end_second: float | None = None
    start: float | None = None
    end: float | None = None


class CreateChapters(Wire):
    """create_asset_chapters"""

    chapters: list[ChapterBody]


def new_chapters(bodies: Sequence[ChapterBody]) -> list[NewChapter]:
    """Raises Invalid when a chapter has no start."""
    made = []
    for body in bodies:
        start = body.start_second if body.start_second is not None else body.start
        end = body.end_second if body.end_second is not None else body.end
        if start is None:
            raise Invalid("every chapter needs startSecond", field="chapters.startSecond")
        made.append(NewChapter(body.title, start, end))
    return made


@router.post("/streaming/v1/assets/{assetId}/chapters", operation_id="create_asset_chapters")
async def create(assetId: str, body: CreateChapters, caller: CallerDep, have: ServicesDep) -> Response:
    """Append chapters."""
    await have.presentation.add_chapters(caller, uid(assetId, "asset"), new_chapters(body.chapters))
    return Response()


@router.delete("/streaming/v1/assets/{assetId}/chapters/{chapterId}", operation_id="delete_asset_chapter")
async def delete(assetId: str, chapterId: str, caller: CallerDep, have: ServicesDep) -> Response:
    """Remove one chapter."""
    await have.presentation.remove_chapter(caller, uid(assetId, "asset"), uid(chapterId, "chapter"))
    return Response()
