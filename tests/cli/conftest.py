"""A small scene on disk, and the command line as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from cli_scene import SHIFT, Run, hills, simple_rpc
from trueground.grid import Grid
from trueground.raster import ArrayRaster
from trueground.writer import write


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reference and moving DEM, an image with RPC, the RPC alone, outlines."""
    folder = tmp_path_factory.mktemp("scene")
    crs = CRS.from_epsg(32632)
    # UTM 32N of the image's centre is about (400200, 5145000)
    grid = Grid(
        crs=crs, transform=Affine(10.0, 0, 399_000.0, 0, -10.0, 5_146_200.0), shape=(240, 240)
    )
    x, y = grid.xy(*grid.window.pixel_centres())
    write(ArrayRaster(array=hills(x, y).astype(np.float32), grid=grid), folder / "reference.tif")
    moved = hills(x + SHIFT[0], y + SHIFT[1]) - SHIFT[2]
    moved[20:30, 40:60] = np.nan
    write(ArrayRaster(array=moved.astype(np.float32), grid=grid), folder / "moving.tif")
    rng = np.random.default_rng(0)
    plain = Grid(crs=None, transform=Affine.identity(), shape=(300, 300))
    image = ArrayRaster(array=rng.integers(1, 1000, (300, 300), dtype=np.uint16), grid=plain)
    write(image, folder / "image.tif", rpc_tags=simple_rpc(300).to_tags())
    write(image, folder / "no_rpc.tif")
    far = Grid(crs=crs, transform=Affine(10.0, 0, 700_000.0, 0, -10.0, 4_000_000.0), shape=(50, 50))
    write(ArrayRaster(array=np.ones((50, 50), dtype=np.float32), grid=far), folder / "far.tif")
    ring = [[7.70, 46.45], [7.702, 46.45], [7.702, 46.452], [7.70, 46.452], [7.70, 46.45]]
    feature = {
        "type": "Feature",
        "properties": {},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    (folder / "outline.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": [feature]})
    )
    (folder / "garbage.tif").write_bytes(b"this is not an image" * 50)
    return folder


@pytest.fixture
def run(scene: Path, tmp_path: Path) -> Run:
    """Run `trueground` as a process of its own in the scene's folder; `out` stands for a fresh folder."""

    def go(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        words = [str(a).replace("out/", f"{tmp_path}/") for a in arguments]
        return subprocess.run(
            [sys.executable, "-W", "error::DeprecationWarning:trueground", "-m", "trueground", *words],
            cwd=scene, capture_output=True, text=True, check=False, timeout=300,
            env={**os.environ, "COLUMNS": "100"}, **options,
        )  # type: ignore[call-overload]  # fmt: skip

    return go
