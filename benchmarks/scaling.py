"""What limits a job on many workers: costs measured here, a model of them, and its check by 1, 2 and 4 workers.

    python benchmarks/scaling.py [--blocks 60] [--workers 1,2,4]

Measured: processor time of a pixel (an orthoimage; fit and warp of an alignment in blocks), of writing one, of a task,
of bringing a result home. The model: workers share what they compute; one process brings home and writes what is one
file; the scheduler hands out tasks, one after the other. Whichever takes longest is how long it takes:

    T = start + max(N compute / W, N (home + write), N task) + N field

With `--tiles` the workers write, and the middle term is gone; `field` is what one process does with the shifts of all
blocks. It is checked with real schedulers, tasks, transfers and
files, but workers that sleep for as long as a block takes to compute, so that four of them find room on two cores.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from scenes_dem import bent
from scenes_ortho import make_scene, tiles

from trueground import Blockwise, Dask, Dem, NuthKaab, Orthoimage, open_raster, ortho_grid
from trueground.coreg.blocks.field import fit_field
from trueground.engine import Serial
from trueground.grid import Grid, Window
from trueground.raster import ArrayRaster, Raster
from trueground.rpc.readers import rpc_for_image
from trueground.tiles import TileStore
from trueground.writer import write

SIDE = 1024  # px of a block
MANY = 160  # blocks along each side of an area, for its field
SIZE = 3072  # px of what is measured
TILE = 4096  # px
FAR = 10**12  # px


@dataclass(frozen=True, kw_only=True)
class Sleeping:
    """Pixels that take as long as they are said to, and no processor."""

    grid: Grid
    seconds: float
    dtype = np.dtype(np.float32)
    nodata = float("nan")
    count = 1

    def read(self, window: Window) -> NDArray[np.float32]:
        time.sleep(self.seconds * window.size / SIDE**2)
        noise = np.random.default_rng(window.row * 7919 + window.col)
        z = 1000.0 + noise.standard_normal(window.shape, dtype=np.float32)
        return z[np.newaxis].astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Seconds."""

    compute: float
    """Of a block of 1024 x 1024 px, read, computed."""
    write: float
    """Of a block, packed and written by one process."""
    home: float
    """Of a block of float32 from a worker to here."""
    task: float
    """Of a task for the scheduler, and for the process that asks for it."""
    start: float
    """Of two workers."""
    field: float = 0.0
    """Of a block, for the field of shifts."""

    def whole(self, blocks: float, workers: int, *, tiled: bool) -> tuple[float, str]:
        """Return the time that a job takes, and what it waits for."""
        shared = self.compute + self.task + (self.write if tiled else 0.0)
        tasks = blocks * (SIDE / TILE) ** 2 if tiled else blocks
        parts = {"workers": blocks * shared / workers, "scheduler": tasks * self.task}
        if not tiled:
            parts["the one writer"] = blocks * (self.home + self.write)
        slowest = max(parts, key=lambda name: parts[name])
        field = blocks * self.field
        if field > parts[slowest]:
            slowest = "the field of shifts"
        return self.start + max(parts.values()) + field, slowest


def north_up(shape: tuple[int, int]) -> Grid:
    return Grid(
        crs=CRS.from_epsg(32633), transform=Affine(10.0, 0, 5e5, 0, -10.0, 8e6), shape=shape
    )


def of_block(raster: Raster) -> float:
    """Return processor seconds of a block, computed one after the other; the second time."""
    windows = [b.core for b in raster.grid.blocks(SIDE)]
    for _ in range(2):
        start = time.process_time()
        for _ in Serial().map(raster.read, windows):
            pass
        spent = time.process_time() - start
    return spent / (raster.grid.window.size / SIDE**2)


def measure(folder: Path, waiting: Dask, *, start: float) -> dict[str, Costs]:
    """Measure all costs."""
    whole = SIZE**2 / SIDE**2
    tiles(folder)
    image, heights = make_scene(folder, SIZE)
    picture = open_raster(image)
    rpc, dem = rpc_for_image(picture), Dem.open(heights, heights="ellipsoid")
    ortho = of_block(
        Orthoimage(image=picture, rpc=rpc, dem=dem, grid=ortho_grid(picture, rpc, dem), occlusion="ignore")
    )  # fmt: skip
    bent(folder, SIZE)
    reference, moving = (open_raster(folder / f"{n}.tif") for n in ("reference", "moving"))
    for _ in range(2):
        begin = time.process_time()
        found = Blockwise(NuthKaab(), block_size=500).fit(reference, moving, engine=Serial())
        fit = (time.process_time() - begin) / whole
    warp = of_block(found.apply(moving))
    held = ArrayRaster(array=moving.read(moving.grid.window), grid=moving.grid)
    written = []
    for _ in range(3):
        begin = time.process_time()
        write(held, folder / "copy.tif", engine=Serial())
        written.append((time.process_time() - begin) / whole)
    many = [Window(k, 0, 1, 1) for k in range(2000)]
    begin = time.perf_counter()
    for _ in waiting.map(hash, many):
        pass
    task = (time.perf_counter() - begin) / len(many)
    large = Sleeping(grid=north_up((SIDE, 60 * SIDE)), seconds=0.0)
    begin = time.perf_counter()
    for _ in waiting.map(large.read, [b.core for b in large.grid.blocks(SIDE)]):
        pass
    home = (time.perf_counter() - begin) / 60.0
    side = np.arange(MANY) * 5000.0
    x, y = (v.ravel() for v in np.meshgrid(side, side))
    shifts = np.random.default_rng(0).normal(0.0, 0.3, (x.size, 3))
    shifts += 20.0 * np.sin(np.stack([x, y, x + y], axis=1) / 1e5)
    begin = time.process_time()
    fit_field((x, y), shifts, np.full_like(shifts, 0.3), size=(5000.0, 5000.0))
    field = (time.process_time() - begin) / x.size * (SIDE / 500.0) ** 2
    common = Costs(compute=0.0, write=min(written), home=home, task=task, start=start)
    return {
        "ortho": replace(common, compute=ortho),
        "align --blocks 500": replace(common, compute=fit + warp, field=field),
    }


def check(costs: Costs, workers: int, blocks: int, folder: Path) -> None:
    """Run a job of workers that sleep, as one file and as tiles; print its time and the model's."""
    begin = time.perf_counter()
    with Dask(workers=workers) as engine:
        started = time.perf_counter() - begin
        for tiled in (False, True):
            side = int(np.ceil(np.sqrt(blocks))) * SIDE
            raster = Sleeping(grid=north_up((side, side)), seconds=costs.compute)
            begin = time.perf_counter()
            if tiled:
                store = TileStore(folder=folder / f"tiles{workers}", size=2 * SIDE)
                store.write(raster, engine=engine)
            else:
                write(raster, folder / "whole.tif", engine=engine)
            took = time.perf_counter() - begin
            expected, slowest = replace(costs, start=0.0).whole(
                side**2 / SIDE**2, workers, tiled=tiled
            )
            print(
                f"  {workers} workers, {'tiles' if tiled else 'one file'}: {took:.1f} s, model {expected:.1f} s "
                f"({took / expected - 1.0:+.0%}; waits for {slowest}); load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
    print(f"  {workers} workers: started in {started:.1f} s")


def main() -> None:
    """Measure, check and extrapolate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=60)
    parser.add_argument("--workers", default="1,2,4")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begin = time.perf_counter()
        with Dask(workers=2) as waiting:
            start = time.perf_counter() - begin
            found = measure(folder, waiting, start=start)
        for job, costs in found.items():
            print(
                f"{job}: {1e3 * costs.compute:.0f} ms a block of {SIDE} x {SIDE} px, write {1e3 * costs.write:.0f} ms, "
                f"home {1e3 * costs.home:.0f} ms, task {1e3 * costs.task:.2f} ms, "
                f"field {1e3 * costs.field:.2f} ms, start {costs.start:.1f} s"
            )
        middle = statistics.median(c.compute for c in found.values())
        for workers in map(int, given.workers.split(",")):
            check(replace(found["ortho"], compute=max(middle, 0.1)), workers, given.blocks, folder)
        for job, costs in found.items():
            for tiled in (False, True):
                for workers in (1, 10, 100, 1000):
                    seconds, slowest = costs.whole(FAR / SIDE**2, workers, tiled=tiled)
                    how = "tiles" if tiled else "one file"
                    print(
                        f"{job}, 10^12 px, {how}, {workers} workers: {seconds / 3600.0:.2f} h, waits for {slowest}"
                    )


if __name__ == "__main__":
    main()
