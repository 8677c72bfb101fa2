"""A DEM moved by an alignment: a raster that is computed when it is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from trueground.coreg.base import Alignment
from trueground.coreg.slowly import Slowly
from trueground.coreg.turned import Turned, affine_between, parts
from trueground.grid import Grid, Window
from trueground.kernels import separable
from trueground.projection import GridProjection, full_turn, project, same_place
from trueground.raster import Raster, computed
from trueground.sampling import Resampling, check_resampling, sample_surface, surface_in
from trueground.surface import ComputedSurface
from trueground.warp import PixelMap

Float = NDArray[np.float64]
_LATTICE_TOLERANCE = 1e-4  # px
_REACH = 3  # px read around the outermost cell


def surface_of(
    source: Raster, alignment: Alignment, *, resampling: Resampling, result: Grid | None = None
) -> Turned:
    """Return the surface of a moved DEM, looked at from points as dense as a grid's cells: its own by default."""
    plane, same = _system(alignment, source.grid)
    if same and (plane is None or full_turn(plane) is None):
        plane = None
    return Turned(
        source=source, alignment=alignment, resampling=resampling, plane=plane,
        result=result or source.grid,
    )  # fmt: skip


def _system(alignment: Alignment, source: Grid) -> tuple[CRS | None, bool]:
    """Return the system of an alignment, and whether a source counts in it."""
    own, declared = source.crs, alignment.crs
    crs = own if own is None or declared is None else CRS.from_wkt(declared)
    return crs, crs is None or own is None or same_place(crs, own)


@dataclass(frozen=True, kw_only=True)
class AlignedDem(ComputedSurface):
    """A DEM moved by an alignment, on any grid, resampled once."""

    source: Raster
    """The moving DEM, float32."""
    alignment: Alignment
    grid: Grid
    resampling: Resampling = "bilinear"
    _map: PixelMap = field(init=False, repr=False, compare=False)
    """From the cells of the result to those of the source where nothing moves."""
    _crs: CRS | None = field(init=False, repr=False, compare=False)
    """System of the alignment."""
    _affine: Float | None = field(init=False, repr=False, compare=False)
    """(3, 3) row and column of the source and height of the plane, of 1, row, col of the result.

    None where other reference systems, or turns of longitude, come between."""

    def __post_init__(self) -> None:
        check_resampling(self.resampling)
        crs, same = _system(self.alignment, self.source.grid)
        object.__setattr__(self, "_crs", crs)
        object.__setattr__(self, "_map", PixelMap(source=self.grid, target=self.source.grid))
        affine = None
        if self.grid == self.source.grid or crs is None or full_turn(crs) is None:
            result = self.grid.crs
            if same and (result is None or crs is None or same_place(crs, result)):
                affine = affine_between(self.grid, self.source.grid, self.alignment)
        object.__setattr__(self, "_affine", affine)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return a window of the moved DEM."""
        return computed(self, window, self._compute)

    def heights(self, x: Float, y: Float) -> Float:
        """Return heights of the moved DEM [m] at points (n,) of the alignment's system; NaN where it has none.

        Where the moving DEM is not in memory, points should come grouped by place: what lies below
        them is read.
        """
        return self._surface.heights(x, y)

    @property
    def _surface(self) -> Turned:
        return surface_of(self.source, self.alignment, resampling=self.resampling, result=self.grid)

    def _compute(self, window: Window) -> NDArray[np.float32]:
        out = np.empty((1, *window.shape), dtype=np.float32)
        matrix, affine = np.asarray(self.alignment.matrix), self._affine
        is_shift = np.array_equal(matrix[:3, :3], np.eye(3))
        if affine is not None and is_shift and affine[0, 2] == affine[1, 1] == 0.0:
            self._along_axes(window, affine, out[0])
        elif affine is not None:
            self._surface.over(window, affine, out[0])
        elif is_shift:
            out[0] = self._shifted(window, matrix[:3, 3])
        else:
            x, y = (v.reshape(-1) for v in self._xy(window))
            out[0] = self.heights(x, y).reshape(window.shape)
        return out

    def _along_axes(self, window: Window, affine: Float, out: NDArray[np.float32]) -> None:
        """Resample at rows and columns of the source."""
        up = self.alignment.shift_z
        rows, cols = (v.reshape(-1) for v in window.pixel_centres())
        rows, cols = affine[0, 0] + affine[0, 1] * rows, affine[1, 0] + affine[1, 2] * cols
        if self.resampling == "nearest":
            at = np.meshgrid(rows, cols, indexing="ij")
            out[...] = sample_surface(self.source, *at, resampling="nearest") + up
            return
        along = separable.bilinear if self.resampling == "bilinear" else separable.cubic
        for part, below in parts(self.source, window, affine, _REACH):
            inside = part.slices_in(window)
            if below.size:
                values, held = surface_in(self.source, below)
                along(values, held.row, held.col, rows[inside[0]], cols[inside[1]], up, out[inside])
            else:
                out[inside] = np.nan

    def _shifted(self, window: Window, shift: Float) -> Float:
        """Sample where each cell was before the shift, other reference systems between."""
        row, col = self._map.at(window)
        back_row, back_col = self._shift_in_pixels(window, shift)
        height = sample_surface(
            self.source, row - back_row, col - back_col, resampling=self.resampling
        )
        return height + float(shift[2])

    def _shift_in_pixels(self, window: Window, shift: Float) -> tuple[Float, Float]:
        """Return the shift, given in another system, in rows and columns of the source.

        It changes by the difference of two map projections' scale and bearing alone: a lattice loses 1e-9 of a shift of
        one pixel.
        """
        slowly = Slowly(
            exactly=lambda rows, cols: self._shift_at(rows, cols, shift),
            tolerances=(_LATTICE_TOLERANCE, _LATTICE_TOLERANCE),
        )
        row, col = slowly.over(window)
        return row, col

    def _shift_at(
        self, rows: NDArray[Any], cols: NDArray[Any], shift: Float
    ) -> tuple[Float, Float]:
        """Return the shift in rows and columns of the source, exactly, at pixels of the result."""
        crs, source = self._crs, self.source.grid
        x, y = project(self.grid.crs, crs, *self.grid.xy(rows, cols))
        here_x, here_y = project(crs, source.crs, x, y)
        there_x, there_y = project(crs, source.crs, x - shift[0], y - shift[1])
        step_x, step_y = here_x - there_x, here_y - there_y
        if source.crs is not None and source.crs.is_geographic:
            step_x = step_x - 360.0 * np.round(step_x / 360.0)
        t = source.transform
        area = t.a * t.e - t.b * t.d
        return (t.a * step_y - t.d * step_x) / area, (t.e * step_x - t.b * step_y) / area

    def _xy(self, window: Window) -> tuple[Float, Float]:
        """Return coordinates of the cells in the alignment's system."""
        if self._crs is not None and self.grid.crs is not None:
            return GridProjection(self.grid, self._crs).at(window)
        x, y = self.grid.xy(*window.pixel_centres())
        return np.broadcast_to(x, window.shape), np.broadcast_to(y, window.shape)
