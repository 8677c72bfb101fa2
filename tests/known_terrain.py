"""Terrain that can be evaluated exactly anywhere, for tests that recover a known shift."""

from __future__ import annotations

import numpy as np
from affine import Affine
from pyproj import CRS, Transformer

from trueground.grid import Grid
from trueground.raster import ArrayRaster

UTM33 = CRS.from_epsg(32633)
ORIGIN = (500_000.0, 8_000_000.0)


def height(x, y, *, seed=0, waves=60, roughness=1.8):
    """Heights [m] of a sum of sines with the spectrum of a fractal surface, 500 m to 12 km long."""
    rng = np.random.default_rng(seed)
    x, y = np.asarray(x) - ORIGIN[0], np.asarray(y) - ORIGIN[1]
    z = np.full(np.broadcast_shapes(x.shape, y.shape), 500.0)
    lengths = np.geomspace(500.0, 12_000.0, waves)
    for length, bearing, phase in zip(
        lengths, rng.uniform(0, 2 * np.pi, waves), rng.uniform(0, 2 * np.pi, waves), strict=True
    ):
        k = 2 * np.pi / length
        amplitude = 60.0 * (length / 12_000.0) ** (roughness - 1.0)
        z += amplitude * np.sin(k * (x * np.cos(bearing) + y * np.sin(bearing)) + phase)
    return z


def grid(shape=(300, 320), pixel=20.0, *, origin=ORIGIN, crs=UTM33, transform=None):
    affine = transform or Affine(pixel, 0.0, origin[0], 0.0, -pixel, origin[1])
    return Grid(crs=crs, transform=affine, shape=shape)


def dem(on, shift=(0.0, 0.0, 0.0), *, noise=0.0, holes=0.0, seed=0, system=UTM33, surface=height):
    """Sample a surface that was moved by -shift: adding `shift` brings it onto the truth.

    The surface lives in `system`; the grid may be in another.
    """
    rows, cols = on.window.pixel_centres()
    x, y = np.broadcast_arrays(*on.xy(rows, cols))
    if on.crs != system:
        x, y = Transformer.from_crs(on.crs, system, always_xy=True).transform(x, y)
    # The moving DEM shows at p what stands at p + shift.
    z = surface(x + shift[0], y + shift[1]) - shift[2]
    rng = np.random.default_rng(seed + 1)
    if noise:
        z = z + rng.normal(0.0, noise, z.shape)
    z = z.astype(np.float32)
    if holes:
        z[rng.random(z.shape) < holes] = np.nan
    return ArrayRaster(array=z, grid=on)
