"""Heights at the nodes of the moving DEM, where a blunder spoils one cell and none of its neighbours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from trueground.coreg.base import Alignment
from trueground.coreg.medians import weighted_median
from trueground.coreg.pairs import Pair
from trueground.kernels import medians
from trueground.projection import count_longitudes_as, project
from trueground.stats import NMAD_FACTOR

Float = NDArray[np.float64]
_FAR = 10.0  # NMADs from the median, beyond which a difference is a blunder
_MANY = 0.002  # of all differences: fewer move nothing
_COARSE = 1.5  # pixels of the reference; nodes farther apart are too far for a slope to tell of


def height_without_blunders(pair: Pair, found: Alignment, dh: Float) -> float:
    """Return by how much a moved DEM is too low where blunders do not reach; 0 where there are few of them.

    A kernel spreads a blunder of the moving DEM over sixteen cells: of 5 % blunders, over half of all, too little to be
    seen in most and to one side on average: 50 m of them lower the DEM by 0.35 m. At a node of the moving DEM there is
    no other in its height. Each cell is moved to the nearest, at most half a pixel, by the slope of the reference, and
    the median of the differences taken that are no blunders there. The horizontal shift is left alone: blunders spread
    alike to all sides, and the noise of the slopes, which are its regressors, is in the differences at nodes.

    Parameters
    ----------
    pair
        Cells and slopes of a raster.
    found
        Where the moving DEM has been brought.
    dh
        (n,) differences that are left.
    """
    if pair.points or np.count_nonzero(_blunders(dh)) <= _MANY * dh.size:
        return 0.0
    moved = _at_nodes(pair, found)
    if moved is None:
        return 0.0
    there = moved.dh(found)
    clean = np.isfinite(there) & ~_blunders(there)
    left = weighted_median(there[clean], pair.cells.weight[clean])
    return left if np.isfinite(left) else 0.0


def _blunders(dh: Float) -> NDArray[np.bool_]:
    """Tell which differences (n,) are blunders; False where they are not known."""
    _, median, spread = medians.spread(dh)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(dh - median) > _FAR * NMAD_FACTOR * spread)


def _at_nodes(pair: Pair, found: Alignment) -> Pair | None:
    """Return the pair with its cells at nodes of the moved DEM; None where these are too far apart."""
    grid, cells = pair.moving.grid, pair.cells

    def to_grid(x: Float, y: Float) -> tuple[Float, Float]:
        return (x, y) if pair.crs is None else project(pair.crs, grid.crs, x, y)

    def from_grid(x: Float, y: Float) -> tuple[Float, Float]:
        return (x, y) if pair.crs is None else project(grid.crs, pair.crs, x, y)

    x, y, z = found.inverse().transform(cells.x, cells.y, cells.z)
    x, y = to_grid(x, y)
    row, col = grid.rowcol(count_longitudes_as(grid, x), y)
    node = from_grid(*grid.xy(np.floor(row) + 0.5, np.floor(col) + 0.5))
    x, y, _ = found.transform(*node, z)
    dx, dy = x - cells.x, y - cells.y
    way = np.hypot(dx, dy)
    if not way[np.isfinite(way)].max(initial=0.0) <= np.sqrt(0.5) * _COARSE * pair.pixel:
        return None
    z = cells.z + cells.slope_x * dx + cells.slope_y * dy
    return replace(pair, cells=cells._replace(x=x, y=y, z=z))
