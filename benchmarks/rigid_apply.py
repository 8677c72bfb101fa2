"""An alignment applied to a DEM in memory, in one thread, against scipy's interpolation of the same cells.

python benchmarks/rigid_apply.py [side]

Prints seconds (processor time, best of five), nanoseconds a cell and the ratio to
scipy.ndimage.map_coordinates (order 1, of one pass: no search for the place, holes spread), and nanoseconds a point of
`heights` at as many scattered points.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from affine import Affine
from pyproj import CRS, Transformer
from scipy.ndimage import map_coordinates

from trueground.coreg import Alignment
from trueground.coreg.motion import small
from trueground.grid import Grid
from trueground.raster import ArrayRaster

UTM = CRS.from_epsg(32633)
ORIGIN = (500_000.0, 5_000_000.0)


def terrain(grid):
    rows, cols = grid.window.pixel_centres()
    z = 1000.0 + 600.0 * np.sin(rows / 171.0) * np.cos(cols / 133.0)
    z = z + 20.0 * np.sin(rows / 7.0 + cols / 11.0)
    z[grid.shape[0] // 3 :: 997, ::13] = np.nan
    return ArrayRaster(array=z.astype(np.float32), grid=grid)


def alignment(step):
    west, south, east, north = (ORIGIN[0], ORIGIN[1] - 3e4, ORIGIN[0] + 3e4, ORIGIN[1])
    return Alignment(
        matrix=small(step),
        centroid=((west + east) / 2, (south + north) / 2, 900.0),
        crs=UTM.to_wkt(), method="benchmark", nmad_before=0.0, nmad_after=0.0, samples=0,
    )  # fmt: skip


def best(function, repeats=5):
    function()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def main(side=3000):
    utm = Grid(crs=UTM, transform=Affine(10, 0, ORIGIN[0], 0, -10, ORIGIN[1]), shape=(side, side))
    lon, lat = Transformer.from_crs(UTM, 4326, always_xy=True).transform(*ORIGIN)
    wgs = Grid(
        crs=CRS.from_epsg(4326),
        transform=Affine(1.3e-4, 0, lon, 0, -0.9e-4, lat),
        shape=(side, side),
    )
    turn = np.radians(0.01)
    shift, rigid = (7.3, -4.1, 2.0, 0, 0, 0, 0), (7.3, -4.1, 2.0, turn, -turn, turn, 0)
    cells = side * side
    source = terrain(utm)
    rows, cols = np.mgrid[0:side, 0:side] + 0.4
    old = best(lambda: map_coordinates(source.array[0], [rows, cols], order=1, cval=np.nan), 2)
    print(f"scipy map_coordinates, order 1: {old:.3f} s, {old / cells * 1e9:.1f} ns a cell")
    rng = np.random.default_rng(0)
    inner = (utm.bounds[0] + 500, utm.bounds[1] + 500, utm.bounds[2] - 500, utm.bounds[3] - 500)
    number = 1_000_000
    x, y = rng.uniform(inner[0], inner[2], number), rng.uniform(inner[1], inner[3], number)
    block = (side - 100) // 8
    order = np.lexsort((x, y, ((x - inner[0]) // (block * 10)), ((y - inner[1]) // (block * 10))))
    x, y = x[order], y[order]  # as in a fit: by blocks
    for name, raster in (("UTM", source), ("degrees", terrain(wgs))):
        for what, step in (("shift", shift), ("rigid", rigid)):
            for resampling in ("bilinear", "cubic"):
                moved = alignment(step).apply(raster, resampling=resampling)
                one = best(lambda m=moved: m.read(m.grid.window))
                point = best(lambda m=moved: m.heights(x, y))
                print(
                    f"{name:8} {what} {resampling:8}: {one:.3f} s, {one / cells * 1e9:5.1f} ns a cell, "
                    f"{old / one:5.1f} times as fast; heights {point / number * 1e9:5.1f} ns a point"
                )


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:]))
