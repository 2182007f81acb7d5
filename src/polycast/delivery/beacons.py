"""POST /beacons/{asset}: batches of playback samples. They are kept in a spool and counted later."""

from collections.abc import Sequence

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from polycast.delivery.admission import Admission
from polycast.domain.errors import Invalid, NotFound, TooLarge, TooSlow, Unavailable
from polycast.domain.policy import Refusal, judge
from polycast.services.playback import Playback
from polycast.services.views import MAX_BATCH_BYTES, Views

_CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "POST, OPTIONS",
    "access-control-allow-headers": "content-type",
    "access-control-max-age": "86400",
}


class Beacons:
    """Takes what player pages report. Costs one append, and no database beyond the five-second-old policy."""

    def __init__(self, playback: Playback, views: Views, admission: Admission) -> None:
        self._playback = playback
        self._views = views
        self._admission = admission

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        return [Route("/beacons/{ident}", self.take, methods=["POST", "OPTIONS"])]

    async def take(self, request: Request) -> Response:
        """204 once the batch is in the spool; 400, 403, 404, 408, 413, or 503 while the spool is full."""
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=_CORS)
        return Response(status_code=await self._status(request), headers=_CORS)

    async def _status(self, request: Request) -> int:
        try:
            asset = await self._playback.resolve(request.path_params["ident"])
            policy = await self._playback.policy(asset)
            if policy is None:
                return 404
            viewer = self._admission.viewer(request.scope, token_valid=True)
            if judge(policy, viewer) in (Refusal.BLOCKED, Refusal.DOMAIN):
                return 403
            body = await _bounded(request, MAX_BATCH_BYTES)
            await self._views.take(
                asset, body, address=viewer.address, user_agent=request.headers.get("user-agent")
            )
        except NotFound:
            return 404
        except TooSlow:
            return 408
        except TooLarge:
            return 413
        except (Invalid, ClientDisconnect):
            return 400
        except Unavailable:
            return 503
        return 204


async def _bounded(request: Request, most: int) -> bytes:
    """The body of a request. Raises TooLarge as soon as it has more than `most` bytes."""
    parts: list[bytes] = []
    size = 0
    async for block in request.stream():
        size += len(block)
        if size > most:
            raise TooLarge("the body is too large")
        parts.append(block)
    return b"".join(parts)
