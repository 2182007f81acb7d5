"""What the address of a player page names: an asset, and whose theme it is shown in."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from polycast.domain.errors import NotFound
from polycast.domain.ids import parse_uid
from polycast.services.playback import Playable, Playback


@dataclass(frozen=True, slots=True)
class PageAddress:
    """`/play/{ident}`, `/embed/{ident}` or `/stream/{tenant}/{player}/{ident}`, each with `?player=` or without.

    Attributes:
        ident: code or uid of the asset.
        player: uid of the one that is named, None for the default one.
        tenant: that must own the asset, None where the address names none.
    """

    ident: str
    player: UUID | None = None
    tenant: str | None = None

    @classmethod
    def read(cls, path: Mapping[str, str], query: Mapping[str, str]) -> "PageAddress":
        """By the parameters of the path, named as above, and those of the query, which the path goes before.

        Raises:
            NotFound: the address is of the longer form, and what it names as player can be none.
        """
        both = (path.get("player"), query.get("player"))
        named = next((player for player in both if player and player != "default"), None)
        player = parse_uid(named) if named else None
        if "player" in path and named and player is None:
            raise NotFound("player", named[:64])
        return cls(path["ident"], player, path.get("tenant"))

    async def find(self, playback: Playback) -> Playable:
        """The asset with the theme of the player.

        Raises:
            NotFound: no such asset or player, or it is not of the tenant that is named.
        """
        found = await playback.find(self.ident, player=self.player)
        if self.tenant is not None and found.tenant_uid != parse_uid(self.tenant):
            raise NotFound("asset", self.ident[:64])
        return found
