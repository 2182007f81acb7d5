"""Which browser of this machine the tests use."""

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = "Chromium is not installed"
"""why a test that needs one is skipped"""


def find_chromium() -> str | None:
    """Path of Chromium or Chrome, or of the program that POLYCAST_TEST_CHROMIUM names; None when there is none."""
    return os.environ.get("POLYCAST_TEST_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
