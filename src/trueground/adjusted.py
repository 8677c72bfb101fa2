"""Heights multiplied, moved, and given where they are missing: what GDAL's RPC options do to a DEM."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.raster import Raster, as_float, computed
from trueground.surface import ComputedSurface


@dataclass(frozen=True, kw_only=True)
class Adjusted(ComputedSurface):
    """`scale * height + offset`, computed when it is read.

    Heights stay above the datum that they were above, so `Dem.open` still has to be told which that is.

    Examples
    --------
    >>> import numpy as np
    >>> from affine import Affine
    >>> from trueground import ArrayRaster, Grid
    >>> grid = Grid(crs=None, transform=Affine.identity(), shape=(1, 2))
    >>> feet = ArrayRaster(array=np.array([[1000.0, np.nan]], dtype=np.float32), grid=grid)
    >>> Adjusted(source=feet, scale=0.3048, offset=10.0, missing=0.0).read(grid.window)
    array([[[314.8, 10. ]]], dtype=float32)
    """

    source: Raster
    """Heights; one band."""
    scale: float = 1.0
    """What heights are multiplied by."""
    offset: float = 0.0
    """What is added to them then [m]."""
    missing: float | None = None
    """What stands in holes before all that, in the unit of `source`; None leaves them as they are."""

    def __post_init__(self) -> None:
        for name in ("scale", "offset", "missing"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                msg = f"{name} {value} of heights: must be a finite number"
                raise InputError(msg)
        if self.scale == 0.0:
            msg = "scale 0 of heights: would make them all the same; give --height, or a scale that is not 0"
            raise InputError(msg)
        object.__setattr__(self, "source", as_float(self.source))

    @property
    def grid(self) -> Grid:
        """Grid of the source."""
        return self.source.grid

    @property
    def count(self) -> int:
        """Bands of the source."""
        return self.source.count

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return a window of the adjusted heights."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[np.float32]:
        heights = self.source.read(window).astype(np.float64)
        if self.missing is not None:
            heights[np.isnan(heights)] = self.missing
        with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite
            out: NDArray[np.float32] = (heights * self.scale + self.offset).astype(np.float32)
        return out
