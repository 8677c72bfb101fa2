"""Rasters, DEMs, an image and its RPC of a few lines each: what examples begin with."""

from __future__ import annotations

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

from trueground.dem import Dem
from trueground.grid import Grid
from trueground.raster import ArrayRaster
from trueground.rpc.fit import fit_rpc
from trueground.rpc.model import Rpc


def small_raster() -> ArrayRaster:
    """Return 3 x 4 pixels of 10 m in UTM zone 33, which hold 0 to 11."""
    return ArrayRaster(array=np.arange(12.0).reshape(3, 4), grid=_north_up((3, 4)))


def small_dems() -> tuple[ArrayRaster, ArrayRaster]:
    """Return a reference and a moving DEM of 120 x 120 cells of 10 m: adding (6, -4, 2) m to the second aligns them."""
    grid = _north_up((120, 120))
    x, y = grid.xy(*grid.window.pixel_centres())
    reference, moving = _hills(x, y), _hills(x + 6, y - 4) - 2
    return ArrayRaster(array=reference, grid=grid), ArrayRaster(array=moving, grid=grid)


def small_rpc() -> Rpc:
    """Return the RPC of an image of 1000 x 1000 pixels, of ground 500 to 1500 m high at 9.9 east, 46.4 north."""
    u, v, w = np.meshgrid(*[np.linspace(-1.0, 1.0, 5)] * 3)
    rows, cols = 500 - 400 * v, 500 + 300 * u + 9 * w
    return fit_rpc(rows, cols, 9.9 + 0.005 * u, 46.4 + 0.005 * v, 1000 + 500 * w).rpc


def small_dem() -> Dem:
    """Return level ground, 900 m above the ellipsoid, below the image of `small_rpc`."""
    transform = Affine(0.001, 0, 9.89, 0, -0.001, 46.41)
    ground = Grid(crs=CRS(4326), transform=transform, shape=(20, 20))
    level = ArrayRaster(array=np.full(ground.shape, 900.0, np.float32), grid=ground)
    return Dem.open(level, heights="ellipsoid")


def small_scene() -> tuple[ArrayRaster, Rpc, Dem]:
    """Return an image of 1000 x 1000 pixels that are 1, its RPC, and the DEM below it."""
    pixels = Grid(crs=None, transform=Affine.identity(), shape=(1000, 1000))
    return ArrayRaster(array=np.ones(pixels.shape, np.uint8), grid=pixels), small_rpc(), small_dem()


def _north_up(shape: tuple[int, int]) -> Grid:
    return Grid(crs=CRS(32633), transform=Affine(10, 0, 5e5, 0, -10, 8e6), shape=shape)


def _hills(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float32]:
    z = 60 * np.sin(x / 190) * np.cos(y / 230) + 30 * np.sin((x + y) / 90)
    return np.asarray(z, dtype=np.float32)
