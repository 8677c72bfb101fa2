"""Gaussian random fields of a known variogram, by circulant embedding."""

from __future__ import annotations

import numpy as np
from affine import Affine
from pyproj import CRS

from trueground.grid import Grid
from trueground.raster import ArrayRaster
from trueground.variogram_model import Part, VariogramModel

PIXEL = 10.0  # m
GRID_ORIGIN = (500_000.0, 5_200_000.0)  # north-west corner
UTM = CRS.from_epsg(32632)

WHITE = VariogramModel(nugget=4.0, parts=())
CORRELATED = VariogramModel(nugget=0.5, parts=(Part(kind="spherical", range=100.0, sill=3.0),))
TWO_RANGES = VariogramModel(
    nugget=0.5,
    parts=(
        Part(kind="spherical", range=80.0, sill=2.0),
        Part(kind="spherical", range=600.0, sill=1.0),
    ),
)


def grid(shape, *, pixel=PIXEL):
    transform = Affine(pixel, 0.0, GRID_ORIGIN[0], 0.0, -pixel, GRID_ORIGIN[1])
    return Grid(crs=UTM, transform=transform, shape=shape)


def fields(model, shape, seed, *, pixel=PIXEL):
    """Return two independent fields: Dietrich & Newsam (1997), doi:10.1137/S1064827592240555."""
    double = [2 * n for n in shape]
    row, col = (np.minimum(np.arange(n), n - np.arange(n)) * pixel for n in double)
    power = np.fft.fft2(model.covariance(np.hypot(row[:, np.newaxis], col))).real
    assert power.min() > -1e-3 * power.max()  # else the embedding does not hold this model
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=double) + 1j * rng.normal(size=double)
    made = np.fft.fft2(np.sqrt(np.maximum(power, 0.0) / power.size) * noise)
    made = made[: shape[0], : shape[1]]
    return made.real, made.imag


def raster(array, *, pixel=PIXEL):
    return ArrayRaster(
        array=np.asarray(array, dtype=np.float32), grid=grid(array.shape, pixel=pixel)
    )
