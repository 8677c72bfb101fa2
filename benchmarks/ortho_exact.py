"""Geometric error of every pixel of coordinate-coded orthoimages: trueground's and gdalwarp's.

Usage: python benchmarks/ortho_exact.py [--data FOLDER] [--size 1500] [--no-gdal]

The value of each pixel of the image is its own row (band 1) and column (band 2), in double precision. Bilinear
interpolation of a ramp is exact, so that each value of the orthoimage says where in the image it was taken. It is held
against the exact chain of `tests/ortho_reference.py`: pyproj at every pixel, bilinear heights and RPC in numpy.
Ends with 1 where trueground's median exceeds 0.0005 px, its largest 0.005 px, or a pixel is missing.

gdalwarp is the system's (Debian's gdal-bin), with RPC_DEM of plain ellipsoidal heights, bilinear for image and DEM.
XSCALE and YSCALE of 1 keep it from widening its kernel where a pixel of the output is a little larger along one axis:
the wider kernel, cut to whole pixels, does not keep a ramp (up to 0.08 px), which is no error of the geometry.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import rasterio

from trueground.grid import Grid
from trueground.rpc.writers import exact_tags
from trueground.writer import write

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from ortho_reference import (
    Case,
    arctic_case,
    errors,
    exact_positions,
    made,
    native_grid,
    ventoux_cases,
)

MEDIAN, LARGEST = 0.0005, 0.005  # px
METRE = 1.0 / 111_000.0  # degrees


def approximated(metres: float, grid: Grid) -> list[str]:
    """Let gdalwarp approximate the map projection alone; units are those of the reference systems."""
    source, target = metres * METRE, metres * METRE if grid.crs.is_geographic else metres
    pairs = {"SRC": source, "DST": target}
    return [
        text
        for side, value in pairs.items()
        for text in ("-to", f"REPROJECTION_APPROX_ERROR_IN_{side}_SRS_UNIT={value:.12f}")
    ]


def variants(grid: Grid) -> dict[str, list[str]]:
    return {
        "gdalwarp": [],
        "gdalwarp -et 0.125": ["-et", "0.125"],
        "gdalwarp, approximate projection 1 mm": approximated(0.001, grid),
        "gdalwarp, approximate projection 2 cm": approximated(0.02, grid),
    }


def warped(folder: Path, grid: Grid, options: list[str]) -> np.ndarray:
    """Run gdalwarp onto a grid; NaN where it shows nothing."""
    west, south, east, north = grid.bounds
    (folder / "gdal.tif").unlink(missing_ok=True)
    command = [
        "gdalwarp", "-q", "-t_srs", f"EPSG:{grid.crs.to_epsg()}",
        "-te", *(repr(v) for v in (west, south, east, north)),
        "-ts", str(grid.shape[1]), str(grid.shape[0]), "-r", "bilinear", "-dstnodata", "-9999",
        "-wo", "XSCALE=1", "-wo", "YSCALE=1",
        "-to", f"RPC_DEM={folder / 'dem.tif'}", *options, folder / "image.tif", folder / "gdal.tif",
    ]  # fmt: skip
    subprocess.run(command, check=True)
    with rasterio.open(folder / "gdal.tif") as file:
        values = file.read()
    return np.where(values == -9999.0, np.nan, values)


def line(title: str, found: np.ndarray) -> str:
    """Return figures over the pixels that are there, and the number of those that are not."""
    there = found[np.isfinite(found)]
    middle, high = np.percentile(there, [50, 99])
    return (
        f"  {title:<40}{middle:>11.2g}{high:>11.2g}{there.max():>11.2g}{found.size - there.size:>9}"
    )


def run(case: Case, target: str, folder: Path | None) -> bool:
    """Print the figures of one case; tell whether trueground's are within the bounds."""
    grid = native_grid(case, case.targets[target])
    row, col = exact_positions(case, grid)
    mine = errors(case, made(case, grid).read(grid.window), row, col)
    print(f"{case.name}, {target}: {mine.size / 1e6:.2f} Mpx")
    print(line("trueground", mine), flush=True)
    for title, options in variants(grid).items() if folder else ():
        print(line(title, errors(case, warped(folder, grid, options), row, col)), flush=True)
    return bool(mine.size) and float(np.median(mine)) <= MEDIAN and float(mine.max()) <= LARGEST


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=os.environ.get("TRUEGROUND_DATA", "../shared/data"))
    parser.add_argument("--size", type=int, default=1500)
    parser.add_argument("--no-gdal", action="store_true")
    options = parser.parse_args()
    cases = [*ventoux_cases(Path(options.data), options.size), arctic_case(options.size)]
    print(f"  {'error [px of the image]':<40}{'median':>11}{'99 %':>11}{'max':>11}{'missing':>9}")
    bad = []
    for case in cases:
        with tempfile.TemporaryDirectory() as name:
            folder = None if options.no_gdal else Path(name)
            if folder:
                write(case.image, folder / "image.tif", rpc_tags=exact_tags(case.rpc))
                write(case.dem.raster, folder / "dem.tif")
            bad += [f"{case.name}, {t}" for t in case.targets if not run(case, t, folder)]
    if bad:
        sys.exit(f"beyond {MEDIAN} px in the median or {LARGEST} px at most: {'; '.join(bad)}")


if __name__ == "__main__":
    main()
