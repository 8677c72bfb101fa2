"""A field of shifts as a raster that is computed when it is read."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from trueground.coreg.blocks.field import Shifts
from trueground.coreg.pairs import pixel_of
from trueground.coreg.slowly import Slowly
from trueground.grid import Grid, Window
from trueground.projection import project
from trueground.raster import computed
from trueground.surface import ComputedSurface

Float = NDArray[np.float64]
BANDS = ("shift_x [m]", "shift_y [m]", "shift_z [m]", "sigma_x [m]", "sigma_y [m]", "sigma_z [m]")
"""Names of the bands, for `write(..., descriptions=BANDS)`: shifts, and their standard errors."""
_LATTICE = 32  # px between the corners of a cell on which values are interpolated
_TOLERANCE = 1e-3  # px
_UP = 1e-3  # m


@dataclass(frozen=True, kw_only=True)
class FieldRaster(ComputedSurface):
    """Shifts to add to x, y and z of the moving DEM, and their standard errors [m], at the places of the reference.

    Shifts in x and y count in the working CRS of the fit, whatever the grid counts in.
    """

    shifts: Shifts
    crs: CRS | None
    """What places and shifts of the field count in."""
    grid: Grid
    _slowly: Slowly = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        flat = _TOLERANCE * pixel_of(self.grid, self.crs)
        slowly = Slowly(
            exactly=self._values, tolerances=(flat, flat, _UP, flat, flat, _UP), step=_LATTICE
        )
        object.__setattr__(self, "_slowly", slowly)

    @property
    def count(self) -> int:
        """Six bands."""
        return len(BANDS)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return a window of the field, (6, height, width)."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[np.float32]:
        return np.stack(self._slowly.over(window)).astype(np.float32)

    def _values(self, rows: Float, cols: Float) -> tuple[Float, ...]:
        """Return the six values, exactly, at pixels."""
        x, y = np.broadcast_arrays(*self.grid.xy(rows, cols))
        if self.crs is not None and self.grid.crs is not None:
            x, y = project(self.grid.crs, self.crs, x, y)
        return (*self.shifts.at(x, y), *self.shifts.errors_at(x, y))
