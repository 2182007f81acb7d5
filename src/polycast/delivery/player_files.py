"""The files of the built player, over HTTP; by gzip where the build packed them and the client takes that."""

import os
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from polycast.protocols.coding import takes_gzip

FOR_EVER: Final = "public, max-age=31536000, immutable"
PACKED: Final = ".gz"
"""end of the name of a packed copy beside its file"""
_HASHED: Final = "assets"
"""folder of the build in which each name carries a hash of its content"""


class PlayerFiles(StaticFiles):
    """Serves a build. A name with a hash stands for one content only and is kept for ever; others are asked again.

    Args:
        dist: folder of the build; it may come after the start, until then every name is answered 404.
    """

    def __init__(self, dist: Path) -> None:
        super().__init__(directory=dist, check_dir=False)

    async def check_config(self) -> None:
        """Nothing: a folder that is not there yet is no error."""

    def file_response(
        self,
        full_path: "os.PathLike[str] | str",
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """The file, or 304, with how long it may be kept."""
        hashed = Path(full_path).parent.name == _HASHED
        packed = Path(f"{full_path}{PACKED}")
        if hashed and packed.is_file() and takes_gzip(Headers(scope=scope).get("accept-encoding", "")):
            answer = super().file_response(packed, packed.stat(), scope, status_code)
            if answer.status_code != 304:
                answer.headers["content-encoding"] = "gzip"
        else:
            answer = super().file_response(full_path, stat_result, scope, status_code)
        answer.headers["cache-control"] = FOR_EVER if hashed else "no-cache"
        if hashed:
            answer.headers["vary"] = "accept-encoding"
        return answer
