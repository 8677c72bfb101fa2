"""The difference of two rasters, computed when it is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueground.errors import InputError, OverlapError
from trueground.grid import Grid, Window
from trueground.projection import project_bounds
from trueground.raster import Raster, as_float
from trueground.sampling import Resampling
from trueground.warp import on_grid


@dataclass(frozen=True, kw_only=True)
class Difference:
    """`first - second` on the grid of the first, NaN where either has no data."""

    first: Raster
    second: Raster
    resampling: Resampling = "bilinear"
    """How the second is brought onto the grid of the first, where it lies on another."""
    _second: Raster = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.first.count != self.second.count:
            msg = (
                f"{self.first.count} and {self.second.count} bands: "
                "both rasters need the same number"
            )
            raise InputError(msg)
        check_overlap(self.first, self.second)
        object.__setattr__(self, "first", as_float(self.first))
        second = on_grid(as_float(self.second), self.first.grid, resampling=self.resampling)
        object.__setattr__(self, "_second", second)

    @property
    def grid(self) -> Grid:
        """Grid of the first raster."""
        return self.first.grid

    @property
    def count(self) -> int:
        """Number of bands."""
        return self.first.count

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always float32."""
        return np.dtype(np.float32)

    @property
    def nodata(self) -> float:
        """Always NaN."""
        return float("nan")

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return a window of the difference."""
        out: NDArray[np.float32] = self.first.read(window) - self._second.read(window)
        return out


def check_overlap(first: Raster, second: Raster) -> None:
    """Raise where the bounds of two rasters do not meet.

    Raises
    ------
    OverlapError
        With both bounds, in the CRS of the first.
    """
    one = first.grid.bounds
    two = second.grid.bounds
    if first.grid.crs is not None and second.grid.crs is not None:
        two = project_bounds(second.grid.crs, first.grid.crs, two)
    if one[0] >= two[2] or two[0] >= one[2] or one[1] >= two[3] or two[1] >= one[3]:
        shown = [", ".join(f"{v:.10g}" for v in b) for b in (one, two)]
        msg = (
            f"the rasters do not overlap: bounds {shown[0]} and {shown[1]} "
            "(west, south, east, north); check their CRS"
        )
        raise OverlapError(msg)
