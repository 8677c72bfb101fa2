"""The whole `trueground align --blocks` on large DEMs, against the cost of reading both twice and writing one.

    python benchmarks/blockwise_scale.py [--size 20000] [--pair FOLDER]

The pair (float32, tiled zstd, noise of 1 m, a field of shifts of a few pixels) is made once, in FOLDER where it is
given and stays there. Reading and writing are measured with the same driver, compression and two threads.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

from trueground.engine import Threads
from trueground.grid import Grid, Window
from trueground.raster import open_raster
from trueground.writer import write

BLOCK = 500  # px
PIXEL = 10.0  # m
READ = 1024  # px read at a time
TWO = Threads(2)


@dataclass(frozen=True, kw_only=True)
class Mountains:
    """Waves from 300 m to 12 km with noise; bent by a smooth field of shifts where it is the moving DEM."""

    grid: Grid
    bent: bool
    dtype = np.dtype(np.float32)
    nodata = float("nan")
    count = 1

    def read(self, window: Window) -> NDArray[np.float32]:
        rows, cols = self.grid.shape
        row, col = (v.astype(np.float32) for v in window.pixel_centres())
        x, y = np.broadcast_arrays(PIXEL * col, PIXEL * row)
        up = np.float32(0.0)
        if self.bent:
            u, v = col / cols, row / rows
            x = x + 35.0 * np.exp(-((u - 0.4) ** 2 + (v - 0.3) ** 2) / 0.2)
            y = y - 25.0 * np.sin(2.0 * u + v)
            up = 3.0 * np.sin(3.0 * v)
        z = np.full(window.shape, 1000.0, dtype=np.float32)
        rng = np.random.default_rng(5)
        for length in np.geomspace(300.0, 12_000.0, 8):
            bearing, phase = rng.uniform(0.0, 2.0 * np.pi, 2)
            k = np.float32(2.0 * np.pi / length)
            along = np.float32(np.cos(bearing)) * x + np.float32(np.sin(bearing)) * y
            z += np.float32(150.0 * (length / 12_000.0) ** 0.8) * np.sin(
                k * along + np.float32(phase)
            )
        noise = np.random.default_rng([window.row, window.col, self.bent])
        z += noise.standard_normal(window.shape, dtype=np.float32) - up
        return z[np.newaxis]


def make(folder: Path, size: int) -> None:
    """Write the pair, where it is not there yet."""
    grid = Grid(
        crs=CRS.from_epsg(32633), shape=(size, size),
        transform=Affine(PIXEL, 0.0, 500_000.0, 0.0, -PIXEL, 8_000_000.0),
    )  # fmt: skip
    for name, bent in (("reference", False), ("moving", True)):
        path = folder / f"{name}.tif"
        if not path.exists():
            write(Mountains(grid=grid, bent=bent), path, engine=TWO, block_size=READ)


def reading(path: Path) -> float:
    """Return the seconds that reading all of a raster takes."""
    raster = open_raster(path)
    start = time.perf_counter()
    for _ in TWO.map(
        lambda w: float(raster.read(w)[0, 0, 0]), (b.core for b in raster.grid.blocks(READ))
    ):
        pass
    return time.perf_counter() - start


def input_and_output(folder: Path) -> tuple[float, float]:
    """Return wall and processor seconds of reading both DEMs twice and writing one."""
    begin = time.process_time()
    reference, moving = folder / "reference.tif", folder / "moving.tif"
    read = [reading(p) for p in (reference, moving, reference)]
    start = time.perf_counter()
    write(open_raster(moving), folder / "copy.tif", engine=TWO)
    copied = time.perf_counter() - start
    (folder / "copy.tif").unlink()
    print(
        f"  reading {', '.join(f'{t:.1f}' for t in read)} s; reading and writing {copied:.1f} s",
        flush=True,
    )
    return sum(read) + copied, time.process_time() - begin


def command(folder: Path, passes: int) -> tuple[float, float, float]:
    """Run `trueground align` with two threads; return wall and processor seconds, and its peak of memory [MB]."""
    output = folder / "aligned.tif"
    arguments = [
        sys.executable, "-m", "trueground", "align", str(folder / "reference.tif"), str(folder / "moving.tif"),
        "-o", str(output), "--blocks", str(BLOCK), "--threads", "2", "--passes", str(passes), "--quiet",
    ]  # fmt: skip
    start = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    printed = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - start
    if status:
        sys.exit(f"the command failed: {' '.join(arguments)}")
    print("  " + printed.strip().replace("\n", "\n  "), flush=True)
    output.unlink()
    return took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Make the pair, measure both, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument(
        "--pair", type=Path, help="folder with reference.tif and moving.tif; made there otherwise"
    )
    parser.add_argument("--passes", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = asked.pair or Path(name)
        folder.mkdir(exist_ok=True)
        make(folder, asked.size)
        rows, cols = open_raster(folder / "moving.tif").grid.shape
        print(f"{cols} x {rows} px, load {os.getloadavg()[0]:.1f}", flush=True)
        cost, work = min(input_and_output(folder) for _ in range(2))
        took, processor, memory = command(folder, asked.passes)
        print(f"reading both DEMs twice and writing one: {cost:.1f} s, {work:.0f} s processor")
        print(
            f"trueground align --blocks {BLOCK}: {took:.1f} s ({processor:.0f} s processor), {memory:.0f} MB at most"
        )
        ratio = (
            f"{took / cost:.2f} times the cost ({processor / work:.2f} times the processor time)"
        )
        print(f"{ratio}; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
