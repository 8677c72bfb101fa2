"""A raster of any size as a small one in memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from trueground.engine import Engine, Threads
from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.raster import ArrayRaster, Raster, as_float
from trueground.warp import on_grid

MAX_PIXELS = 1400
"""Rows or columns of a picture, unless the caller says otherwise."""
_BLOCK = 1024  # px of the source, about, read at once


def overview(
    raster: Raster, *, max_pixels: int = MAX_PIXELS, engine: Engine | None = None
) -> ArrayRaster:
    """Average a raster down to a picture of at most `max_pixels` rows and columns, north up.

    Parameters
    ----------
    raster
        Any raster; it is read block by block, each pixel once.
    max_pixels
        Most rows or columns of the result.
    engine
        Where blocks are computed; threads on all processors by default.

    Returns
    -------
    Raster of float32 in memory whose pixels are means of the valid ones among k x k pixels, NaN
    where none is valid. The result does not depend on the engine.

    Raises
    ------
    InputError
        Where `max_pixels` is not positive.

    Examples
    --------
    >>> grid = Grid(crs=None, transform=Affine(10, 0, 0, 0, -10, 0), shape=(2, 4))
    >>> heights = np.float32([[1, 3, 5, np.nan], [1, 3, 5, np.nan]])
    >>> small = overview(ArrayRaster(array=heights, grid=grid), max_pixels=2)
    >>> small.array.tolist(), small.grid.resolution
    ([[[2.0, 5.0]]], (20.0, 20.0))
    """
    if max_pixels < 1:
        msg = f"picture of {max_pixels} pixels: must be at least 1"
        raise InputError(msg)
    source = as_float(north_up(raster))
    factor = math.ceil(max(source.grid.shape) / max_pixels)
    shape = (math.ceil(source.grid.shape[0] / factor), math.ceil(source.grid.shape[1] / factor))
    t = source.grid.transform
    transform = Affine(t.a * factor, 0.0, t.c, 0.0, t.e * factor, t.f)
    grid = Grid(crs=source.grid.crs, transform=transform, shape=shape)
    out = np.full((source.count, *shape), np.nan, dtype=np.float32)

    def averaged(window: Window) -> NDArray[np.float32]:
        # A window of the picture; what hangs over the edge of the source reads as no data.
        wide = Window(*(factor * n for n in (window.row, window.col, *window.shape)))
        return _means(source.read(wide), factor)

    windows = (block.core for block in grid.blocks(max(_BLOCK // factor, 1)))
    for window, values in (engine or Threads()).map(averaged, windows):
        out[:, *window.slices_in(grid.window)] = values
    return ArrayRaster(array=out, grid=grid)


def _means(values: NDArray[Any], factor: int) -> NDArray[np.float32]:
    """Return the means of the valid pixels in cells of factor x factor."""
    if factor == 1:
        return values.astype(np.float32, copy=False)
    bands, rows, cols = values.shape
    cells = values.reshape(bands, rows // factor, factor, cols // factor, factor)
    valid = np.isfinite(cells)
    number = valid.sum(axis=(2, 4))
    total = np.where(valid, cells, 0.0).sum(axis=(2, 4), dtype=np.float64)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan).astype(np.float32)


def north_up(raster: Raster) -> Raster:
    """Return a raster whose columns run east and whose rows run south: itself where it is so."""
    t = raster.grid.transform
    straight = t.b == 0.0 and t.d == 0.0 and t.a > 0.0
    # An image in its own pixels has no north: its first row is its top.
    if straight and (t.e < 0.0 or raster.grid.crs is None):
        return raster
    grid = Grid.covering(raster.grid.bounds, raster.grid.resolution, crs=raster.grid.crs)
    return on_grid(raster, grid, resampling="nearest")
