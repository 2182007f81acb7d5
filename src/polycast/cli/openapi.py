"""`polycast openapi DIALECT`: the document as the running server would answer it."""

import asyncio
import tempfile
from pathlib import Path

from polycast.domain.errors import Invalid, NotSupported
from polycast.settings import DIALECTS, Settings


def document(dialect: str, settings: Settings) -> str:
    """The OpenAPI document of a dialect as JSON.

    Raises:
        Invalid: no such dialect.
        NotSupported: not in this version.
    """
    if dialect not in DIALECTS:
        raise Invalid(f"unknown API {dialect!r}: one of {', '.join(DIALECTS)}", field="dialect")
    # describing routes needs the wiring alone: no folder, key or database of the installation is touched
    with tempfile.TemporaryDirectory(prefix="polycast-openapi-") as folder:
        apart = settings.model_copy(
            update={"data": Path(folder), "store": "", "database_url": "postgresql://localhost/none"}
        )
        return asyncio.run(_ask(dialect, apart))


async def _ask(dialect: str, settings: Settings) -> str:
    import httpx

    from polycast.bootstrap import build_platform, running
    from polycast.server import FACTORIES

    async with running(build_platform(settings, settings.database_url)) as platform:
        transport = httpx.ASGITransport(FACTORIES[dialect](platform.services))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.get("/openapi.json")
    if answer.status_code != 200:
        raise NotSupported(f"the API {dialect} is not in this version")
    return answer.text.rstrip() + "\n"
