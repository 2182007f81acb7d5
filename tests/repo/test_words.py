"""The repository speaks of the product alone, and installs from the public registries alone."""

import re
import tomllib

from tests.repo.files import ROOT, shown, tracked

# of the machine it was written on; put together here so that this file passes its own test
FORBIDDEN = [
    re.compile(pattern)
    for pattern in (r"/work" r"/(shared|main|\.library)\b", r"/root" r"/\.", r"/tmp/(run|brief)" r"/")
]
PUBLIC = re.compile(r"https://[a-z.]+\.org")
"""a mirror of one company or machine has another name, or a port"""
BINARY = {".png", ".jpg", ".webp", ".mp4", ".m4s", ".woff2", ".ico", ".bin", ".gif", ".avif"}


def test_no_paths_of_the_machine_it_was_written_on() -> None:
    found = []
    for path in tracked():
        if path.suffix in BINARY or "corpus" in path.parts:
            continue
        text = path.read_text(errors="replace")
        found += [(shown(path), match[0]) for pattern in FORBIDDEN if (match := pattern.search(text))]
    assert found == []


def test_python_packages_come_from_the_public_registry() -> None:
    hosts = set(re.findall(r"https?://[^/\"]+", (ROOT / "uv.lock").read_text()))
    assert len(hosts) <= 2
    assert all(PUBLIC.fullmatch(host) for host in hosts), hosts


def test_front_end_packages_come_from_the_public_registry() -> None:
    for name in ("web/package-lock.json", "tests/clients/package-lock.json"):
        hosts = set(re.findall(r'"resolved": "(https?://[^/"]+)', (ROOT / name).read_text()))
        assert all(PUBLIC.fullmatch(host) for host in hosts), hosts


def test_the_changelog_knows_the_version() -> None:
    """A released version has its heading; what is not released yet stands above all."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    [first, *_] = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first in ("Unreleased", version)


def test_links_in_the_documents_lead_somewhere() -> None:
    dead = []
    for page in (path for path in tracked() if path.suffix == ".md"):
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            if re.match(r"[a-z]+:|#", target):
                continue
            if not (page.parent / target.partition("#")[0]).exists():
                dead.append((shown(page), target))
    assert dead == []
