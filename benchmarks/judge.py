"""Errors of files against the truth, as JSON.

python benchmarks/judge.py ortho FILE DATA SIZE      # of a coordinate-coded orthoimage [px of the image]
python benchmarks/judge.py dh FILE REFERENCE         # NMAD of what is left to a reference [m]
python benchmarks/judge.py surface FILE              # of a DEM of scenes_dem.py to its terrain without noise [m]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import rasterio

from trueground.difference import Difference
from trueground.engine import Threads
from trueground.grid import Grid
from trueground.raster import open_raster
from trueground.stats import statistics

CELLS = 10  # along each side of a box whose mean is taken: noise of 1 m becomes 0.1 m
MARGIN = 50  # px at the border that are left out


def ortho(path: str, data: str, size: str) -> dict[str, float]:
    """Return errors of a coordinate-coded orthoimage, each pixel against the exact chain."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from ortho_reference import errors, exact_positions, ventoux_cases

    case = ventoux_cases(Path(data), int(size))[0]
    with rasterio.open(path) as file:
        values = file.read(masked=True).astype(np.float64).filled(np.nan)
    grid: Grid = open_raster(path).grid
    values = np.where(values[:2] > 0.0, values[:2], np.nan)
    apart = errors(case, values, *exact_positions(case, grid))
    there = apart[np.isfinite(apart)]
    found = {
        "px": float(there.max()),
        "px in the median": float(np.median(there)),
        "% missing": 100.0 * (1.0 - there.size / apart.size),
    }
    if there.size < apart.size / 2:
        found["px"] = float("nan")
    return found


def dh(path: str, reference: str) -> dict[str, float]:
    """Return the NMAD of the difference."""
    pair = Difference(first=open_raster(reference), second=open_raster(path))
    return {"m": float(statistics(pair, engine=Threads(2)).nmad)}


def surface(path: str) -> dict[str, float]:
    """Return the RMS of means of boxes of cells over the true terrain."""
    from scenes_dem import Mountains

    raster = open_raster(path)
    grid = raster.grid
    true = Mountains(grid=grid, bent=False, noise=0.0).read(grid.window)[0]
    off = (raster.read(grid.window)[0] - true)[MARGIN:-MARGIN, MARGIN:-MARGIN]
    rows, cols = (n // CELLS * CELLS for n in off.shape)
    boxes = off[:rows, :cols].reshape(rows // CELLS, CELLS, cols // CELLS, CELLS)
    means = boxes.mean(axis=(1, 3), dtype=np.float64)
    return {
        "m": float(np.sqrt(np.nanmean(means**2))),
        "% missing": 100.0 * float(np.isnan(off).mean()),
    }


if __name__ == "__main__":
    print(json.dumps({"ortho": ortho, "dh": dh, "surface": surface}[sys.argv[1]](*sys.argv[2:])))
