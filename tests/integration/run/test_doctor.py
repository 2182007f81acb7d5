"""`polycast doctor`: each thing is broken once, and must be found with a way to mend it."""

import asyncio
import io
import subprocess
import sys
from pathlib import Path

import boto3  # type: ignore[import-untyped]
import pytest
from rich.console import Console

from polycast.cli import doctor
from polycast.cli.findings import Finding, Verdict
from polycast.cli.ports import free_port
from polycast.settings import Settings, load
from tests.integration.run.installations import environment, install
from tests.support.postgres import RunPostgres
from tests.support.s3 import s3_server


async def _finding(name: str, settings: Settings) -> Finding:
    [check] = [each for each in doctor.CHECKS if (each.__doc__ or "").strip(".").lower() == name.lower()]
    [finding] = await doctor.examine(settings, [check])
    assert finding.name == name
    return finding


def _settings(data: Path, **given: object) -> Settings:
    return load(data=data, http_host="127.0.0.1", http_port=free_port(), **given)


async def test_a_whole_installation_is_well(tmp_path: Path) -> None:
    findings = await doctor.examine(_settings(tmp_path / "data"))
    assert {each.name: each for each in findings if each.verdict is Verdict.FAIL} == {}
    assert [each.name for each in findings] == [
        "ffmpeg program", "FFmpeg in PyAV", "packager", "sandbox", "player pages", "data folder", "disk",
        "media store", "database", "port", "TLS", "clock",
    ]  # fmt: skip
    assert not (tmp_path / "data").exists(), "looking changes nothing"


@pytest.mark.parametrize(
    ("answer", "verdict", "said"),
    [
        ("ffmpeg version 8.1.1 Copyright", Verdict.FAIL, "older than 8.1.2"),
        ("ffmpeg version n8.1.2-static Copyright", Verdict.OK, "8.1.2"),
        ("ffmpeg version N-121000-gdeadbee Copyright", Verdict.WARN, "not known"),
        ("segmentation fault", Verdict.FAIL, "does not run"),
    ],
)
async def test_the_ffmpeg_program(tmp_path: Path, answer: str, verdict: Verdict, said: str) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\necho {answer}\n")
    program.chmod(0o755)
    found = await _finding("ffmpeg program", _settings(tmp_path / "data", ffmpeg=str(program)))
    assert found.verdict is verdict
    assert said in found.detail
    assert verdict is Verdict.OK or found.mend


async def test_an_ffmpeg_that_is_not_there(tmp_path: Path) -> None:
    found = await _finding("ffmpeg program", _settings(tmp_path, ffmpeg="/nonexistent/ffmpeg"))
    assert found.verdict is Verdict.FAIL
    assert "POLYCAST_FFMPEG" in found.mend


def test_a_package_that_is_missing(tmp_path: Path) -> None:
    """The other checks are made nevertheless."""
    code = (
        "import sys; sys.modules['av'] = None; sys.argv = ['polycast', 'doctor']\n"
        "from polycast.cli.main import run; run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(DATA=str(tmp_path / "data"), HTTP_PORT=str(free_port())) | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "fail ffmpeg in pyav" in done.stdout
    assert "ModuleNotFoundError" in done.stdout
    assert "clock" in done.stdout
    assert "Traceback" not in done.stderr


async def test_names_are_shown_as_they_are(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    await doctor.report(_settings(tmp_path / "a [red] b"), console)
    assert "a [red] b" in console.file.getvalue()  # type: ignore[attr-defined]


async def test_a_bucket_that_pages_may_not_upload_to(tmp_path: Path) -> None:
    with s3_server() as endpoint:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=endpoint, **keys)
        settings = _settings(
            tmp_path, store="s3://films/here", s3_endpoint=endpoint, s3_access_key="x", s3_secret_key="y"
        )
        found = await _finding("media store", settings)
        assert (found.verdict, bool(found.mend)) == (Verdict.FAIL, True)
        client.create_bucket(Bucket="films")
        assert (await _finding("media store", settings)).verdict is Verdict.WARN
        rule = {"AllowedOrigins": ["*"], "AllowedMethods": ["GET", "PUT"], "ExposeHeaders": ["ETag"]}
        client.put_bucket_cors(Bucket="films", CORSConfiguration={"CORSRules": [rule]})
        assert await _finding("media store", settings) == Finding(
            "media store", Verdict.OK, "s3://films/here"
        )
        assert "Contents" not in client.list_objects_v2(Bucket="films"), "nothing is left behind"


async def test_a_data_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/self")):
        found = await _finding("data folder", _settings(place))
        assert found.verdict is Verdict.FAIL, place
        assert "POLYCAST_DATA" in found.mend


async def test_a_secret_that_others_can_read(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_text("x" * 64)
    (tmp_path / "secret.key").chmod(0o644)
    found = await _finding("data folder", _settings(tmp_path))
    assert (found.verdict, found.mend) == (Verdict.FAIL, f"chmod 600 {tmp_path}/secret.key")


@pytest.mark.parametrize(("made_by", "mend"), [(16, "polycast upgrade"), (99, "newer")])
async def test_a_cluster_of_another_postgresql(tmp_path: Path, made_by: int, mend: str) -> None:
    cluster = tmp_path / "postgres" / "cluster"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text(f"{made_by}\n")
    found = await _finding("database", _settings(tmp_path))
    assert found.verdict is Verdict.FAIL
    assert mend in found.mend


async def test_a_database_that_does_not_answer(tmp_path: Path) -> None:
    url = f"postgresql://user:s3cret@127.0.0.1:{free_port()}/x"
    findings = await doctor.examine(_settings(tmp_path, database_url=url))
    [database] = [each for each in findings if each.name == "database"]
    assert database.verdict is Verdict.FAIL
    assert "refused" in database.detail
    assert "s3cret" not in database.detail
    [clock] = [each for each in findings if each.name == "clock"]
    assert "against" not in clock.detail, "a clock that was not asked is not compared with"


async def test_the_clock_is_compared_with_the_databases(tmp_path: Path, postgres: RunPostgres) -> None:
    url = postgres.create()
    for written in (url, url.replace("postgresql://", "postgresql+psycopg://")):
        found = await _finding("clock", _settings(tmp_path, database_url=written))
        assert found.verdict is Verdict.OK
        assert "against the database's" in found.detail
    postgres.drop(url)


async def test_a_database_of_another_key(tmp_path: Path, postgres: RunPostgres) -> None:
    url = postgres.create()
    settings, _ = await install(tmp_path / "one", database_url=url)
    assert (await _finding("database", settings)).verdict is Verdict.OK
    found = await _finding("database", _settings(tmp_path / "two", database_url=url))
    assert found.verdict is Verdict.FAIL
    assert "POLYCAST_SECRET_KEY" in found.detail
    assert not (tmp_path / "two").exists(), "looking changes nothing"
    postgres.drop(url)


async def test_a_taken_port(tmp_path: Path) -> None:
    def another_program(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-other\r\n")
        writer.close()

    async with await asyncio.start_server(another_program, "127.0.0.1", 0) as taken:
        port = taken.sockets[0].getsockname()[1]
        found = await _finding("port", load(data=tmp_path, http_host="127.0.0.1", http_port=port))
    assert found.verdict is Verdict.FAIL
    assert str(port) in found.detail
    assert "POLYCAST_HTTP_PORT" in found.mend


async def test_a_certificate_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("nothing")
    settings = _settings(tmp_path, tls_certificate=tmp_path / "c.pem", tls_key=tmp_path / "c.pem")
    assert (await _finding("TLS", settings)).verdict is Verdict.FAIL
