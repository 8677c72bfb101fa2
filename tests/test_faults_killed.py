"""`kill -9` at each step of writing: under the final name is all or what was there, and the next run tidies up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot copy a process")
WRITERS = Path(__file__).with_name("killed_writers.py")
SECOND = 2.0


def killed_at_each_step(kind: str, folder: Path, before: str) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, str(WRITERS), kind, str(folder), before],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    assert [step["ended"] for step in steps] == [False] * (len(steps) - 1) + [True]
    return steps


@pytest.mark.parametrize(
    ("kind", "before"),
    [
        *((kind, "new") for kind in ("GeoTIFF", "COG", "Zarr store", "folder of tiles", "text", "table")),
        *((kind, "old") for kind in ("GeoTIFF", "COG", "Zarr store", "text", "table")),
    ],
)  # fmt: skip
def test_killed_while_writing(tmp_path: Path, kind: str, before: str) -> None:
    steps = killed_at_each_step(kind, tmp_path, before)
    assert len(steps) >= 5
    old = 1.0 if before == "old" else None
    found = [step["found"] for step in steps]
    if kind == "Zarr store" and old is not None:  # two renames: in between, neither has the name
        between = found.index(None)
        assert any(name.endswith(".old") for name in steps[between]["left"])
        del found[between]
    first = found.index(SECOND)
    assert found == [old] * first + [SECOND] * (len(found) - first)
    assert first > 2
    assert any(step["left"] for step in steps) or kind == "folder of tiles"
    assert all(step["again"] for step in steps)
    assert all(step["rest"] == [] for step in steps)
