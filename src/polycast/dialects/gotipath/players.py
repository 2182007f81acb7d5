"""Section Players: looks of the player; one of them is the library's default."""

from typing import Annotated

from fastapi import Path

from polycast.dialects.gotipath.auth import LibraryCaller, ServicesDep
from polycast.dialects.gotipath.schemas_players import CreatePlayer, Player, UpdatePlayer
from polycast.dialects.gotipath.themes import changed, player_result
from polycast.dialects.gotipath.wire import Envelope, uid
from polycast.dialects.routing import Section
from polycast.domain.errors import Forbidden

router = Section(tags=["Players"], prefix="/libraries/{libraryId}/players")
PlayerId = Annotated[str, Path(description="Id of the player theme.")]


@router.get("", operation_id="list_players")
async def list_players(caller: LibraryCaller, services: ServicesDep) -> Envelope[list[Player]]:
    """All themes, oldest first."""
    found = await services.players.list(caller)
    return Envelope(message="Player List", result=[player_result(caller, player) for player in found])


@router.post("", operation_id="create_player")
async def create_player(caller: LibraryCaller, services: ServicesDep, body: CreatePlayer) -> Envelope[Player]:
    """A new theme, not the default."""
    if body.library_id and uid(body.library_id, "library") != caller.tenant.uid:
        raise Forbidden("the key does not belong to this library")
    made = await services.players.create(caller, body.name, changed({}, body))
    return Envelope(message="Player has been created.", result=player_result(caller, made))


@router.get("/{playerId}", operation_id="get_player")
async def get_player(caller: LibraryCaller, services: ServicesDep, playerId: PlayerId) -> Envelope[Player]:
    """One theme."""
    found = await services.players.get(caller, uid(playerId, "player"))
    return Envelope(message="Player Details", result=player_result(caller, found))


@router.put("/{playerId}", operation_id="update_player")
async def update_player(
    caller: LibraryCaller, services: ServicesDep, playerId: PlayerId, body: UpdatePlayer
) -> Envelope[Player]:
    """Change a theme."""
    made = await services.players.update(
        caller, uid(playerId, "player"), name=body.name, change=lambda stored: changed(stored, body)
    )
    return Envelope(message="Player has been updated.", result=player_result(caller, made))


@router.delete("/{playerId}", operation_id="delete_player")
async def delete_player(caller: LibraryCaller, services: ServicesDep, playerId: PlayerId) -> Envelope[str]:
    """Remove a theme; the default one stays."""
    await services.players.delete(caller, uid(playerId, "player"))
    return Envelope(message="Player has been deleted.", result="")


@router.post("/{playerId}/mark-as-default", operation_id="mark_player_default")
async def mark_player_default(
    caller: LibraryCaller, services: ServicesDep, playerId: PlayerId
) -> Envelope[Player]:
    """Have pages use this theme unless they name another."""
    marked = await services.players.mark_default(caller, uid(playerId, "player"))
    return Envelope(message="Player has been marked as default.", result=player_result(caller, marked))
