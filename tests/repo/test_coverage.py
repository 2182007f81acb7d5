"""docs/coverage.md says what the marked tests prove, and nothing else."""

import importlib.util

from tests.repo.files import ROOT


def test_the_coverage_page_is_that_of_the_marked_tests() -> None:
    spec = importlib.util.spec_from_file_location("coverage_page", ROOT / "scripts" / "coverage.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # mend with: .venv/bin/python scripts/coverage.py --run [tests/contract/...]
    assert module.problems() == []
