"""Pairs of DEMs of which one is moved by a field of shifts that is known everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from known_terrain import grid, height
from trueground.grid import Grid
from trueground.raster import ArrayRaster

PIXEL = 10.0


def steep(x, y):
    """Slopes of some 30 degrees."""
    return 3.0 * height(x, y, waves=24)


def bump(u, v, middle, width):
    return np.exp(-((u - middle[0]) ** 2 + (v - middle[1]) ** 2) / width)


# Shifts [m] by the place in the unit square: x, y, z.
FIELDS = {
    "constant": lambda u, v: (15.0 + 0 * u, -13.0 + 0 * u, 2.0 + 0 * u),
    "plane": lambda u, v: (5.0 + 20.0 * u, -3.0 + 18.0 * v, 2.0 + 3.0 * u),
    "quadratic": lambda u, v: (40.0 * u**2, -35.0 * u * v, 4.0 * (v - 0.5) ** 2),
    "bumps": lambda u, v: (
        30.0 * bump(u, v, (0.3, 0.35), 0.06), -30.0 * bump(u, v, (0.7, 0.6), 0.08), 2.0 * np.sin(3.0 * u),
    ),
    "sine": lambda u, v: (10.0 * np.sin(4.0 * np.pi * v), 0 * u, 0 * u),
    "seam": lambda u, v: (np.where(u < 0.5, 8.0, -6.0), 0 * u, np.where(u < 0.5, 1.0, -1.0)),
}  # fmt: skip


def truth(name, on, x, y):
    """Shifts (3, ...) [m] at places of a grid's CRS."""
    west, south, east, north = on.bounds
    shift = FIELDS[name]((x - west) / (east - west), (y - south) / (north - south))
    return np.stack(np.broadcast_arrays(*shift))


@dataclass(frozen=True)
class TrueField:
    """The shifts that a pair is made with, known everywhere."""

    name: str
    on: Grid

    def at(self, x, y):
        return truth(self.name, self.on, np.asarray(x), np.asarray(y))

    def errors_at(self, x, y):
        return np.zeros((3, *np.broadcast_shapes(np.shape(x), np.shape(y))))


def moved(name, on, surface=steep):
    """Heights of a moving DEM, without noise: it shows at p what stands at q, where q = p + shift(q)."""
    rows, cols = on.window.pixel_centres()
    x, y = (v.astype(float) for v in np.broadcast_arrays(*on.xy(rows, cols)))
    to_x, to_y = x, y
    for _ in range(8):
        shift = truth(name, on, to_x, to_y)
        to_x, to_y = x + shift[0], y + shift[1]
    return surface(to_x, to_y) - truth(name, on, to_x, to_y)[2]


def raster(array, on):
    return ArrayRaster(array=array.astype(np.float32), grid=on)


def pair(name, *, size=1200, seed=0, noise=1.0, spoilt=0.2, surface=steep, pixel=PIXEL):
    """Reference and moving DEM [m] with noise, holes, and an eighth by an eighth of the area spoilt.

    Of the 8 x 8 parts that blocks will be, a share is empty in one of the two, or flat in both.
    """
    on = grid((size, size), pixel)
    rng = np.random.default_rng(seed)
    rows, cols = on.window.pixel_centres()
    x, y = np.broadcast_arrays(*on.xy(rows, cols))
    fixed, below = surface(x, y), truth(name, on, x, y)[2]
    loose = moved(name, on, surface)
    side = size // 8
    for n, part in enumerate(rng.permutation(64)[: round(64 * spoilt)].tolist()):
        where = tuple(slice(k * side, (k + 1) * side) for k in divmod(part, 8))
        if n % 3 == 2:
            # A lake, whose shore is masked: it would have to be moved as well.
            fixed[where] = loose[where] = np.nan
            where = tuple(slice(s.start + 4, s.stop - 4) for s in where)
            fixed[where] = 500.0
            loose[where] = 500.0 - below[where]
        else:
            (fixed if n % 3 else loose)[where] = np.nan
    fixed, loose = (z + noise * rng.normal(size=on.shape) for z in (fixed, loose))
    loose[rng.random(on.shape) < 0.02] = np.nan
    return raster(fixed, on), raster(loose, on)


def field_error(shifts, name, on, every=20):
    """Errors of a field and those that it states, (3, rows, cols) each [m]."""
    steps = [np.arange(every // 2, n, every) + 0.5 for n in on.shape]
    x, y = np.broadcast_arrays(*on.xy(steps[0][:, np.newaxis], steps[1][np.newaxis, :]))
    return shifts.at(x, y) - truth(name, on, x, y), shifts.errors_at(x, y)


def rms(values):
    return np.sqrt(np.mean(np.square(values), axis=(1, 2)))
