"""The files of the built player, over HTTP."""

import os
from pathlib import Path
from typing import Final

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOR_EVER: Final = "public, max-age=31536000, immutable"
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
        answer = super().file_response(full_path, stat_result, scope, status_code)
        hashed = Path(full_path).parent.name == _HASHED
        answer.headers["cache-control"] = FOR_EVER if hashed else "no-cache"
        return answer
