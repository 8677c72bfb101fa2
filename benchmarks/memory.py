"""Peak memory and time of `align`, `ortho` and `localize_on` on large rasters made on the fly.

Usage: python benchmarks/memory.py [--size 12000] [--dem-size 30000] [--folder DIR]

Each command runs as a process of its own; the figures are the operating system's (ru_maxrss, user + system time).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
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

from trueground.grid import Grid, Window
from trueground.rpc.model import Rpc
from trueground.writer import write


@dataclass(frozen=True)
class Waves:
    """Hills made of waves, evaluated exactly at a shifted place."""

    grid: Grid
    dtype: np.dtype
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    noise: float = 0.0
    count = 1

    @property
    def nodata(self) -> float | None:
        return float("nan") if self.dtype.kind == "f" else 0.0

    def read(self, window: Window) -> NDArray:
        x, y = self.grid.xy(*window.pixel_centres())
        size = self.grid.resolution[0]
        x, y = (
            (x - self.shift[0] - self.grid.transform.c) / size,
            (y - self.shift[1] - self.grid.transform.f) / size,
        )
        values = 800.0 + self.shift[2]
        for k, (length, height) in enumerate(((4000, 300.0), (900, 80.0), (230, 25.0), (60, 6.0))):
            values = values + height * np.sin(2 * np.pi * x / length + k) * np.cos(
                2 * np.pi * y / (length * 0.8) + 2 * k
            )
        rng = np.random.default_rng([window.row, window.col])
        values = values + rng.normal(0.0, self.noise, values.shape)
        return values[np.newaxis].astype(self.dtype)


def affine_rpc(size: int, gsd_degrees: float) -> Rpc:
    """Return an RPC of an oblique, almost affine view: 15 degrees off the vertical."""
    zeros = [0.0] * 20
    lean = 0.27 * 500.0 / 0.5 / (size / 2)  # px a normalised unit of height
    line = [0.0, 0.0, -1.0, lean, 1e-4, 1e-5, 1e-5, *zeros[7:]]
    samp = [0.0, 1.0, 0.0, 0.3 * lean, 1e-4, 1e-5, 1e-5, *zeros[7:]]
    one = [1.0, 1e-5, 1e-5, 1e-5, *zeros[4:]]
    return Rpc(
        line_off=size / 2, samp_off=size / 2, lat_off=45.0, long_off=9.0, height_off=800.0,
        line_scale=size / 2, samp_scale=size / 2,
        lat_scale=gsd_degrees * size / 2, long_scale=1.4 * gsd_degrees * size / 2,
        height_scale=500.0, line_num=line, line_den=one, samp_num=samp, samp_den=one,
    )  # fmt: skip


def measured(arguments: list[str]) -> tuple[float, float, float, str]:
    """Run a command; return its peak memory [MB], wall time and processor time [s], and what it printed."""
    start = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    printed = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{arguments[:3]} failed")
    return (
        usage.ru_maxrss / 1024,
        time.perf_counter() - start,
        usage.ru_utime + usage.ru_stime,
        printed.strip(),
    )


@dataclass(frozen=True)
class Tiled:
    """Hills that repeat every 512 px, at different heights: quick to make, and small on the disk."""

    grid: Grid
    dtype = np.dtype(np.float32)
    nodata = float("nan")
    count = 1

    def read(self, window: Window) -> NDArray:
        row, col = window.pixel_centres()
        hills = np.sin(2 * np.pi * row / 512) * np.cos(2 * np.pi * col / 512)
        far = np.floor(row / 512) % 7 + np.floor(col / 512) % 5
        return (600.0 + np.rint(150.0 * hills) + 40.0 * far)[np.newaxis].astype(np.float32)


# Positions all over an image, at random and along its rows, and every pixel of a chunk.
LOCALIZE = """
import json, sys
import numpy as np
from trueground import Dem, Rpc
from trueground.rpc.localize import localize_on
terms, size, number = json.loads(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
rpc, dem = Rpc(**terms), Dem.open(sys.argv[1], heights="ellipsoid")
rng = np.random.default_rng(0)
side = int(number**0.5)
row, col = rng.uniform(0, size, (2, number))
found = localize_on(rpc, dem, row, col)
good = int((found.status == 0).sum())
at = np.linspace(0.5, size - 0.5, side)
good += int((localize_on(rpc, dem, at[:, None], at[None, :]).status == 0).sum())
at = size / 2 + np.arange(side) + 0.5
good += int((localize_on(rpc, dem, at[:, None], at[None, :]).status == 0).sum())
print(f"{good} of {number + 2 * side * side} positions found")
"""


def localize_on_a_large_dem(
    folder: Path, size: int, number: int
) -> tuple[float, float, float, str]:
    """Locate positions all over an image of 4/3 of a DEM's size, and measure the process."""
    image = size * 4 // 3
    rpc = affine_rpc(image, 0.5 / 111_000.0)
    half = 0.5 / 111_000.0 * image * 0.53
    grid = Grid.covering(
        (9.0 - 1.4 * half, 45.0 - half, 9.0 + 1.4 * half, 45.0 + half),
        (2.8 * half / size, 2 * half / size),
        crs=CRS.from_epsg(4326),
    )
    path = write(Tiled(grid), folder / "large.tif")
    names = [
        f"{n}_{k}" for n in ("line", "samp", "lat", "long", "height") for k in ("off", "scale")
    ]
    names += ["line_num", "line_den", "samp_num", "samp_den"]
    terms = json.dumps({n: getattr(rpc, n) for n in names})
    return measured([sys.executable, "-c", LOCALIZE, str(path), terms, str(image), str(number)])


def main() -> None:
    """Make the inputs, run the commands and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=12_000)
    parser.add_argument("--dem-size", type=int, default=30_000)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--folder", default=None)
    options = parser.parse_args()
    size = options.size
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        memory, wall, cpu, printed = localize_on_a_large_dem(
            Path(name), options.dem_size, options.points
        )
        print(
            f"localize_on, DEM of {options.dem_size} x {options.dem_size} px: {memory:.0f} MB peak, "
            f"{wall:.1f} s wall, {cpu:.1f} s processor; {printed}",
            flush=True,
        )
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        utm = Grid(
            crs=CRS.from_epsg(32632),
            transform=Affine(10.0, 0, 400_000.0, 0, -10.0, 5_200_000.0),
            shape=(size, size),
        )
        f4, u2 = np.dtype(np.float32), np.dtype(np.uint16)
        write(Waves(utm, f4), folder / "reference.tif")
        write(Waves(utm, f4, (-13.0, 8.0, -2.0), 1.0), folder / "moving.tif")
        degrees = 0.5 / 111_000.0
        rpc = affine_rpc(size, degrees)
        plain = Grid(crs=None, transform=Affine.identity(), shape=(size, size))
        write(Waves(plain, u2), folder / "image.tif", rpc_tags=rpc.to_tags())
        half = degrees * size * 0.8
        dem = Grid.covering(
            (9.0 - 1.4 * half, 45.0 - half, 9.0 + 1.4 * half, 45.0 + half),
            (2.8 * half / size, 2 * half / size),
            crs=CRS.from_epsg(4326),
        )
        write(Waves(dem, f4), folder / "dem.tif")
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"inputs of {size} x {size} px made; peak memory of this process {own:.0f} MB")
        tool = [sys.executable, "-m", "trueground"]
        for title, command in (
            (
                "align",
                [
                    "align",
                    "reference.tif",
                    "moving.tif",
                    "-o",
                    "aligned.tif",
                    "--moving-heights",
                    "ellipsoid",
                    "--reference-heights",
                    "ellipsoid",
                ],
            ),
            (
                "ortho",
                [
                    "ortho",
                    "image.tif",
                    "--dem",
                    "dem.tif",
                    "--heights",
                    "ellipsoid",
                    "-o",
                    "ortho.tif",
                ],
            ),
        ):
            paths = [str(folder / a) if a.endswith(".tif") else a for a in command]
            memory, wall, cpu, printed = measured([*tool, *paths])
            print(
                f"{title}: {memory:.0f} MB peak, {wall:.1f} s wall, {cpu:.1f} s processor; {printed.splitlines()[0]}"
            )


if __name__ == "__main__":
    main()
