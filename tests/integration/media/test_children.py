"""Whose fault it is when a child ends badly: the file's, or this machine's."""

from pathlib import Path

import pytest

from polycast.domain.errors import ChildFailed, Unreadable
from polycast.media.children.protocol import STUMBLED
from polycast.media.toolkit import MediaToolkit
from tests.support.media import FFMPEG, Media


async def test_an_unforeseen_error_in_a_child_names_itself(toolkit: MediaToolkit) -> None:
    with pytest.raises(ChildFailed) as caught:
        await toolkit._run_python_child("probe", {"no": "source"})
    assert caught.value.returncode == STUMBLED
    assert "KeyError" in caught.value.stderr_tail


async def test_a_child_that_cannot_start_is_no_damaged_file(media: Media, tmp_path: Path) -> None:
    broken = MediaToolkit(ffmpeg=FFMPEG, work_root=tmp_path, python="/bin/false")
    with pytest.raises(ChildFailed):
        await broken.probe(media.clip("h264"))


async def test_a_stalled_parser_is_a_damaged_file(
    media: Media, toolkit: MediaToolkit, monkeypatch: pytest.MonkeyPatch
) -> None:
    from polycast.media import probe
    from polycast.media.toolkit_runner import ToolLimits

    monkeypatch.setattr(probe, "PROBE_LIMITS", ToolLimits(wall_s=0.01))
    with pytest.raises(Unreadable):
        await toolkit.probe(media.clip("h264"))


async def test_the_child_reads_its_file_and_no_other(
    media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    request = {"source": str(media.clip("h264")), "max_dimension": 1, "max_tracks": 1, "max_duration_s": 1}
    with pytest.raises(ChildFailed) as caught:
        await toolkit._run_python_child("probe", request, read=[tmp_path])
    assert "PermissionError" in caught.value.stderr_tail
    assert caught.value.returncode == 1, "the file would be called damaged"
