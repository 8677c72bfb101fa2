"""Where each pixel of an output lies on the ground and in the image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueground.dem import Dem
from trueground.grid import Grid, Window
from trueground.kernels import heights
from trueground.projection import WGS84, GridProjection, full_turn, same_place
from trueground.rpc.located import Float
from trueground.rpc.model import Rpc

_LARGEST_DEM = (
    1 << 23
)  # px of the DEM read at once; a DEM that is much finer than the output is sampled in tiles
_AROUND = 2  # px of the DEM read beyond the outermost point


class Positions(NamedTuple):
    """Of the pixels of a window, each (rows, cols)."""

    lon: Float
    """[degrees]"""
    lat: Float
    """[degrees]"""
    height: Float
    """[m above the ellipsoid]; NaN where the DEM has none."""
    row: Float
    """[px] in the image; NaN where there is no height."""
    col: Float
    """[px] in the image."""


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """The way from an output grid over a DEM into an image.

    The map projection is smooth and is interpolated on a lattice whose error is checked (1e-3 px). The DEM and the
    RPC are evaluated at every pixel: they are not smooth enough, or cheap enough, to be interpolated.
    """

    grid: Grid
    rpc: Rpc
    """In the image's own pixels."""
    dem: Dem
    _lonlat: GridProjection = field(init=False, repr=False, compare=False)
    _dem_xy: GridProjection | None = field(init=False, repr=False, compare=False)
    """Into the DEM's reference system; None where that is longitude and latitude on WGS 84."""
    _dem_affine: Float = field(init=False, repr=False, compare=False)
    """Column and row of the DEM by x and y."""
    _around: tuple[float, float] = field(init=False, repr=False, compare=False)
    """x in the middle of the DEM, and what it grows by around the globe; 0 where it does not."""

    def __post_init__(self) -> None:
        own = None if same_place(self.dem.crs, WGS84) else GridProjection(self.grid, self.dem.crs)
        inverse = ~self.dem.raster.grid.transform
        object.__setattr__(self, "_lonlat", GridProjection(self.grid, WGS84))
        object.__setattr__(self, "_dem_xy", own)
        object.__setattr__(self, "_dem_affine", np.array(inverse[:6]))
        west, _, east, _ = self.dem.raster.grid.bounds
        turn = full_turn(self.dem.crs) or 0.0
        object.__setattr__(self, "_around", ((west + east) / 2.0, turn))

    def at(self, window: Window) -> Positions:
        """Return the positions of a window's pixel centres."""
        [positions] = self.strips(window, rows=max(window.height, 1))
        return positions

    def strips(self, window: Window, *, rows: int) -> Iterator[Positions]:
        """Yield the positions of a window, some rows at a time."""
        lonlat = self._lonlat.over(window)
        dem_xy = None if self._dem_xy is None else self._dem_xy.over(window)
        for first in range(0, max(window.height, 1), rows):
            height = min(rows, window.height - first)
            strip = Window(window.row + first, window.col, height, window.width)
            lon, lat = (_flat(a) for a in lonlat.at(strip))
            x, y = (lon, lat) if dem_xy is None else (_flat(a) for a in dem_xy.at(strip))
            z = self._heights(x, y)
            row, col = self.rpc.project(lon, lat, z)
            yield Positions(*(a.reshape(strip.shape) for a in (lon, lat, z, row, col)))

    def _heights(self, x: Float, y: Float) -> Float:
        """Return heights at points in the DEM's own reference system."""
        middle, turn = self._around
        window = self._needed(x, y)
        height = np.empty(x.shape)
        if self.dem.interpolation != "bilinear" or window is None:
            row, col = self.dem.raster.grid.rowcol(_about(x, middle, turn), y)
            return self.dem.heights_at_pixels(row, col)
        if window.size == 0:
            height[:] = np.nan
            return height
        surface = self.dem.surface.read(window)[0]
        at = surface, window.row, window.col
        heights.bilinear(*at, self._around, self._dem_affine, x, y, height)
        return height

    def _needed(self, x: Float, y: Float) -> Window | None:
        """Return the window of the DEM that holds some points; None where it is too large to be read at once."""
        low_x, high_x = float(np.fmin.reduce(x)), float(np.fmax.reduce(x))
        low_y, high_y = float(np.fmin.reduce(y)), float(np.fmax.reduce(y))
        if not math.isfinite(low_x + low_y):
            return Window(0, 0, 0, 0)
        middle, turn = self._around
        first, last = _about(np.array([low_x, high_x]), middle, turn)
        if turn and last < first:  # the points lie on both sides of the DEM's back
            return None
        corners = np.array([first, first, last, last]), np.array([low_y, high_y, low_y, high_y])
        row, col = self.dem.raster.grid.rowcol(*corners)
        top, left = math.floor(row.min()) - _AROUND, math.floor(col.min()) - _AROUND
        bottom, right = math.floor(row.max()) + _AROUND, math.floor(col.max()) + _AROUND
        window = Window(top, left, bottom - top + 1, right - left + 1)
        window = window.intersect(self.dem.raster.grid.window)
        return None if window.size > _LARGEST_DEM else window


def _about(x: Float, middle: float, turn: float) -> Float:
    return x + turn * np.round((middle - x) / turn) if turn else x


def _flat(values: NDArray[np.float64]) -> Float:
    return np.ascontiguousarray(values).reshape(-1)
