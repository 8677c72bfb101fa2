"""A DEM moved by a field of shifts: a raster that is computed when it is read."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from trueground.coreg.blocks.field import Shifts
from trueground.coreg.slowly import Slowly
from trueground.grid import Grid, Window
from trueground.kernels import separable
from trueground.projection import project
from trueground.raster import Raster, computed
from trueground.sampling import (
    Held,
    Resampling,
    check_resampling,
    sample_surface,
    surface_in,
)
from trueground.surface import ComputedSurface
from trueground.warp import PixelMap

Float = NDArray[np.float64]
_LATTICE = 32  # px between the corners of a cell on which shifts are interpolated
_TOLERANCE = 1e-3  # px
_UP = 1e-3  # m
_BESIDE = (
    4  # px read beside the outermost place: what kernels reach, and shifts go beyond those at nodes
)
_MOST = 16  # times the pixels of a window, that are read for it at once


@dataclass(frozen=True, kw_only=True)
class WarpedDem(ComputedSurface):
    """A DEM moved by a field, on any grid, resampled once; the field is looked up at each place of the result."""

    source: Raster
    """The moving DEM, float32."""
    shifts: Shifts
    crs: CRS | None
    """What places and shifts of the field count in."""
    grid: Grid
    resampling: Resampling = "bilinear"
    _map: PixelMap = field(init=False, repr=False, compare=False)
    _slowly: Slowly = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_resampling(self.resampling)
        object.__setattr__(self, "_map", PixelMap(source=self.grid, target=self.source.grid))
        slowly = Slowly(
            exactly=self._moves, tolerances=(_TOLERANCE, _TOLERANCE, _UP), step=_LATTICE
        )
        object.__setattr__(self, "_slowly", slowly)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return a window of the moved DEM."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[np.float32]:
        axes = None if self.resampling == "nearest" else self._map.axes(window)
        out = np.empty((1, *window.shape), dtype=np.float32)
        if axes is None or not self._along_axes(window, axes, out[0]):
            row, col = self._map.at(window)
            out[0] = self._at(row, col, self._slowly.over(window))
        return out

    def _at(  # noqa: PLR0917 (a place, what to move it by, and where it is looked up)
        self, row: Float, col: Float, moves: tuple[Float, ...], source: Raster | None = None
    ) -> Float:
        back_row, back_col, up = moves
        return up + sample_surface(
            source or self.source, row - back_row, col - back_col, resampling=self.resampling
        )

    def _along_axes(
        self, window: Window, axes: tuple[Float, Float], out: NDArray[np.float32]
    ) -> bool:
        """Fill in a window whose rows are rows of the source but for the shifts; not where those differ wildly."""
        nodes = self._slowly.nodes(window)
        ends = []
        for at, back in zip(axes, nodes.values, strict=False):
            if not np.isfinite(back).all():
                return False
            ends += [math.floor(at.min() - back.max()), math.ceil(at.max() - back.min())]
        top, bottom, left, right = ends
        below = Window(top, left, bottom - top, right - left).pad(_BESIDE)
        below = below.intersect(self.source.grid.window)
        if below.size > _MOST * max(window.size, _LATTICE**2):
            return False
        source = None
        if below.size:
            values, held = surface_in(self.source, below)
            source = Held(source=self.source, window=held, values=values[np.newaxis])
            separable.drifting(
                values, held.row, held.col, axes[0].reshape(-1), axes[1].reshape(-1), nodes.values, nodes.first,
                _LATTICE, (window.row, window.col), self.resampling == "cubic", out,
            )  # fmt: skip
        else:
            out[...] = np.nan
        row, col = (np.broadcast_to(a, window.shape) for a in axes)
        for inside, moves in self._slowly.exact(nodes, window):
            out[inside] = self._at(row[inside], col[inside], moves, source)
        return True

    def _moves(self, rows: Float, cols: Float) -> tuple[Float, Float, Float]:
        """Return the shift in rows and columns of the source and in height, exactly, at pixels of the result."""
        source = self.source.grid
        x, y = self.grid.xy(rows, cols)
        if self.crs is None or self.grid.crs is None or source.crs is None:
            shift = self.shifts.at(x, y)
            step_x, step_y = shift[:2]
        else:
            x, y = project(self.grid.crs, self.crs, x, y)
            shift = self.shifts.at(x, y)
            here = project(self.crs, source.crs, x, y)
            there = project(self.crs, source.crs, x - shift[0], y - shift[1])
            step_x, step_y = (a - b for a, b in zip(here, there, strict=True))
            if source.crs.is_geographic:
                step_x = step_x - 360.0 * np.round(step_x / 360.0)
        t = source.transform
        area = t.a * t.e - t.b * t.d
        row = (t.a * step_y - t.d * step_x) / area
        return row, (t.e * step_x - t.b * step_y) / area, shift[2]
