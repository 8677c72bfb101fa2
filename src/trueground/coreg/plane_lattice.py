"""Pixels of a raster at points of a plane of another reference system, by a lattice of exact nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from trueground.grid import Grid
from trueground.projection import count_longitudes_as, project

Float = NDArray[np.float64]
_TOLERANCE = 1e-4  # px
_QUARTER = np.array([0.375, 0.75, -0.125])  # weights of three nodes at a quarter of a cell


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneLattice:
    """Row and column of a raster on a lattice over a part of the plane; a value depends on its place alone."""

    first: tuple[int, int]
    """Number of the first cell along y and x; cell n lies from n to n + 1 times `step`."""
    step: float
    """Width of a cell, in units of the plane."""
    nodes: Float
    """(2, n, m) row and column at every half cell."""
    good: NDArray[np.bool_]
    """Cells (rows along y) in which quadratic interpolation errs by less than 1e-4 px."""

    @classmethod
    def over(cls, plane: CRS, grid: Grid, x: Float, y: Float, *, step: float) -> PlaneLattice:  # noqa: PLR0917
        """Evaluate a lattice around points of the plane, with a cell more on each side."""
        first_i, n_rows = _cells(y, step)
        first_j, n_cols = _cells(x, step)
        ys = np.arange(2 * first_i, 2 * (first_i + n_rows) + 1) * (step / 2.0)
        xs = np.arange(2 * first_j, 2 * (first_j + n_cols) + 1) * (step / 2.0)
        nodes = np.stack(pixels_at(plane, grid, *np.meshgrid(xs, ys)))
        good = np.ones((n_rows, n_cols), dtype=bool)
        windows = np.lib.stride_tricks.sliding_window_view(nodes, (3, 3), axis=(1, 2))[:, ::2, ::2]
        for along, where in ((_QUARTER, 0.25), (_QUARTER[::-1], 0.75)):
            # Errors along both axes that cancel at one of the two places add up at the other.
            there = np.meshgrid(xs[:-1:2] + where * step, ys[:-1:2] + 0.25 * step)
            exact = np.stack(pixels_at(plane, grid, *there))
            error = np.abs(np.einsum("kijmn,m,n->kij", windows, _QUARTER, along) - exact)
            good &= (error <= _TOLERANCE).all(axis=0)  # False for NaN
        return cls(first=(first_i, first_j), step=step, nodes=nodes, good=good)


def pixel_size(plane: CRS, grid: Grid) -> float:
    """Return the length of a pixel at a grid's middle, in units of the plane; NaN where that is unknown."""
    rows, cols = np.array(grid.shape) / 2.0
    x, y = grid.xy(rows + np.array([0.0, 1.0, 0.0]), cols + np.array([0.0, 0.0, 1.0]))
    x, y = project(grid.crs, plane, x, y)
    return float(np.hypot(x[1:] - x[0], y[1:] - y[0]).max())


def pixels_at(  # noqa: PLR0917 (a point is two)
    plane: CRS | None, grid: Grid, x: Float, y: Float
) -> tuple[Float, Float]:
    """Return row and column in a grid of points of the plane, exactly."""
    if plane is not None and grid.crs is not None:
        x, y = project(plane, grid.crs, x, y)
    return grid.rowcol(count_longitudes_as(grid, x), y)


def _cells(at: Float, step: float) -> tuple[int, int]:
    """Return the first of the cells that hold some places, with one more on each side, and their number."""
    first = int(np.floor(np.nanmin(at) / step)) - 1
    return first, int(np.floor(np.nanmax(at) / step)) + 2 - first
