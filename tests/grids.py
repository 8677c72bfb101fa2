"""Grids and rasters made for tests."""

from __future__ import annotations

import math

import numpy as np
from affine import Affine

from trueground.grid import Grid
from trueground.raster import ArrayRaster


def turned(
    origin: tuple[float, float], degrees: float, pixel: tuple[float, float], shear: float = 0.0
) -> Affine:
    """Return the transform of a grid that is turned and sheared about its origin."""
    angle, skew = math.radians(degrees), math.tan(math.radians(shear))
    cos, sin = math.cos(angle), math.sin(angle)
    (dx, dy), (x, y) = pixel, origin
    return Affine(cos * dx, (cos * skew - sin) * dy, x, sin * dx, (sin * skew + cos) * dy, y)


def coordinate_coded(grid: Grid) -> ArrayRaster:
    """Return a raster whose two bands hold row and column of each pixel's centre (float32)."""
    rows, cols = grid.window.pixel_centres()
    bands = [np.broadcast_to(rows, grid.shape), np.broadcast_to(cols, grid.shape)]
    return ArrayRaster(array=np.stack(bands).astype(np.float32), grid=grid)
