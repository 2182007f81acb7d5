"""The build of the player runs only when its sources changed."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[4] / "scripts" / "build_web.py"


@pytest.fixture(scope="module")
def build_web() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_web", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree with sources and nothing built."""
    web = tmp_path / "web"
    (web / "src" / "style").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "src/player.ts"):
        (web / name).write_text("{}")
    (tmp_path / "src" / "polycast" / "web" / "dist").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("name", ["package-lock.json", "src/player.ts", "src/style/new.css"])
def test_every_source_counts(build_web: ModuleType, tree: Path, name: str) -> None:
    before = build_web.source_hash(tree / "web")
    assert build_web.source_hash(tree / "web") == before
    (tree / "web" / name).write_text("changed")
    assert build_web.source_hash(tree / "web") != before


def test_what_is_current_is_left_alone(build_web: ModuleType, tree: Path) -> None:
    dist = tree / "src" / "polycast" / "web" / "dist"
    (dist / "manifest.json").write_text("{}")
    (dist / build_web.BUILT_STAMP).write_text(build_web.source_hash(tree / "web"))
    assert build_web.build(tree) is False


def test_moving_a_line_between_files_is_a_change(build_web: ModuleType, tree: Path) -> None:
    (tree / "web" / "src" / "a.ts").write_text("one")
    (tree / "web" / "src" / "b.ts").write_text("two")
    before = build_web.source_hash(tree / "web")
    (tree / "web" / "src" / "a.ts").write_text("onetwo")
    (tree / "web" / "src" / "b.ts").write_text("")
    assert build_web.source_hash(tree / "web") != before
