"""An image and a reference orthoimage brought to one grid, some pixels at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

from trueground.control.pixels import Grey, averaged, finer, is_shown, pixel_size, scaled
from trueground.dem import Dem
from trueground.errors import InputError, OverlapError
from trueground.grid import Grid, Window
from trueground.ortho import Orthoimage, footprint, ground_sampling
from trueground.projection import WGS84, project, project_bounds, utm_of
from trueground.raster import Raster, name_of
from trueground.rpc.model import Rpc
from trueground.warp import on_grid

Float = NDArray[np.float64]

_SQUARE = 1e-6  # by how much pixels may be longer than wide
_SPARSE = 8  # px, between places where it is looked at whether the image shows anything
_BORDER = 512  # px around the common ground, where patches at its edge look for data


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is matched: a reference orthoimage, and an image that is put over a DEM, on one grid.

    The grid has the pixels of the coarser of both; the finer one is averaged down by whole factors. It lies on the
    pixels of the reference where those are north up and square on a map; in the image's UTM zone elsewhere.
    """

    image: Raster
    rpc: Rpc
    """That the grid is made for."""
    dem: Dem
    reference: Raster
    grid: Grid = field(init=False)
    """Of the ground that both show, by the RPC, with a border."""
    core: Window = field(init=False)
    """The common ground in that grid."""
    factors: tuple[int, int] = field(init=False)
    """Pixels of the image, and of the reference, that are averaged along a side of a pixel."""
    pixel: float = field(init=False)
    """A pixel of the grid in pixels of the image."""

    def __post_init__(self) -> None:
        if self.reference.grid.crs is None:
            msg = (
                f"{name_of(self.reference)} has no CRS, so its place is unknown; "
                "give an orthoimage, or assign one with gdal_edit.py -a_srs"
            )
            raise InputError(msg)
        crs, fine, origin = _lattice(self.reference.grid, self.rpc)
        shape = self.image.grid.shape
        native = ground_sampling(self.rpc, shape, crs=crs, height=self.rpc.height_off)
        of_reference = max(round(native / fine), 1)
        size = of_reference * fine
        of_image = max(round(size / native), 1)
        grid, core = self._common(crs, size, origin)
        object.__setattr__(self, "grid", grid)
        object.__setattr__(self, "core", core)
        object.__setattr__(self, "factors", (of_image, of_reference))
        object.__setattr__(self, "pixel", size / native)

    def _common(self, crs: CRS, size: float, origin: tuple[float, float]) -> tuple[Grid, Window]:
        seen = footprint(self.image, self.rpc, self.dem, crs=crs)
        given = self.reference.grid.bounds
        if self.reference.grid.crs != crs:
            given = project_bounds(self.reference.grid.crs or crs, crs, given)
        west, south = max(seen[0], given[0]), max(seen[1], given[1])
        east, north = min(seen[2], given[2]), min(seen[3], given[3])
        cols, rows = (east - west) / size, (north - south) / size
        if not (cols >= 1.0 and rows >= 1.0):
            msg = (
                f"the image shows {_words(seen)} and {name_of(self.reference)} {_words(given)} ({crs.name}): "
                "they share no ground; give a reference orthoimage of the image's place"
            )
            raise OverlapError(msg)
        left = math.floor((west - origin[0]) / size) - _BORDER
        top = math.floor((origin[1] - north) / size) - _BORDER
        shape = math.ceil(rows) + 2 * _BORDER, math.ceil(cols) + 2 * _BORDER
        transform = Affine(size, 0.0, origin[0] + left * size, 0.0, -size, origin[1] - top * size)
        grid = Grid(crs=crs, transform=transform, shape=shape)
        return grid, Window(_BORDER, _BORDER, shape[0] - 2 * _BORDER, shape[1] - 2 * _BORDER)

    @cached_property
    def _reference(self) -> Raster:
        grid = finer(self.grid, self.factors[1])
        return on_grid(Grey(source=self.reference), grid, resampling="cubic")

    def reference_at(self, window: Window) -> Float:
        """Return a window of the reference; NaN where it has no data."""
        return averaged(self._reference, window, self.factors[1])

    def ortho(self, rpc: Rpc) -> Orthoimage:
        """Return the orthoimage by an RPC, of which `image_at` reads."""
        grid = finer(self.grid, self.factors[0])
        return Orthoimage(image=Grey(source=self.image), rpc=rpc, dem=self.dem, grid=grid)

    def image_at(self, ortho: Orthoimage, window: Window) -> Float:
        """Return a window of an orthoimage; NaN where it has no data."""
        return averaged(ortho, window, self.factors[0])

    def shown(self, window: Window) -> NDArray[np.bool_]:
        """Tell where the image shows something, by the RPC given: within it, with data, over ground with heights.

        Looked at once in `8 x 8` pixels; zeros are a frame, where nothing else says so.
        """
        top, left = window.row // _SPARSE, window.col // _SPARSE
        bottom, right = (
            -(-(window.row + window.height) // _SPARSE),
            -(-(window.col + window.width) // _SPARSE),
        )
        found = is_shown(self._sparse.read(Window(top, left, bottom - top, right - left))[0])
        wide = found.repeat(_SPARSE, axis=0).repeat(_SPARSE, axis=1)
        row, col = window.row - top * _SPARSE, window.col - left * _SPARSE
        return wide[row : row + window.height, col : col + window.width]

    @cached_property
    def _sparse(self) -> Orthoimage:
        rows, cols = (-(-n // _SPARSE) for n in self.grid.shape)
        transform = scaled(self.grid.transform, _SPARSE)
        grid = Grid(crs=self.grid.crs, transform=transform, shape=(rows, cols))
        return Orthoimage(
            image=Grey(source=self.image), rpc=self.rpc, dem=self.dem, grid=grid,
            resampling="nearest", antialias=False, occlusion="ignore",
        )  # fmt: skip

    def ground(self, row: Float, col: Float) -> tuple[Float, Float, Float]:
        """Return longitude, latitude [degrees] and height [m above the ellipsoid] at pixels of the grid."""
        lon, lat = project(self.grid.crs or WGS84, WGS84, *self.grid.xy(row, col))
        return lon, lat, self.dem.heights(lon, lat)


def _lattice(grid: Grid, rpc: Rpc) -> tuple[CRS, float, tuple[float, float]]:
    """Return a CRS on a map, and the size [its units] and the corner of pixels like those of a reference."""
    t, crs = grid.transform, grid.crs
    dx, dy = grid.resolution
    straight = t.b == 0.0 and t.d == 0.0 and t.a > 0.0 > t.e
    if crs is not None and crs.is_projected and straight and abs(dx - dy) < _SQUARE * dx:
        return crs, dx, (t.c, t.f)
    use = utm_of(rpc.long_off, rpc.lat_off)
    size = pixel_size(grid, use)
    if not (math.isfinite(size) and size > 0.0):
        msg = (
            f"the middle of the reference, {_words(grid.bounds)}, cannot be brought to {use.name}, where the image is; "
            "give a reference orthoimage of the image's place"
        )
        raise OverlapError(msg)
    return use, size, (0.0, 0.0)


def _words(bounds: tuple[float, float, float, float]) -> str:
    west, south, east, north = bounds
    return f"{west:.6g} to {east:.6g} east, {south:.7g} to {north:.7g} north"
