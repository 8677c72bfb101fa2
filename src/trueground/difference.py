"""The difference of two rasters, computed when it is read."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trueground.errors import DatumError, InputError, OverlapError
from trueground.grid import Bounds, Grid, Window
from trueground.projection import count_longitudes_about, project_bounds
from trueground.raster import Raster, as_float
from trueground.sampling import Resampling
from trueground.surface import ComputedSurface
from trueground.vertical import Datum
from trueground.warp import on_grid


@dataclass(frozen=True, kw_only=True)
class Difference(ComputedSurface):
    """`first - second` on the grid of the first, NaN where either has no data.

    Examples
    --------
    >>> from trueground.samples import small_raster
    >>> raster = small_raster()
    >>> from trueground import ArrayRaster, Difference
    >>> ones = ArrayRaster(array=raster.array * 0 + 1, grid=raster.grid)
    >>> Difference(first=raster, second=ones).read(raster.grid.window)[0, 0]
    array([-1.,  0.,  1.,  2.], dtype=float32)
    """

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
        if self.first.grid.crs != self.second.grid.crs:
            _check_datums(self.first.grid, self.second.grid)
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
    one, two = first.grid.bounds, bounds_as_in(first.grid, second.grid)
    if one[0] >= two[2] or two[0] >= one[2] or one[1] >= two[3] or two[1] >= one[3]:
        shown = [", ".join(f"{v:.10g}" for v in b) for b in (one, two)]
        msg = (
            f"the rasters do not overlap: bounds {shown[0]} and {shown[1]} "
            "(west, south, east, north); check their CRS"
        )
        raise OverlapError(msg)


def bounds_as_in(first: Grid, second: Grid) -> Bounds:
    """Return the bounds of a grid in the CRS of another, counted around the globe as that does."""
    one, two = first.bounds, second.bounds
    if first.crs is None or second.crs is None:
        return two
    two = project_bounds(second.crs, first.crs, two)
    middle = np.array((two[0] + two[2]) / 2.0)
    by = float(count_longitudes_about(first.crs, middle, (one[0] + one[2]) / 2.0) - middle)
    return two[0] + by, two[1], two[2] + by, two[3]


def _check_datums(first: Grid, second: Grid) -> None:
    one, two = Datum.of_crs(first.crs), Datum.of_crs(second.crs)
    if one is not None and two is not None and one != two:
        msg = (
            f"heights of the first raster are above {one} and those of the second above {two}: bring them to one "
            "datum with datum_shift.in_common_datum"
        )
        raise DatumError(msg)
