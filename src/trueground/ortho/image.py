"""Orthoimages: an image with an RPC, put in its true place over a DEM, computed when it is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueground.dem import Dem
from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.kernels.resample import extent
from trueground.ortho.geometry import Geometry, Ground
from trueground.raster import Raster, computed
from trueground.rpc.model import Rpc
from trueground.sampling import Held, Resampling, check_resampling, fill_of, sample_image

_LARGEST_SOURCE = 1 << 23  # px of the image read for one piece of the output
_SPARSE = 4  # px of the image, for each of the output, that are read at once at most
_STRIP = 64  # rows worked out at a time: what is known of their pixels stays in the second cache


@dataclass(frozen=True, kw_only=True)
class Orthoimage:
    """An image on the ground.

    For every pixel of the output: its position in longitude and latitude (map projection on a
    checked lattice), the height of the DEM there, the image position by the RPC, and the image's
    value there. DEM and RPC are evaluated at each pixel.
    """

    image: Raster
    rpc: Rpc
    """In the image's own pixels."""
    dem: Dem
    grid: Grid
    resampling: Resampling = "bilinear"
    """`nearest` or `bilinear`."""
    geometry: Geometry = field(init=False, repr=False, compare=False)
    """The way from the grid into the image."""

    def __post_init__(self) -> None:
        check_resampling(self.resampling, ("nearest", "bilinear"))
        if self.image.dtype.kind not in "iuf":
            msg = f"an image of type {self.image.dtype}: must hold integers or real numbers"
            raise InputError(msg)
        geometry = Geometry(grid=self.grid, rpc=self.rpc, dem=self.dem)
        object.__setattr__(self, "geometry", geometry)

    @property
    def count(self) -> int:
        """Bands of the image."""
        return self.image.count

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the image."""
        return self.image.dtype

    @property
    def nodata(self) -> float:
        """The image's nodata; 0 where an image of integers has none, NaN for real numbers.

        Where an image of integers has none, its own zeros become ones, so that they stay valid.
        """
        return fill_of(self.image)

    def read(self, window: Window) -> NDArray[Any]:
        """Return a window of the orthoimage."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[Any]:
        out = np.empty((self.count, *window.shape), dtype=self.dtype)
        ground = self.geometry.over(window)
        source = self._source(ground, window)
        for first in range(0, window.height, _STRIP):
            height = min(_STRIP, window.height - first)
            strip = Window(window.row + first, window.col, height, window.width)
            at = ground.at(strip)
            out[:, first : first + height] = self._resample(source, at.row, at.col)
        return out

    def _source(self, ground: Ground, window: Window) -> Raster:
        """Return the image, with what the window sees of it read at once, where that is not much more than it needs."""
        seen = ground.image_window(window, shape=self.image.grid.shape)
        if seen is None or seen.size == 0 or seen.size > _SPARSE * window.size + _STRIP**2:
            return self.image
        return Held.of(self.image, seen)

    def _resample(
        self, source: Raster, row: NDArray[np.float64], col: NDArray[np.float64]
    ) -> NDArray[Any]:
        """Resample, in pieces where the part of the image that is needed would be large."""
        rows, cols = self.image.grid.shape
        top, bottom, left, right, number = extent(row.reshape(-1), col.reshape(-1), rows, cols)
        if number and row.size > 1:
            span = (bottom - top) * (right - left) * self.image.count
            if span > _LARGEST_SOURCE:
                axis = 0 if row.shape[0] >= row.shape[1] else 1
                parts = zip(
                    np.array_split(row, 2, axis=axis),
                    np.array_split(col, 2, axis=axis),
                    strict=True,
                )
                return np.concatenate(
                    [self._resample(source, r, c) for r, c in parts], axis=axis + 1
                )
        return sample_image(source, row, col, fill=self.nodata, resampling=self.resampling)
