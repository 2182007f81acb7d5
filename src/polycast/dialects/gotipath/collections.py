"""Section Manage Collection: folders of videos, always answered as trees."""

from typing import Annotated

from fastapi import Path
from pydantic import StringConstraints

from polycast.dialects.gotipath.auth import LibraryCaller, ServicesDep
from polycast.dialects.gotipath.wire import Body, Envelope, Tree, example, moment, optional_uid, uid
from polycast.dialects.routing import Section
from polycast.domain.access import Caller
from polycast.services.collections import Collection

router = Section(tags=["Manage Collection"], prefix="/libraries/{libraryId}/collections")
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
CollectionId = Annotated[str, Path(description="Id of the collection.")]


class CreateCollection(Body):
    """create_collection; `parent_id` absent or "" for a root collection."""

    model_config = Body.model_config | {"json_schema_extra": example(name="Season one", parent_id="")}

    name: Name
    parent_id: str | None = None


class UpdateCollection(Body):
    """update_collection; `parent_id` "" moves to the root."""

    model_config = Body.model_config | {"json_schema_extra": example(name="Season 1")}

    name: Name | None = None
    parent_id: str | None = None


class CollectionNode(Body):
    """A collection with those below it."""

    id: str
    library_id: str
    created_at: str
    updated_at: str
    name: str
    parent_id: str
    children: list["CollectionNode"]


@router.post("", operation_id="create_collection")
async def create_collection(
    caller: LibraryCaller, services: ServicesDep, body: CreateCollection
) -> Envelope[CollectionNode]:
    """A new collection, optionally below another one."""
    parent = uid(body.parent_id, "collection") if body.parent_id else None
    made = await services.collections.create(caller, body.name, parent)
    return Envelope(message="Collection has been created.", result=_node(caller, made))


@router.get("", operation_id="list_collections")
async def list_collections(caller: LibraryCaller, services: ServicesDep) -> Envelope[Tree[CollectionNode]]:
    """The whole tree, oldest first."""
    nodes = _tree(caller, await services.collections.list(caller))
    roots = [node for node in nodes.values() if not node.parent_id]
    return Envelope(message="Collection Tree", result=Tree(data=roots))


@router.get("/{collectionId}", operation_id="show_collection")
async def show_collection(
    caller: LibraryCaller, services: ServicesDep, collectionId: CollectionId
) -> Envelope[Tree[CollectionNode]]:
    """One collection with those below it."""
    node = await services.collections.get(caller, uid(collectionId, "collection"))
    nodes = _tree(caller, await services.collections.list(caller))
    found = nodes.get(str(node.uid)) or _node(caller, node)
    return Envelope(message="Collection Tree", result=Tree(data=[found]))


@router.put("/{collectionId}", operation_id="update_collection")
async def update_collection(
    caller: LibraryCaller, services: ServicesDep, collectionId: CollectionId, body: UpdateCollection
) -> Envelope[CollectionNode]:
    """Rename or move a collection."""
    changed = await services.collections.update(
        caller,
        uid(collectionId, "collection"),
        name=body.name,
        parent=optional_uid(body.parent_id, "collection"),
    )
    nodes = _tree(caller, await services.collections.list(caller))
    node = nodes.get(str(changed.uid)) or _node(caller, changed)
    return Envelope(message="Collection has been updated.", result=node)


@router.delete("/{collectionId}", operation_id="delete_collection")
async def delete_collection(
    caller: LibraryCaller, services: ServicesDep, collectionId: CollectionId
) -> Envelope[str]:
    """Remove a collection and those below it; their videos stay, without a collection."""
    await services.collections.delete(caller, uid(collectionId, "collection"))
    return Envelope(message="Collection has been deleted.", result="")


def _node(caller: Caller, collection: Collection) -> CollectionNode:
    return CollectionNode(
        id=str(collection.uid),
        library_id=str(caller.tenant.uid),
        created_at=moment(collection.created_at),
        updated_at=moment(collection.updated_at),
        name=collection.name,
        parent_id=str(collection.parent or ""),
        children=[],
    )


def _tree(caller: Caller, found: list[Collection]) -> dict[str, CollectionNode]:
    """Nodes by id, each hung below its parent; depth is bounded by the service."""
    nodes = {str(c.uid): _node(caller, c) for c in found}
    for node in nodes.values():
        if node.parent_id in nodes:
            nodes[node.parent_id].children.append(node)
    return nodes
