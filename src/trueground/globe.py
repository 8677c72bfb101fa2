"""Rasters that go once around the globe, without the seam that their file has."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trueground.grid import Grid, Window
from trueground.raster import Raster, computed
from trueground.surface import ComputedSurface

_TURN = 360.0  # degrees
_EXACT = 0.1  # cells by which a full turn of them may miss 360 degrees: cell sizes are stored with few digits
_SPARE = (
    4  # columns beyond the seam, on each side: as many as any interpolation between cells looks at
)


@dataclass(frozen=True, kw_only=True)
class AroundTheGlobe(ComputedSurface):
    """A raster of longitudes and latitudes that goes on beyond its first and last column.

    Its columns are those of the source, from `first` on and once around, and a few more on both sides.
    """

    source: Raster
    """Real numbers, of one band."""
    columns: int
    """How many columns of the source make a full turn."""
    first: int = 0
    """Column of the source behind the seam, from 0 to `columns` - 1."""

    @property
    def grid(self) -> Grid:
        """Grid of the source, a little wider than a full turn; longitudes go on where the source ends."""
        rows = self.source.grid.shape[0]
        return self.source.grid.crop(Window(0, self._before, rows, self.columns + 2 * _SPARE))

    @property
    def middle(self) -> float:
        """Longitude opposite of the seam."""
        return float(self.source.grid.xy(0.0, self.first + self.columns / 2.0)[0])

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return a window, its columns counted around the globe."""
        return computed(self, window, self._compute)

    def turned(self) -> AroundTheGlobe:
        """Return the same heights with the seam on the other side of the globe."""
        return replace(self, first=(self.first + self.columns // 2) % self.columns)

    @property
    def _before(self) -> int:
        return self.first - _SPARE

    def _compute(self, window: Window) -> NDArray[np.float32]:
        start, width = self._before + window.col, self.columns
        parts = []
        for turn in range(start // width, (start + window.width - 1) // width + 1):
            first = max(start - turn * width, 0)
            last = min(start + window.width - turn * width, width)
            parts.append(
                self.source.read(Window(window.row, first, window.height, last - first)),
            )
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)


def closed(raster: Raster) -> Raster:
    """Return a raster of real numbers closed around the globe, where it goes once around; else as it is.

    That is one of longitudes and latitudes, north up, whose columns make 360 degrees.
    """
    if isinstance(raster, AroundTheGlobe):
        return raster
    grid = raster.grid
    t = grid.transform
    straight = t.b == 0.0 and t.d == 0.0 and t.a > 0.0 and t.e < 0.0
    if grid.crs is None or not grid.crs.is_geographic or not straight:
        return raster
    columns = round(_TURN / t.a)
    if columns > grid.shape[1] or abs(columns * t.a - _TURN) > _EXACT * t.a:
        return raster
    return AroundTheGlobe(source=raster, columns=columns)
