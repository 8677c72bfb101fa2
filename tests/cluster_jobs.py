"""Small jobs of every kind, as they are run on each engine, and a scheduler with workers as processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from affine import Affine
from pyproj import CRS

from cli_scene import hills, simple_rpc
from known_field import pair
from trueground.coreg import Blockwise, NuthKaab
from trueground.dem import Dem
from trueground.difference import Difference
from trueground.grid import Grid
from trueground.ortho import Orthoimage, ortho_grid
from trueground.raster import ArrayRaster, open_raster
from trueground.rpc.localization import Localization
from trueground.rpc.readers import rpc_for_image
from trueground.stats import statistics
from trueground.variogram import Variogram
from trueground.vectors import stable_terrain
from trueground.writer import write

RING = [[7.70, 46.45], [7.702, 46.45], [7.702, 46.452], [7.70, 46.452], [7.70, 46.45]]
BLOCK = 96  # px, so that small files have many


def make_files(folder: Path) -> Path:
    """Write a DEM with a wall that hides ground, an image with an RPC, a pair of DEMs, outlines."""
    crs = CRS.from_epsg(32632)
    on = Grid(crs=crs, transform=Affine(5.0, 0, 399_000.0, 0, -5.0, 5_146_200.0), shape=(480, 480))
    x, y = on.xy(*on.window.pixel_centres())
    heights = hills(x, y)
    heights[220:240, 180:300] += 150.0
    heights[20:30, 40:60] = np.nan
    write(ArrayRaster(array=heights.astype(np.float32), grid=on), folder / "dem.tif")
    plain = Grid(crs=None, transform=Affine.identity(), shape=(600, 600))
    noise = np.random.default_rng(0).integers(1, 1000, plain.shape, dtype=np.uint16)
    write(
        ArrayRaster(array=noise, grid=plain),
        folder / "image.tif",
        rpc_tags=simple_rpc(600).to_tags(),
    )
    reference, moving = pair("plane", size=480)
    write(reference, folder / "reference.tif")
    write(moving, folder / "moving.tif")
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon"}}
    feature["geometry"]["coordinates"] = [RING]  # type: ignore[index]
    (folder / "outline.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": [feature]})
    )
    return folder


def orthoimage(folder: Path, **settings) -> Orthoimage:
    """Return an orthoimage that nobody has computed yet."""
    image = open_raster(folder / "image.tif")
    rpc, dem = rpc_for_image(image), Dem.open(folder / "dem.tif", heights="egm96")
    return Orthoimage(image=image, rpc=rpc, dem=dem, grid=ortho_grid(image, rpc, dem), **settings)


def run_jobs(folder: Path, engine, out: Path) -> dict:
    """Do a job of each kind; return what was found, and arrays by name."""
    ortho = orthoimage(folder)
    write(ortho, out / "ortho.tif", engine=engine, block_size=BLOCK)
    found: dict = {"ortho": open_raster(out / "ortho.tif").read(ortho.grid.window)}
    found["hidden"] = ortho.hidden_share()
    lines = Localization(rpc=ortho.rpc, ground=ortho.dem, image_grid=ortho.image.grid, step=4)
    write(lines, out / "lines.tif", engine=engine, block_size=BLOCK)
    found["lines"] = open_raster(out / "lines.tif").read(lines.grid.window)
    found["counts"] = lines.counts(engine=engine)
    reference, moving = open_raster(folder / "reference.tif"), open_raster(folder / "moving.tif")
    alignment = NuthKaab(samples=20_000).fit(reference, moving, engine=engine)
    found["shift"] = np.array(alignment.matrix)
    write(alignment.apply(moving), out / "aligned.tif", engine=engine, block_size=BLOCK)
    found["aligned"] = open_raster(out / "aligned.tif").read(reference.grid.window)
    field = Blockwise(NuthKaab(), block_size=120).fit(reference, moving, engine=engine)
    found["blocks"] = np.array([b.shift for b in field.blocks])
    write(field.apply(moving), out / "warped.tif", engine=engine, block_size=BLOCK)
    found["warped"] = open_raster(out / "warped.tif").read(reference.grid.window)
    difference = Difference(first=reference, second=open_raster(out / "warped.tif"))
    valid = stable_terrain(
        ortho.dem.raster.grid, exclude=[folder / "outline.geojson"], include=[], mask=None
    )
    found["statistics"] = statistics(difference, engine=engine)
    found["stable"] = statistics(ortho.dem.raster, valid=valid, engine=engine)
    found["variogram"] = Variogram.of(difference, samples=3000, engine=engine, block_size=BLOCK)
    return found


@contextlib.contextmanager
def scheduler_and_workers(
    folder: Path, *, workers: int
) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """Start a scheduler and workers as anybody would, in another folder; give its address and them, itself first."""
    said = folder / "scheduler.json"
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    dask = [sys.executable, "-m", "dask"]
    words = [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    started = [
        subprocess.Popen(
            [*words, "--scheduler-file", str(said)], cwd=folder, env=environment, **quiet
        )
    ]
    try:
        until = time.monotonic() + 30.0
        while not said.exists() or not said.read_text().strip():
            assert time.monotonic() < until
            time.sleep(0.05)
        address = json.loads(said.read_text())["address"]
        for _ in range(workers):
            words = [*dask, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
            started.append(
                subprocess.Popen(
                    [*words, "--local-directory", str(folder)], cwd=folder, env=environment, **quiet
                )
            )
        yield address, started
    finally:
        for process in started[::-1]:
            process.kill()
            process.wait()
