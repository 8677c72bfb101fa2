"""A DEM whose holes are filled, so that nothing else has to know of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trueground.dem import Dem
from trueground.grid import Grid, Window
from trueground.raster import Raster, computed
from trueground.surface import ComputedSurface
from trueground.vertical import ELLIPSOID

OnNodata = Literal["fail", "nearest"] | float
_FIRST = 64  # px around a window in which the nearest height is looked for first


def filled(dem: Dem, on_nodata: OnNodata) -> Dem:
    """Return a DEM of the same heights above the ellipsoid, whose holes have a height, or the nearest node's."""
    if on_nodata == "fail":
        return dem
    surface = _Filled(source=dem.surface, on_nodata=on_nodata)
    return Dem(raster=surface, datum=ELLIPSOID, interpolation=dem.interpolation)


@dataclass(frozen=True, kw_only=True)
class _Filled(ComputedSurface):
    """A surface whose holes are filled; beyond its edge there is nothing."""

    source: Raster
    on_nodata: OnNodata

    @property
    def grid(self) -> Grid:
        """Grid of the source."""
        return self.source.grid

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return a window, filled."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[np.float32]:
        values = np.array(self.source.read(window), dtype=np.float32)  # its own, to be filled
        missing = np.isnan(values)
        if not missing.any():
            return values
        if self.on_nodata == "nearest":
            return self._nearest(window)
        values[missing] = self.on_nodata
        return values

    def _nearest(self, window: Window) -> NDArray[np.float32]:
        """Take heights of the nearest nodes, of all the raster: more of it is read until none beyond can be nearer."""
        from scipy.ndimage import distance_transform_edt

        whole = self.grid.window
        reach = _FIRST
        while True:
            outer = window.pad(reach).intersect(whole)
            values = self.source.read(outer)[0]
            missing = np.isnan(values)
            if outer == whole and missing.all():
                return np.asarray(values[np.newaxis], dtype=np.float32)
            if not missing.all():
                distance, nearest = distance_transform_edt(missing, return_indices=True)
                inside = window.slices_in(outer)
                if outer == whole or float(distance[inside].max()) <= reach:
                    return np.asarray(values[tuple(nearest)][inside][np.newaxis], dtype=np.float32)
            reach *= 4
