"""Where each pixel of an output lies on the ground and in the image."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueground.dem import Dem
from trueground.grid import Grid, Window
from trueground.kernels import ground, orthorectify
from trueground.projection import (
    WGS84,
    GridProjection,
    Lattice,
    full_turn,
    same_place,
    turned_about,
)
from trueground.rpc.located import Float
from trueground.rpc.model import Rpc
from trueground.sampling import Held

_LARGEST_DEM = (
    1 << 23
)  # px of the DEM read at once; one much finer than the output is sampled in tiles
_AROUND = 2  # px of the DEM read beyond the outermost point
_SPARE = (
    4.0  # px of the image by which its part below a window is taken larger than the lattice says
)


class Positions(NamedTuple):
    """Of the pixels of a window, each (rows, cols)."""

    row: Float
    """[px] in the image; NaN where there is no height."""
    col: Float
    """[px] in the image."""
    height: Float
    """[m above the ellipsoid]; NaN where the DEM has none."""


class _Chain(NamedTuple):
    """The way of a window from the ground into the image."""

    arguments: tuple[Any, ...]
    """Of the kernels, all that goes in before what comes out."""
    surface: NDArray[Any]
    """The DEM below."""
    failed: set[Window]
    """Parts of the window that have to be worked out step by step."""


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
        object.__setattr__(self, "dem", self.dem.facing(self.rpc.long_off))
        inverse = ~self.dem.raster.grid.transform
        west, _, east, _ = self.dem.raster.grid.bounds
        middle, turn = (west + east) / 2.0, full_turn(self.dem.crs) or 0.0
        own = None
        if not same_place(self.dem.crs, WGS84):
            own = GridProjection(self.grid, self.dem.crs, about=middle)
        lonlat = GridProjection(self.grid, WGS84, about=self.rpc.long_off)
        object.__setattr__(self, "_lonlat", lonlat)
        object.__setattr__(self, "_dem_xy", own)
        object.__setattr__(self, "_dem_affine", np.array(inverse[:6]))
        object.__setattr__(self, "_around", (middle, turn))

    def at(self, window: Window) -> Positions:
        """Return the positions of a window's pixel centres."""
        return self.over(window).at(window)

    def over(self, window: Window) -> Ground:
        """Return what is needed to answer for windows within this one, evaluated once."""
        lonlat = self._lonlat.over(window)
        dem_xy = None if self._dem_xy is None else self._dem_xy.over(window)
        return Ground(geometry=self, lonlat=lonlat, dem_xy=dem_xy)

    def exactly(self, window: Window) -> Positions:
        """Return the positions of a window's pixel centres, step by step and without a lattice of the DEM's own."""
        lon, lat = self._lonlat.at(window)
        x, y = (lon, lat) if self._dem_xy is None else self._dem_xy.at(window)
        row, col = self.dem.raster.grid.rowcol(self._about(x), y)
        height = self.dem.heights_at_pixels(row, col)
        return Positions(*self.rpc.project(lon, lat, height), height)

    def _about(self, x: Float) -> Float:
        """Count x around the globe as the DEM does."""
        middle, turn = self._around
        return turned_about(x, middle, turn) if turn else x

    def dem_window(self, nodes: Float) -> Window | None:
        """Return the window of the DEM below some nodes; None where it is too large to be read at once."""
        x, y = nodes
        low_y, high_y = float(np.fmin.reduce(y, axis=None)), float(np.fmax.reduce(y, axis=None))
        low_x, high_x = float(np.fmin.reduce(x, axis=None)), float(np.fmax.reduce(x, axis=None))
        if not math.isfinite(low_x + low_y):
            return Window(0, 0, 0, 0)
        first, last = self._about(np.array([low_x, high_x]))
        if last < first:  # the points lie on both sides of the DEM's back
            return None
        corners = np.array([first, first, last, last]), np.array([low_y, high_y, low_y, high_y])
        row, col = self.dem.raster.grid.rowcol(*corners)
        top, left = math.floor(row.min()) - _AROUND, math.floor(col.min()) - _AROUND
        bottom, right = math.floor(row.max()) + _AROUND, math.floor(col.max()) + _AROUND
        window = Window(top, left, bottom - top + 1, right - left + 1)
        window = window.intersect(self.dem.raster.grid.window)
        return None if window.size > _LARGEST_DEM else window


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The geometry of a window: its lattices, and the part of the DEM below."""

    geometry: Geometry
    lonlat: Lattice
    dem_xy: Lattice | None

    def at(self, window: Window) -> Positions:
        """Return the positions of the pixel centres of a window within."""
        chain = self._chain(window)
        if chain is None:
            return self.geometry.exactly(window)
        found = Positions(*np.empty((3, *window.shape)))
        if chain.surface.size == 0:
            for values in found:
                values[:] = np.nan
            return found
        ground.to_image(*chain.arguments, *found)
        for cell in chain.failed:
            place = cell.slices_in(window)
            for values, exact in zip(found, self.geometry.exactly(cell), strict=True):
                values[place] = exact
        return found

    def orthorectify(
        self, window: Window, source: Held, *, fill: float, begin: int, out: NDArray[Any]
    ) -> tuple[int, int]:
        """Put an image of which a part is held, bilinearly, in its place in a window within: all in one pass.

        The window's first row is row `begin` of `out`, and its columns are all of it. Returns how many rows were made:
        the rest needs more of the image, or another way to its positions; and how many of their pixels the image shows.
        """
        chain = self._chain(window)
        values = np.ascontiguousarray(source.values)
        integer = values.dtype.kind in "iu"
        wide = integer and values.dtype.itemsize > 4  # its limits are no real numbers
        if chain is None or chain.surface.size == 0 or chain.failed or wide:
            return 0, 0
        limits = np.iinfo(values.dtype) if integer else None
        rows, shown = orthorectify.orthorectify(
            *chain.arguments, values, (source.window.row, source.window.col), source.grid.shape,
            math.nan if source.nodata is None else float(source.nodata), fill, True,
            float(limits.min) if limits else 0.0, float(limits.max) if limits else 0.0, integer,
            begin, window.height, out,
        )  # fmt: skip
        return int(rows), int(shown)

    def _chain(self, window: Window) -> _Chain | None:
        """Return the way of a window within; None where it has to be gone step by step."""
        geometry = self.geometry
        nodes = self.lonlat.below(window)
        own = nodes if self.dem_xy is None else self.dem_xy.below(window)
        below = geometry.dem_window(own.values)
        if window.size == 0 or below is None or geometry.dem.interpolation != "bilinear":
            return None
        surface = np.ascontiguousarray(geometry.dem.surface.read(below)[0])
        arguments = (
            geometry.rpc.packed, nodes.values, own.values if self.dem_xy else nodes.values[:0],
            nodes.first_cell, nodes.step, (window.row, window.col), surface, (below.row, below.col),
            geometry._dem_affine, geometry._around,
        )  # fmt: skip
        return _Chain(arguments, surface, {*nodes.failed, *own.failed})

    def image_window(self, window: Window, *, shape: tuple[int, int]) -> Window | None:
        """Return the part of an image that a window sees, on whatever height its ground may lie; None if unknown."""
        geometry = self.geometry
        nodes = self.lonlat.below(window)
        own = nodes if self.dem_xy is None else self.dem_xy.below(window)
        below = geometry.dem_window(own.values)
        if below is None:
            return None
        heights = np.array(geometry.dem.height_range(below))[:, np.newaxis, np.newaxis]
        row, col = geometry.rpc.project(nodes.values[0], nodes.values[1], heights)
        if not np.isfinite(row).all():
            return None
        top, left = math.floor(row.min() - _SPARE), math.floor(col.min() - _SPARE)
        bottom, right = math.ceil(row.max() + _SPARE), math.ceil(col.max() + _SPARE)
        seen = Window(top, left, bottom - top, right - left)
        return seen.intersect(Window(0, 0, *shape))
