"""Images of any bands and pixel size as grey ones on a grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

from trueground.grid import Grid, Window
from trueground.projection import project
from trueground.raster import Raster, as_float
from trueground.surface import ComputedSurface

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grey(ComputedSurface):
    """One band of real numbers from any image: the mean of its first three bands, or its first."""

    source: Raster

    @property
    def grid(self) -> Grid:
        """That of the image."""
        return self.source.grid

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return (1, rows, cols); NaN where one of the bands has no data."""
        values = as_float(self.source).read(window)
        bands = values[:3] if values.shape[0] >= 3 else values[:1]
        return np.asarray(bands.mean(axis=0, keepdims=True), dtype=np.float32)


def is_shown(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Tell where grey values are known, and not zero as in the frame of an image that declares no nodata."""
    return np.asarray(np.isfinite(values) & (values != 0.0))


def finer(grid: Grid, factor: int) -> Grid:
    """Return a grid with `factor` pixels along a side of each of its pixels."""
    rows, cols = grid.shape
    transform = scaled(grid.transform, 1.0 / factor)
    return Grid(crs=grid.crs, transform=transform, shape=(rows * factor, cols * factor))


def scaled(t: Affine, factor: float) -> Affine:
    """Return the transform of pixels that are `factor` times as large, with the same corner."""
    return Affine(t.a * factor, t.b * factor, t.c, t.d * factor, t.e * factor, t.f)


def averaged(raster: Raster, window: Window, factor: int) -> Float:
    """Return a window of means over factor x factor pixels; NaN where one of them has no data."""
    wide = Window(*(factor * n for n in (window.row, window.col, *window.shape)))
    values: NDArray[Any] = raster.read(wide)[0]
    cells = values.astype(np.float64).reshape(window.height, factor, window.width, factor)
    return np.asarray(cells.mean(axis=(1, 3)))


def pixel_size(grid: Grid, crs: CRS) -> float:
    """Return the side of a square as large as the middle pixel of a grid, in units of another CRS."""
    rows, cols = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])
    x, y = grid.xy(grid.shape[0] / 2.0 + rows, grid.shape[1] / 2.0 + cols)
    if grid.crs is not None and grid.crs != crs:
        x, y = project(grid.crs, crs, x, y)
    return math.sqrt(abs((x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])))
