"""A DEM and the corrections of its heights: a raster that is computed when it is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from trueground.coreg.bias.correction import Correction
from trueground.coreg.bias.shapes import OfVariable
from trueground.coreg.bias.variable import Variable
from trueground.coreg.moving import dem_to_move
from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.projection import GridProjection, same_place
from trueground.raster import Raster, computed
from trueground.sampling import Resampling
from trueground.surface import ComputedSurface
from trueground.warp import Resampled

Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Corrected(ComputedSurface):
    """Heights of a DEM at its own nodes, and what corrections add there: nothing is resampled."""

    source: Raster
    """The moving DEM, float32."""
    corrections: tuple[Correction, ...]
    """In the order in which they were found."""
    _projection: GridProjection | None = field(init=False, repr=False, compare=False)
    """From its grid to the working CRS, where that is another."""
    _own: tuple[Variable | None, ...] = field(init=False, repr=False, compare=False)
    """The variables as the DEM itself has them."""

    def __post_init__(self) -> None:
        own, projection = self.source.grid.crs, None
        declared = {c.crs for c in self.corrections if c.crs is not None}
        if len(declared) > 1:
            msg = "corrections that count in different reference systems: apply them one after the other"
            raise InputError(msg)
        if own is not None and declared:
            crs = CRS.from_wkt(declared.pop())
            if not same_place(crs, own):
                projection = GridProjection(self.source.grid, crs)
        object.__setattr__(self, "_projection", projection)
        object.__setattr__(self, "_own", tuple(self._variable_of(c) for c in self.corrections))

    def _variable_of(self, correction: Correction) -> Variable | None:
        """Return the variable as the DEM has it; None where it is not asked for."""
        shape, known = correction.shape, correction.variable
        if not isinstance(shape, OfVariable) or (known is not None and known.given):
            return None
        return Variable(name=shape.variable, source=self.source)

    @property
    def grid(self) -> Grid:
        """Grid of the source."""
        return self.source.grid

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return a window of corrected heights."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[np.float32]:
        heights = self.source.read(window)
        x, y = self._places(window)
        z = heights[0].astype(np.float64)
        for correction, variable in zip(self.corrections, self._own, strict=True):
            own = None if variable is None else partial(variable.on, window)
            z += correction.dz(x, y, z, own=own)
        out: NDArray[np.float32] = z[np.newaxis].astype(np.float32)
        return out

    def _places(self, window: Window) -> tuple[Float, Float]:
        """Return x and y of the nodes in the working CRS, to be broadcast."""
        if self._projection is not None:
            return self._projection.at(window)
        grid = self.grid
        rows, cols = window.pixel_centres()
        if grid.transform.b == grid.transform.d == 0.0:  # one row and one column say it all
            return grid.xy(0.0, cols)[0], grid.xy(rows, 0.0)[1]
        return grid.xy(rows, cols)


def corrected_on(
    dem: Raster,
    corrections: tuple[Correction, ...],
    *,
    grid: Grid | None = None,
    resampling: Resampling = "bilinear",
) -> Corrected | Resampled:
    """Return a corrected DEM on its own grid, or resampled once to another.

    Raises
    ------
    InputError
        Where the raster has more than one band, or a variable that nobody gave is needed.
    """
    out = Corrected(source=dem_to_move(dem, grid), corrections=corrections)
    if grid is None or grid == out.grid:
        return out
    return Resampled(source=out, grid=grid, resampling=resampling)
