"""Peak memory and time of `localize_on` over a DEM of 30,000 x 30,000 px, made on the fly; commands: table 5 of run.py.

Usage: python benchmarks/memory.py [--dem-size 30000] [--points 1000000] [--folder DIR]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measure import Command
from numpy.typing import NDArray
from pyproj import CRS
from scenes_ortho import GSD, affine_rpc

from trueground.grid import Grid, Window
from trueground.writer import write


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


def command(folder: Path, size: int, number: int) -> Command:
    """Return what locates positions all over an image of 4/3 of a DEM's size."""
    image = size * 4 // 3
    rpc = affine_rpc(image, GSD)
    half = GSD * image * 0.53
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
    words = [sys.executable, "-c", LOCALIZE, path, terms, image, number]
    return Command(name="localize_on", words=words, heard=True)


def main() -> None:
    """Make the DEM, run, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dem-size", type=int, default=30_000)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--folder", default=None)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        spent = command(Path(name), asked.dem_size, asked.points).once()
    print(
        f"localize_on, DEM of {asked.dem_size} x {asked.dem_size} px: {spent.peak:.0f} MB peak, "
        f"{spent.wall:.1f} s wall, {spent.cpu:.1f} s processor; {spent.said['printed']}"
    )


if __name__ == "__main__":
    main()
