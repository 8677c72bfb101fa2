"""A small scene, and the command line in this process, for inputs with anything in them."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from cli_scene import hills, simple_rpc
from fuzz_run import ran
from fuzz_settings import HANGS, SLOW, Survives
from trueground.grid import Grid
from trueground.raster import ArrayRaster
from trueground.writer import write


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `in` with a scene, a folder `out`, and a folder beside that nobody may touch."""
    top = tmp_path_factory.mktemp("fuzz")
    for name in ("in", "out", "beside"):
        (top / name).mkdir()
    (top / "beside/precious.tif").write_bytes(b"precious")
    place = Affine(20.0, 0, 399_000.0, 0, -20.0, 5_146_200.0)
    grid = Grid(crs=CRS.from_epsg(32632), transform=place, shape=(80, 80))
    x, y = grid.xy(*grid.window.pixel_centres())
    write(ArrayRaster(array=hills(x, y).astype(np.float32), grid=grid), top / "in/dem.tif")
    moved = hills(x + 5.0, y - 3.0).astype(np.float32)
    write(ArrayRaster(array=moved, grid=grid), top / "in/moving.tif")
    plain = Grid(crs=None, transform=Affine.identity(), shape=(100, 100))
    pixels = np.arange(10_000, dtype=np.uint16).reshape(100, 100)
    tags = simple_rpc(100).to_tags()
    write(ArrayRaster(array=pixels, grid=plain), top / "in/image.tif", rpc_tags=tags)
    return top


def state(folder: Path) -> dict[str, tuple[str, int]]:
    """Return what files are there, with what they hold."""
    return {
        str(p.relative_to(folder)): (hashlib.sha256(p.read_bytes()).hexdigest(), p.lstat().st_mtime_ns)
        for p in folder.rglob("*")
        if p.is_file()
    }  # fmt: skip


@pytest.fixture
def survives(place: Path, monkeypatch: pytest.MonkeyPatch) -> Survives:
    """Run a command that may fail: soon, in one line, without a traceback, and writing in `out` alone."""
    monkeypatch.chdir(place / "in")
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")

    def go(words: Sequence[str], *, clean: bool = True) -> str:
        before = {n: state(place / n) for n in ("in", "beside")}
        code, said, took, passed = ran(words)
        lines = [line for line in said.splitlines() if line.startswith("error: ")]
        assert code in (0, 1, 2), said
        assert len(lines) == (code != 0), said
        assert "Traceback" not in said
        assert "please report" not in said, said
        assert took < SLOW, (took, said)
        assert passed < HANGS, (passed, said)
        assert {n: state(place / n) for n in ("in", "beside")} == before
        if code:
            assert not [p for p in (place / "out").rglob(".*") if ".part" in p.name]
        if clean:
            shutil.rmtree(place / "out")
            (place / "out").mkdir()
        return lines[0] if code else ""

    return go


@pytest.fixture(autouse=True, scope="session")
def _console_of_its_own() -> None:
    """Errors go where `sys.stderr` is at the moment."""
    assert sys.stderr is not None
    os.environ.setdefault("COLUMNS", "100")
