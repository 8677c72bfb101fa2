"""Where compiled kernels are kept, and which of them are removed."""

import os
import time
from pathlib import Path

import pytest

from trueground import kernels

DAY = 86_400.0


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "trueground"
    for name, days in (("kernels-old", 200.0), ("kernels-recent", 20.0), ("world-old", 200.0)):
        (folder / name / "workers").mkdir(parents=True)
        (folder / name / "code").write_bytes(b"x")
        used = time.time() - days * DAY
        os.utime(folder / name, (used, used))
    return folder


def test_a_new_version_removes_kernels_that_nobody_used_for_long(home: Path) -> None:
    made = kernels._cache_folder()
    assert made.parent == home
    assert {p.name for p in home.iterdir()} == {made.name, "kernels-recent", "world-old"}


def test_a_version_that_is_there_removes_nothing_and_counts_as_used(home: Path) -> None:
    made = home / f"kernels-{kernels._DIGEST}"
    made.mkdir()
    os.utime(made, (0.0, 0.0))
    assert kernels._cache_folder() == made
    assert (home / "kernels-old").exists()
    assert time.time() - made.stat().st_mtime < DAY
