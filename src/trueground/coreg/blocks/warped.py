"""A DEM moved by a field of shifts: a raster that is computed when it is read."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from trueground.coreg.blocks.field import Shifts
from trueground.coreg.slowly import Slowly
from trueground.grid import Grid, Window
from trueground.projection import project
from trueground.raster import Raster, computed
from trueground.sampling import Resampling, check_resampling, sample_surface
from trueground.surface import ComputedSurface
from trueground.warp import PixelMap

Float = NDArray[np.float64]
_LATTICE = 32  # px between the corners of a cell on which shifts are interpolated
_TOLERANCE = 1e-3  # px
_UP = 1e-3  # m


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
        row, col = self._map.at(window)
        back_row, back_col, up = self._slowly.over(window)
        height = sample_surface(
            self.source, row - back_row, col - back_col, resampling=self.resampling
        )
        out: NDArray[np.float32] = (height + up)[np.newaxis].astype(np.float32)
        return out

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
