"""The reports of a small scene, made once, and the browser that they are opened in."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--no-first-run",
)  # fmt: skip


def _lacking(reason: str) -> None:
    """Skip, or fail where a browser is required."""
    if os.environ.get("TRUEGROUND_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program; a skip, or a failure, where it or what drives it is missing."""
    found = next((place for name in _NAMES if (place := shutil.which(name))), None)
    if found is None:
        _lacking("no Chromium is installed; Debian: apt-get install chromium")
    if importlib.util.find_spec("playwright") is None:
        _lacking("playwright is not installed; pip install -e '.[browser]'")
    return str(found)


@pytest.fixture(scope="session")
def reports(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one page of each kind."""
    folder = tmp_path_factory.mktemp("reports")
    script = Path(__file__).with_name("make_pages.py")
    made = subprocess.run(
        [sys.executable, script, folder],
        env={**os.environ, "PYTHONPATH": str(script.parents[1])},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """Chromium, opened; for one module, since it keeps an event loop running."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium, args=_QUIET)
        yield opened
        opened.close()
