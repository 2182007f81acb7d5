"""docs/benchmarks.md says what was measured: its table is that of the kept results, none added, none left out."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_is_that_of_the_results() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "bench", "--table"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    text = (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
    assert printed in text, "put the output of `python -m bench --table` into docs/benchmarks.md"
