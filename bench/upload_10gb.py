"""A whole upload of 10 GB: `python -m bench.upload_10gb [--runs 5] [--gigabytes 10] [--smoke]`.

Parts of zeroes over HTTP to a `polycast up` of its own, four at once, then complete. Prints MB/s against
a plain copy of as many bytes with one fsync on the same disk, the seconds that complete takes (it joins the
parts without copying them: goal 2 s however large the file), and checks the size and hash of what is stored.
"""

import argparse
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from bench.installation import Installation
from bench.report import Report, told

GOAL_COMPLETE_S = 2.0
_BLOCK = bytes(1024 * 1024)


def blocks(size: int) -> Iterator[bytes]:
    """`size` zero bytes."""
    for at in range(0, size, len(_BLOCK)):
        yield _BLOCK[: min(len(_BLOCK), size - at)]


def upload(running: Installation, size: int) -> tuple[float, float, str]:
    """(seconds of all parts, seconds of complete, file id) of one upload."""
    with httpx.Client(headers={"X-Api-Key": running.key}, timeout=600) as api:

        def call(method: str, path: str, body: Any = None) -> Any:
            answer = api.request(method, f"{running.url}/videokit/vod/v1/files{path}", json=body)
            answer.raise_for_status()
            return answer.json()

        began = time.perf_counter()
        started = call("POST", "/start", {"name": "zeroes.mp4", "friendlyName": "zeroes", "fileSize": size})
        file, part = started["fileId"], started["partSize"]
        urls = dict(enumerate(started["multipartUrls"], 1))

        def put(number: int) -> dict[str, Any]:
            url = urls.get(number) or call("GET", f"/{file}/part/{number}")["url"]
            length = min(part, size - (number - 1) * part)
            answer = httpx.put(
                url, content=blocks(length), headers={"Content-Length": str(length)}, timeout=600
            )
            answer.raise_for_status()
            return {"partNumber": number, "eTag": answer.headers["etag"]}

        with ThreadPoolExecutor(4) as pool:
            parts = list(pool.map(put, range(1, started["partsCount"] + 1)))
        sent = time.perf_counter() - began
        began = time.perf_counter()
        call("POST", "/complete", {"fileId": file, "parts": parts})
        return sent, time.perf_counter() - began, str(file)


def copy(folder: Path, size: int) -> float:
    """Seconds to write as many bytes plainly."""
    target = folder / "plain"
    began = time.perf_counter()
    with target.open("wb") as out:
        for block in blocks(size):
            out.write(block)
        out.flush()
        os.fsync(out.fileno())
    seconds = time.perf_counter() - began
    target.unlink()
    return seconds


def stored_files(data: Path, size: int) -> list[Path]:
    return [path for path in data.rglob("source*.mp4") if path.stat().st_size == size]


def remove(running: Installation, file: str, size: int) -> None:
    """Delete the file and wait until its bytes are gone: a few of them would fill a disk."""
    httpx.delete(
        f"{running.url}/videokit/vod/v1/files/{file}", headers={"X-Api-Key": running.key}
    ).raise_for_status()
    deadline = time.monotonic() + 120
    while stored_files(running.data, size):
        if time.monotonic() > deadline:
            raise SystemExit("a deleted file is still there")
        time.sleep(0.1)


def check(data: Path, size: int) -> None:
    """What is stored is what was sent."""
    found = stored_files(data, size)
    assert found, "no stored file has the size that was sent"
    expected, stored = hashlib.sha256(), hashlib.sha256()
    for block in blocks(size):
        expected.update(block)
    with found[-1].open("rb") as file:
        while block := file.read(len(_BLOCK)):
            stored.update(block)
    assert stored.digest() == expected.digest(), "other bytes than were sent"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--gigabytes", type=float, default=10.0)
    parser.add_argument("--smoke", action="store_true", help="24 MB")
    given = parser.parse_args()
    size = 24 * 1024**2 if given.smoke else int(given.gigabytes * 1024**3)
    runs = 1 if given.smoke else given.runs
    sent: list[float] = []
    closed: list[float] = []
    plain: list[float] = []
    with tempfile.TemporaryDirectory(prefix="polycast-bench-") as folder:
        data = Path(folder) / "data"
        with Installation(data) as running:
            for run in range(1, runs + 1):
                plain.append(told("plain write", copy(Path(folder), size), "s"))
                seconds, complete, file = upload(running, size)
                sent.append(told("upload", seconds, "s"))
                closed.append(told("its complete", complete, "s"))
                if run == runs:
                    check(running.data, size)
                else:
                    remove(running, file, size)
    report = Report("upload_10gb")
    report.compare(f"upload of {size / 1e9:.1f} GB", "s", sent, "plain write with fsync", plain)
    report.limit("complete of that upload", "s", closed, goal=GOAL_COMPLETE_S)
    report.finish()


if __name__ == "__main__":
    main()
