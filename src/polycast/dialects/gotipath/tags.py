"""Section Manage Tags."""

from typing import Annotated

from pydantic import StringConstraints

from polycast.dialects.gotipath.auth import LibraryCaller, ServicesDep
from polycast.dialects.gotipath.wire import Body, Envelope, example, moment
from polycast.dialects.routing import Section
from polycast.domain.access import Caller
from polycast.domain.assets import Tag as DomainTag
from polycast.domain.errors import Invalid

router = Section(tags=["Manage Tags"], prefix="/libraries/{libraryId}/tags")
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256)]


class CreateTag(Body):
    """create_tag: one `name`, or several as `tags`, since the operation's title is in the plural."""

    model_config = Body.model_config | {"json_schema_extra": example(name="tutorial")}

    name: Name | None = None
    tags: list[Name] | None = None


class Tag(Body):
    """A word of the library that videos may carry."""

    id: str
    library_id: str
    name: str
    created_at: str
    updated_at: str


@router.post("", operation_id="create_tag", status_code=201)
async def create_tag(
    caller: LibraryCaller, services: ServicesDep, body: CreateTag
) -> Envelope[Tag | list[Tag]]:
    """Make a tag; one that is there already is answered as it is.

    Raises:
        Invalid: neither name nor tags.
    """
    names = [body.name] if body.name is not None else body.tags or []
    if not names:
        raise Invalid("name is required", field="name")
    made = [_tag(caller, tag) for tag in await services.presentation.create_tags(caller, names)]
    if body.name is not None:
        return Envelope(message="Tag has been created.", result=made[0])
    return Envelope(message="Tags have been created.", result=made)


@router.get("", operation_id="list_tags")
async def list_tags(caller: LibraryCaller, services: ServicesDep) -> Envelope[list[Tag]]:
    """All tags of the library, by name."""
    found = await services.presentation.list_tags(caller)
    return Envelope(message="Tag List", result=[_tag(caller, tag) for tag in found])


def _tag(caller: Caller, tag: DomainTag) -> Tag:
    return Tag(
        id=str(tag.uid),
        library_id=str(caller.tenant.uid),
        name=tag.name,
        created_at=moment(tag.created_at),
        updated_at=moment(tag.updated_at),
    )
