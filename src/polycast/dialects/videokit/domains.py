"""Section Domains: where the player may run."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from polycast.dialects.routing import Section
from polycast.dialects.videokit.auth import CallerDep, ServicesDep
from polycast.dialects.videokit.strict import StrictRoute
from polycast.dialects.videokit.wire import Wire, uid
from polycast.services.domains import Domain

router = Section(route_class=StrictRoute, tags=["streaming.domains"])


class AddDomain(Wire):
    """add_domain"""

    url: str


def domain_result(domain: Domain) -> dict[str, str]:
    """AllowedDomain."""
    return {
        "playerDomainId": str(domain.uid),
        "analyticsDomainId": str(domain.analytics_uid),
        "url": domain.origin,
    }


@router.get("/streaming/v1/domains", operation_id="list_domains")
async def list_domains(caller: CallerDep, have: ServicesDep) -> list[dict[str, str]]:
    """Domains where the player may run; none: everywhere."""
    return [domain_result(d) for d in await have.domains.list(caller)]


@router.post("/streaming/v1/domains", operation_id="add_domain")
async def add(body: AddDomain, caller: CallerDep, have: ServicesDep) -> dict[str, str]:
    """Allow one more domain."""
    return domain_result(await have.domains.add(caller, body.url))


@router.delete("/streaming/v1/domains", operation_id="delete_domain")
async def delete(
    caller: CallerDep,
    have: ServicesDep,
    player_domain_id: Annotated[str | None, Query(alias="playerDomainId")] = None,
    analytics_domain_id: Annotated[str | None, Query(alias="analyticsDomainId")] = None,
) -> Response:
    """Forbid a domain again."""
    await have.domains.remove(
        caller,
        player=uid(player_domain_id, "domain") if player_domain_id else None,
        analytics=uid(analytics_domain_id, "domain") if analytics_domain_id else None,
    )
    return Response()
