"""What every raster has: a grid, bands of one type, windows of itself; and what stands for no data in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from trueground.grid import Grid, Window

UNSCALED = (1.0, 0.0)  # scale and offset of values that stand for themselves


@runtime_checkable
class Raster(Protocol):
    """Anything that has a grid and can read a window of itself."""

    @property
    def grid(self) -> Grid:
        """Where the pixels lie."""

    @property
    def count(self) -> int:
        """Number of bands."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""

    @property
    def nodata(self) -> float | None:
        """Value that stands for no data; NaN for rasters of real numbers."""

    def read(self, window: Window) -> NDArray[Any]:
        """Return (count, height, width); what lies outside the grid is no data."""


def fill_value(dtype: np.dtype[Any], nodata: float | None) -> float:
    """Return what stands for no data in an array: NaN for real numbers, else nodata, else 0."""
    if dtype.kind in "fc":
        return float("nan")
    return 0.0 if nodata is None else float(nodata)


def read_inside(raster: Raster, window: Window) -> tuple[Window, NDArray[Any]]:
    """Return the part of a window on the grid, and an array of all of it that holds no data yet."""
    fill = fill_value(raster.dtype, raster.nodata)
    out = np.full((raster.count, *window.shape), fill, dtype=raster.dtype)
    return window.intersect(raster.grid.window), out


def computed(
    raster: Raster, window: Window, compute: Callable[[Window], NDArray[Any]]
) -> NDArray[Any]:
    """Read a window of a computed raster: what lies off the grid is no data and not computed."""
    if raster.grid.window.contains(window):
        return compute(window)
    inside, out = read_inside(raster, window)
    if inside.size:
        out[:, *inside.slices_in(window)] = compute(inside)
    return out


def held(dtype: np.dtype[Any], nodata: float | None) -> float | None:
    """Return a nodata that a type can hold; None for one that no value can be equal to.

    A cast would make another value of it, a valid one: 0 of NaN, 1 of 1.5. For real numbers the
    nearest of the type is meant.
    """
    if nodata is None:
        return None
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        whole = np.isfinite(nodata) and int(nodata) == nodata
        return nodata if whole and info.min <= int(nodata) <= info.max else None
    if dtype.kind == "f" and np.isfinite(nodata):
        with np.errstate(over="ignore"):
            return nodata if np.isfinite(dtype.type(nodata)) else None
    return nodata


def shown_nodata(dtype: np.dtype[Any], nodata: float | None) -> float | None:
    """Return the nodata that a raster shows: rasters of real numbers read as NaN there."""
    if dtype.kind == "f":
        return float("nan")
    nodata = held(dtype, nodata)
    return None if nodata is None else float(nodata)
