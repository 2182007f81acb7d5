"""Generated clips and the toolkit, for all tests of the media engine."""

from pathlib import Path

import pytest

from polycast.media.toolkit import MediaToolkit
from tests.support.media import FFMPEG, Media


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Media:
    """Clips of `tests.support.media`, made once per run."""
    return Media.for_run(tmp_path_factory)


@pytest.fixture
def toolkit(tmp_path: Path) -> MediaToolkit:
    """The toolkit as in production: every child sandboxed."""
    return MediaToolkit(ffmpeg=FFMPEG, work_root=tmp_path)
