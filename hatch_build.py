"""Build hook: a wheel carries the built player pages.

An editable install skips it, so that setting up a working copy needs no Node and no network;
`make web` builds there.
"""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WebBuildHook(BuildHookInterface):  # type: ignore[misc]
    """Runs scripts/build_web.py before a wheel is put together."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build unless this is an editable install or not a wheel."""
        if self.target_name == "wheel" and version != "editable":
            _builder(Path(self.root)).build(Path(self.root))


def _builder(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_web", root / "scripts" / "build_web.py")
    if spec is None or spec.loader is None:
        raise RuntimeError("scripts/build_web.py is missing from the source tree")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
