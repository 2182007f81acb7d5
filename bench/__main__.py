"""All benches, or some: `python -m bench [NAME …] [--smoke] [--list]`; what follows `--` goes to each script.

Each script runs alone, one after the other. What it prints, its figures and the machine are kept in
`bench/results/DATE-NAME.json` (options behind the name), and its rows for docs/benchmarks.md in a `.md` beside
it; smoke runs keep nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import describe, line
from bench.report import markdown

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "bench"

RESULTS = FOLDER / "results"


def scripts() -> dict[str, Path]:
    """Benches by name: the scripts here that know `--smoke`; the others are parts of them."""
    found = sorted(path for path in FOLDER.glob("*.py") if path.name != "__main__.py")
    return {path.stem: path for path in found if '"--smoke"' in path.read_text(encoding="utf-8")}


def run(name: str, more: list[str], *, smoke: bool) -> bool:
    """Run one script with its output passed through; False when it failed."""
    facts = describe()
    print(f"== {name}: {line(facts)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="polycast-bench-") as folder:
        figures = Path(folder) / "figures.json"
        command = [sys.executable, "-m", f"bench.{name}", *(["--smoke"] if smoke else []), *more]
        printed: list[str] = []
        with subprocess.Popen(
            command,
            cwd=ROOT,  # benches are modules of the repository, and use its tests' support
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "POLYCAST_BENCH_JSON": str(figures)},
        ) as child:
            assert child.stdout is not None
            for text in child.stdout:
                sys.stdout.write(text)
                sys.stdout.flush()
                printed.append(text.rstrip("\n"))
        rows = json.loads(figures.read_text(encoding="utf-8")) if figures.exists() else []
    if child.returncode:
        print(f"== {name} failed with code {child.returncode}", flush=True)
        return False
    if not smoke:
        keep(name, facts, printed, rows, more)
    return True


def keep(
    name: str, facts: dict[str, Any], printed: list[str], rows: list[dict[str, Any]], more: list[str]
) -> None:
    """Write the result; a second run of the same bench with the same options replaces the first of that day."""
    RESULTS.mkdir(exist_ok=True)
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    result = {
        "bench": name,
        "date": day,
        "arguments": more,
        "machine": facts,
        "figures": rows,
        "printed": printed,
    }
    label = "-".join([name, *(text.strip("-") for text in more)])
    target = RESULTS / f"{day}-{label}.json"
    target.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if rows:
        table = "\n".join(markdown(row) for row in rows)
        target.with_suffix(".md").write_text(f"{table}\n", encoding="utf-8")
    print(f"== kept in {target.relative_to(ROOT)}", flush=True)


def table() -> str:
    """The table of docs/benchmarks.md: of each bench, with each set of options, what was kept last."""
    newest = {path.stem[len("2026-01-01-") :]: path for path in sorted(RESULTS.glob("*.json"))}
    lines = ["| what | median | p95 | against | ratio | goal | met |", "|---|---|---|---|---|---|---|"]
    for _, path in sorted(newest.items()):
        lines += [markdown(row) for row in json.loads(path.read_text(encoding="utf-8"))["figures"]]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    known = scripts()
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument(
        "--smoke", action="store_true", help="each as small and as often as shows that it runs"
    )
    parser.add_argument("--list", action="store_true", help="names, one a line")
    parser.add_argument("--table", action="store_true", help="rows of the newest kept results")
    own, _, more = _split(sys.argv[1:])
    given = parser.parse_args(own)
    if given.list:
        print("\n".join(known))
        return 0
    if given.table:
        print(table())
        return 0
    if unknown := [name for name in given.names if name not in known]:
        parser.error(f"no bench {', '.join(unknown)}; there are {', '.join(known)}")
    done = [run(name, more, smoke=given.smoke) for name in given.names or known]
    return 0 if all(done) else 1


def _split(arguments: list[str]) -> tuple[list[str], str, list[str]]:
    if "--" not in arguments:
        return arguments, "", []
    place = arguments.index("--")
    return arguments[:place], "--", arguments[place + 1 :]


if __name__ == "__main__":
    sys.exit(main())
