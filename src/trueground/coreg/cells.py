"""The cells of a reference at which a moving DEM is compared with it: chosen, placed and sloped."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Proj

from trueground.difference import check_overlap
from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.kernels import choice
from trueground.pointcloud import PointCloud
from trueground.projection import (
    WGS84,
    GridProjection,
    count_longitudes_as,
    horizontal,
    project,
    same_place,
    utm_of,
)
from trueground.raster import ArrayRaster, Raster, as_float
from trueground.sampling import sample_surface, surface_in
from trueground.vectors import usable
from trueground.warp import Resampled

Float = NDArray[np.float64]
_FEWEST = 16  # cells
_TRUE = 0.01  # by which a metre of a map may differ from one on the ground
_SPARSE = 0.1  # share of all cells below which each is projected alone
_ANY = np.empty((0, 0), dtype=np.bool_)
_ROOM = 1.2  # times as many cells as are to be expected
_NODES = 9  # along a block, at which the map scale is looked at


class Cells(NamedTuple):
    """Sampled ground; all (n,)."""

    x: Float
    y: Float
    """Places in the working CRS [m]."""
    z: Float
    """Heights [m]."""
    slope_x: Float
    slope_y: Float
    """Rise of the reference towards east and north [m per m]; zeros where they were not asked for."""
    weight: Float
    """How much each counts, 1 where nothing was said."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is looked at of a reference raster."""

    reference: Raster
    crs: CRS | None
    """Working CRS, in metres."""
    valid: Raster | None
    """Mask of usable cells; 0 is left out."""
    weights: Raster | None
    samples: int
    seed: int
    slope_range: tuple[float, float] | None = None
    """Least and greatest slope [degrees] of cells that count."""
    with_slopes: bool = True
    area: Window | None = None
    """Where to look; all of the reference by default."""
    _mask: Raster | None = field(init=False, repr=False, compare=False)
    _weights: Raster | None = field(init=False, repr=False, compare=False)
    _projection: GridProjection | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.samples < 1:
            msg = f"{self.samples} samples: must be at least 1"
            raise InputError(msg)
        grid = self.reference.grid
        projection = None
        if self.crs is not None and grid.crs is not None and not same_place(self.crs, grid.crs):
            projection = GridProjection(grid, self.crs)
        object.__setattr__(self, "_projection", projection)
        object.__setattr__(self, "_mask", _on(self.valid, grid))
        object.__setattr__(self, "_weights", _on(self.weights, grid))

    def blocks(self, size: int) -> list[Window]:
        """Return all blocks of a size."""
        area = self.area or self.reference.grid.window
        blocks = (b.core.intersect(area) for b in self.reference.grid.blocks(size))
        return [w for w in blocks if w.size]

    def tiles(self, side: int) -> list[Window]:
        """Return all tiles of a side, in the order of a hash of their place.

        Their outermost cells are left out: slopes there would need the tiles beside, which a file would have to decode.
        """
        rows, cols = (-(-n // side) for n in self.reference.grid.shape)
        chance = hashed(Window(0, 0, rows, cols), self.seed + 1)
        within = [w for w in (w.pad(-1) for w in self.blocks(side)) if w.size]
        return sorted(within, key=lambda w: chance[w.row // side, w.col // side])

    def of(self, window: Window, share: float) -> Cells:
        """Return cells of a window: of those that could be, a share."""
        outer = window.pad(1).intersect(self.reference.grid.window)
        values, held = surface_in(self.reference, outer)
        at = values, window.row - held.row, window.col - held.col
        keep = _ANY if self._mask is None else usable(self._mask, window)
        row, col = _drawn(at, keep, window, self.seed, share)
        z, down, along = np.empty((3, row.size))
        choice.taken(*at, row, col, z, down, along)
        slope_x = slope_y = np.zeros(row.size)
        if self.with_slopes:
            slope_x, slope_y = self._slopes(window, (row, col), down, along)
            known = np.isfinite(slope_x) & np.isfinite(slope_y)
            if self.slope_range is not None:
                known &= within(self.slope_range, slope_x, slope_y)
            if not known.all():
                row, col, z = row[known], col[known], z[known]
                slope_x, slope_y = slope_x[known], slope_y[known]
        x, y = self._places(window, row, col)
        weight = np.ones(row.size)
        if self._weights is not None:
            weight = self._weights.read(window)[0][row, col].astype(np.float64)
        counts = np.isfinite(x) & np.isfinite(y) & np.isfinite(weight) & (weight > 0.0)
        cells = Cells(x, y, z, slope_x, slope_y, weight)
        return cells if counts.all() else Cells(*(v[counts] for v in cells))

    def _places(
        self, window: Window, row: NDArray[np.intp], col: NDArray[np.intp]
    ) -> tuple[Float, Float]:
        grid = self.reference.grid
        if self._projection is not None and row.size >= _SPARSE * window.size:
            x, y = self._projection.at(window)
            return x[row, col], y[row, col]
        x, y = grid.xy(window.row + row + 0.5, window.col + col + 0.5)
        return (x, y) if self._projection is None else project(grid.crs, self.crs, x, y)

    def _slopes(  # noqa: PLR0917 (rises and where they are)
        self,
        window: Window,
        at: tuple[NDArray[np.intp], NDArray[np.intp]],
        down: Float,
        along: Float,
    ) -> tuple[Float, Float]:
        """Turn rises along rows and columns [m per px] into rises towards east and north [m per m]."""
        t = self.reference.grid.transform
        x_col, x_row, y_col, y_row = t.a, t.b, t.d, t.e
        if self._projection is not None:
            x_col, x_row, y_col, y_row = self._scales(window, at)  # type: ignore[assignment]
        area = x_col * y_row - x_row * y_col
        return (y_row * along - y_col * down) / area, (x_col * down - x_row * along) / area

    def _scales(
        self, window: Window, at: tuple[NDArray[np.intp], NDArray[np.intp]]
    ) -> tuple[Float, ...]:
        """Return the derivatives of x by column and row, and of y, at pixels: bilinear between a few nodes.

        Map scales change by 1e-4 over tens of kilometres: what is lost is far below what a slope is known to.
        """
        from scipy.interpolate import RegularGridInterpolator

        grid = self.reference.grid
        rows = np.linspace(window.row, window.row + window.height, _NODES)
        cols = np.linspace(window.col, window.col + window.width, _NODES)
        place = np.column_stack([window.row + at[0] + 0.5, window.col + at[1] + 0.5])
        found = []
        for step_row, step_col in ((0.0, 0.5), (0.5, 0.0)):
            ends = [
                project(
                    grid.crs,
                    self.crs,
                    *grid.xy(rows[:, None] + side * step_row, cols[None, :] + side * step_col),
                )
                for side in (1.0, -1.0)
            ]
            found.append([one - two for one, two in zip(*ends, strict=True)])
        (x_col, y_col), (x_row, y_row) = found
        return tuple(
            RegularGridInterpolator((rows, cols), nodes)(place)
            for nodes in (x_col, x_row, y_col, y_row)
        )


def of_points(  # noqa: PLR0917 (points and what is said of them)
    points: PointCloud, crs: CRS | None, valid: Raster | None, weights: Raster | None
) -> Cells:
    """Return points as cells: where they stand, weighed by their sigma; slopes are not known yet."""
    x, y = points.x, points.y
    if crs is not None:
        x, y = project(points.crs, crs, x, y)
    weight = np.ones(x.size) if points.sigma is None else points.sigma**-2.0
    if weights is not None:
        weight = weight * _nearest(weights, points.crs, points.x, points.y)
    if valid is not None:
        keep = _nearest(valid, points.crs, points.x, points.y)
        weight = np.where(np.isfinite(keep) & (keep != 0.0), weight, 0.0)
    counts = np.isfinite(x) & np.isfinite(y) & (weight > 0.0)
    zero = np.zeros(x.size)
    return Cells(*(v[counts] for v in (x, y, points.z, zero, zero, weight)))


def _nearest(raster: Raster, crs: CRS | None, x: Float, y: Float) -> Float:  # noqa: PLR0917
    """Return the values of a raster at points of another CRS; NaN where it has none."""
    if crs is not None and raster.grid.crs is not None:
        x, y = project(crs, raster.grid.crs, x, y)
    row, col = raster.grid.rowcol(count_longitudes_as(raster.grid, x), y)
    return sample_surface(as_float(raster), row, col, resampling="nearest")


def metric_crs(grid: Grid, area: Window | None = None) -> CRS | None:
    """Return the CRS in which a part of a DEM is coregistered: its own where a metre there is one, else UTM.

    Slopes, shifts and rotations mean something in metres alone: a metre of EPSG:3857 is none, away from the equator.
    Near the poles UTM is polar stereographic.
    """
    crs, window = grid.crs, area or grid.window
    if crs is None:
        return None
    row, col = window.row + window.height / 2.0, window.col + window.width / 2.0
    lon, lat = project(crs, WGS84, *grid.xy(np.array(row), np.array(col)))
    place = float(lon), float(lat)
    if crs.is_projected and all(a.unit_conversion_factor == 1.0 for a in crs.axis_info[:2]):
        scales = Proj(horizontal(crs)).get_factors(*place)
        if all(abs(s - 1.0) < _TRUE for s in (scales.meridional_scale, scales.parallel_scale)):
            return crs
    return utm_of(*place)


def within(slope_range: tuple[float, float], slope_x: Float, slope_y: Float) -> NDArray[np.bool_]:
    """Tell where a slope [degrees] lies in a range; False for NaN."""
    slope = np.degrees(np.arctan(np.hypot(slope_x, slope_y)))
    return (slope >= slope_range[0]) & (slope <= slope_range[1])


def _drawn(  # noqa: PLR0917 (a window, what counts in it, and chance)
    at: tuple[NDArray[np.floating], int, int],
    keep: NDArray[np.bool_],
    window: Window,
    seed: int,
    share: float,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns in a window of a share of the cells that have a height."""
    room = math.ceil(min(share, 1.0) * window.size * _ROOM) + _FEWEST
    while True:
        row, col = np.empty(room, dtype=np.intp), np.empty(room, dtype=np.intp)
        count = choice.drawn(
            *at, *window.shape, keep, window.row, window.col, seed, share, row, col
        )
        if count <= room:
            return row[:count], col[:count]
        room = count


def hashed(window: Window, seed: int) -> Float:
    """Return a number in [0, 1) for each pixel, from row, column and seed."""
    out = np.empty(window.shape)
    choice.uniform(window.row, window.col, seed, out)
    return out


def _on(raster: Raster | None, grid: Grid) -> Raster | None:
    """Bring a mask or weights onto the grid of the reference, by place and not by shape."""
    if raster is None or raster.grid == grid:
        return raster
    if (
        raster.grid.crs is not None
        and grid.crs is not None
        and not same_place(raster.grid.crs, grid.crs)
    ):
        check_overlap(raster, ArrayRaster(array=np.zeros(grid.shape, dtype=np.uint8), grid=grid))
    return Resampled(source=raster, grid=grid, resampling="nearest")
