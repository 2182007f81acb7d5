"""Operations of the contract that this version does not do: 501 with the reason, never a silent 404."""

from collections.abc import Awaitable, Callable
from types import MappingProxyType

from polycast.dialects.routing import Section
from polycast.dialects.videokit.auth import CallerDep
from polycast.domain.errors import NotSupported

# an answer per call and no body read: these routes are no part of the document either
router = Section(include_in_schema=False)

_RECORDING = "/cvr/v1/recordings"
_ANALYTICS = "/streaming/v1/analytics"
REASONS = MappingProxyType(
    {
        "live channels and events are not part of this version": (
            "GET /live/v1/channels",
            "POST /live/v1/channels",
            "GET /live/v1/channels/limit",
            "GET /live/v1/channels/{id}",
            "PATCH /live/v1/channels/{id}",
            "DELETE /live/v1/channels/{id}",
            "POST /live/v1/channels/{id}/start",
            "POST /live/v1/channels/{id}/stop",
            "GET /live/v1/channels/{id}/status",
            "GET /live/v1/channels/{id}/stats",
            "GET /live/v1/channels/{id}/configuration",
            "GET /live/v1/channelsstatus",
            "GET /live/v1/captions/languages",
            "GET /live/v1/events",
            "POST /live/v1/events",
            "POST /live/v1/events/deletemany",
            "GET /live/v1/events/{id}",
            "PATCH /live/v1/events/{id}",
            "DELETE /live/v1/events/{id}",
        ),
        "recordings of live channels are not part of this version": (
            f"GET {_RECORDING}",
            f"POST {_RECORDING}",
            f"POST {_RECORDING}/deletemany",
            f"POST {_RECORDING}/outputs/progress",
            f"GET {_RECORDING}/{{id}}",
            f"PATCH {_RECORDING}/{{id}}",
            f"DELETE {_RECORDING}/{{id}}",
            f"POST {_RECORDING}/{{id}}/outputs",
            f"DELETE {_RECORDING}/{{recordingId}}/outputs/{{id}}",
            f"GET {_RECORDING}/{{id}}/outputs/{{outputId}}/progress",
        ),
        "analytics queries are not part of this version": (
            *(f"POST {_ANALYTICS}/queries/{name}" for name in ("count", "sum", "avg", "median")),
            *(f"POST {_ANALYTICS}/ads/queries/{name}" for name in ("count", "sum", "avg")),
            f"POST {_ANALYTICS}/metrics/max_concurrentviewers",
            f"POST {_ANALYTICS}/impressions",
        ),
    }
)
# what players and packagers call, without the key of an API
OPEN_REASONS = MappingProxyType(
    {
        "concurrent access protection is not part of this version": (
            "POST /heartbeat/v1/heartbeat/{tenantId}",
        ),
        "DRM is not part of this version": (
            "POST /acquire-license/{system}",
            "GET /certificate/fairplay",
            "POST /kms/cpix",
        ),
    }
)


def _with_key(reason: str) -> Callable[..., Awaitable[None]]:
    async def refuse(caller: CallerDep) -> None:
        raise NotSupported(reason)

    return refuse


def _open(reason: str) -> Callable[..., Awaitable[None]]:
    async def refuse() -> None:
        raise NotSupported(reason)

    return refuse


for _table, _make in ((REASONS, _with_key), (OPEN_REASONS, _open)):
    for _reason, _calls in _table.items():
        for _call in _calls:
            _method, _, _path = _call.partition(" ")
            router.add_api_route(_path, _make(_reason), methods=[_method])
