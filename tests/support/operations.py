"""A pytest plugin: which operations of the contracts were proven to act, written as a report.

    pytest -p tests.support.operations -m operation --operations-report report.json

An operation acts when at least one test marked `operation("dialect.id")` passed and none failed. A mark may
say what is still missing: `operation("dialect.id", partly="...")`.
"""

import json
from collections import defaultdict
from pathlib import Path

import pytest

_OUTCOMES = "operation_outcomes"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--operations-report", help="write proven operations to this file")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):  # type: ignore[no-untyped-def]
    outcome = yield
    report = outcome.get_result()
    marks = [[str(m.args[0]), str(m.kwargs.get("partly", ""))] for m in item.iter_markers("operation")]
    if marks:
        # on the report itself: that is what a worker process sends to the one that writes
        report.user_properties.append((_OUTCOMES, marks))


class _Collector:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._passed: dict[str, set[str]] = defaultdict(set)
        self._partly: dict[str, str] = {}
        self._failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, marks in report.user_properties:
            if name != _OUTCOMES:
                continue
            assert isinstance(marks, list)
            for operation, partly in marks:
                if report.failed:
                    self._failed.add(operation)
                elif report.when == "call" and report.passed:
                    self._passed[operation].add(report.nodeid.split("[")[0])
                    if partly:
                        self._partly[operation] = partly

    def pytest_sessionfinish(self) -> None:
        proven = {
            operation: {"tests": sorted(tests), "partly": self._partly.get(operation, "")}
            for operation, tests in sorted(self._passed.items())
            if operation not in self._failed
        }
        self._path.write_text(json.dumps(proven, indent=1) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--operations-report")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Collector(Path(path)))
