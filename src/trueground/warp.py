"""A raster on another grid, computed when it is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from trueground.errors import ProjectionError
from trueground.grid import Grid, Window
from trueground.projection import GridProjection, count_longitudes_as, project
from trueground.raster import Raster, computed
from trueground.sampling import (
    IMAGE,
    SURFACE,
    UNSCALED,
    ImageResampling,
    Resampling,
    check_resampling,
    fill_of,
    sample_image,
    sample_surface,
    scale_at,
)
from trueground.surface import OfSource


@dataclass(frozen=True, kw_only=True)
class PixelMap:
    """For the pixels of one grid, their pixel coordinates in another, in whatever CRS."""

    source: Grid
    """Grid whose pixel centres are looked at."""
    target: Grid
    """Grid in whose pixels the answer is given."""
    _projection: GridProjection | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if (self.source.crs is None) != (self.target.crs is None):
            msg = (
                "one raster has a CRS and the other has none: "
                "assign the missing one with gdal_edit.py -a_srs"
            )
            raise ProjectionError(msg)
        if self.target.crs is not None:
            west, _, east, _ = self.target.bounds
            middle = (west + east) / 2.0
            projection = GridProjection(self.source, self.target.crs, about=middle)
            object.__setattr__(self, "_projection", projection)

    def at(self, window: Window) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return row, col (height, width) in the target grid of the source's pixel centres."""
        axes = self.axes(window)
        if axes is not None:
            return np.broadcast_to(axes[0], window.shape), np.broadcast_to(axes[1], window.shape)
        if self._projection is not None and not self._projection.exact:
            x, y = self._projection.at(window)
        else:
            x, y = self.source.xy(*window.pixel_centres())
        return self.target.rowcol(count_longitudes_as(self.target, x), y)

    def axes(self, window: Window) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Return rows (height, 1) and columns (1, width) where all of a row has one row, and of a column one column."""
        rows, cols = window.pixel_centres()
        if self._projection is not None and not self._projection.exact:
            return None
        if self.source == self.target:
            return rows, cols
        one, two = self.source.transform, self.target.transform
        if not one.b == one.d == two.b == two.d == 0.0:
            return None
        x, y = self.source.xy(0.0, cols)[0], self.source.xy(rows, 0.0)[1]
        x = count_longitudes_as(self.target, x)
        return self.target.rowcol(0.0, y)[0], self.target.rowcol(x, 0.0)[1]


@dataclass(frozen=True, kw_only=True)
class Resampled(OfSource):
    """Another raster, on a given grid.

    A band of real numbers is taken as a surface (strict about NaN); integers, and several bands, as
    an image.

    Examples
    --------
    >>> from trueground.samples import small_raster
    >>> raster = small_raster()
    >>> from dataclasses import replace
    >>> from affine import Affine
    >>> from trueground import Resampled, Window
    >>> finer = raster.grid.transform @ Affine.scale(0.5)
    >>> half = replace(raster.grid, transform=finer, shape=(6, 8))
    >>> Resampled(source=raster, grid=half).read(Window(2, 2, 1, 2))
    array([[[3.75, 4.25]]])
    """

    source: Raster
    """The other raster, in any CRS."""
    grid: Grid
    """Grid of the result."""
    resampling: ImageResampling = "bilinear"
    """Of surfaces `nearest`, `bilinear` or `cubic`; of images as in `sampling.sample_image`."""
    antialias: bool = True
    """Whether the kernels of an image are stretched where the grid is coarser than it."""
    _map: PixelMap = field(init=False, repr=False, compare=False)
    _scale: tuple[float, float] = field(default=UNSCALED, init=False, repr=False, compare=False)
    """Pixels of the source in one of the grid, at the grid's centre."""

    def __post_init__(self) -> None:
        check_resampling(self.resampling, SURFACE if self._is_surface else IMAGE)
        object.__setattr__(self, "_map", PixelMap(source=self.grid, target=self.source.grid))
        if not self._is_surface:
            centre = self.grid.xy(self.grid.shape[0] / 2.0, self.grid.shape[1] / 2.0)
            scale = scale_at(
                self._pixels, self.grid.transform, (float(centre[0]), float(centre[1]))
            )
            object.__setattr__(self, "_scale", scale)

    @property
    def _is_surface(self) -> bool:
        return self.source.dtype.kind == "f" and self.source.count == 1

    def _pixels(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return row, col in the source of points of the grid's reference system."""
        own, there = self.grid.crs, self.source.grid.crs
        if own is not None and there is not None:
            x, y = project(own, there, x, y)
        return self.source.grid.rowcol(count_longitudes_as(self.source.grid, x), y)

    def read(self, window: Window) -> NDArray[Any]:
        """Return a window, resampled."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[Any]:
        row, col = self._map.at(window)
        if self._is_surface:
            surface = sample_surface(
                self.source, row, col, resampling=cast(Resampling, self.resampling)
            )
            return surface[np.newaxis].astype(self.dtype)
        return sample_image(
            self.source,
            row,
            col,
            fill=fill_of(self.source),
            declared=self.nodata is not None,
            resampling=self.resampling,
            scale=self._scale,
            antialias=self.antialias,
        )


def on_grid(raster: Raster, grid: Grid, *, resampling: ImageResampling = "bilinear") -> Raster:
    """Return a raster on a grid: itself where it lies there already.

    Parameters
    ----------
    raster
        Any raster, in any CRS.
    grid
        Where it is wanted.
    resampling
        As of `Resampled`.

    Examples
    --------
    >>> from trueground.samples import small_raster
    >>> raster = small_raster()
    >>> from trueground import on_grid
    >>> on_grid(raster, raster.grid) is raster
    True
    """
    if raster.grid == grid:
        return raster
    return Resampled(source=raster, grid=grid, resampling=resampling)
