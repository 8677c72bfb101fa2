"""Rasters: anything that has a grid and can read a window of itself.

This is the one idea of trueground. A file is a raster, an array is one, and so is an orthoimage
that nobody has computed yet.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trueground.errors import InputError
from trueground.file_raster import FileRaster
from trueground.grid import Grid, Window
from trueground.shown import Shown
from trueground.surface import ComputedSurface
from trueground.windowed import (
    Raster,
    computed,
    fill_value,
    held,
    read_inside,
    shown_nodata,
)
from trueground.xarray_raster import XarrayRaster

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "ArrayRaster",
    "Floats",
    "Raster",
    "XarrayRaster",
    "as_float",
    "computed",
    "fill_value",
    "name_of",
    "open_raster",
    "read_inside",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArrayRaster(Shown):
    """An array in memory, on a grid.

    Examples
    --------
    >>> import numpy as np
    >>> from affine import Affine
    >>> from pyproj import CRS
    >>> from trueground import ArrayRaster, Grid
    >>> grid = Grid(crs=CRS(32633), transform=Affine(10, 0, 5e5, 0, -10, 8e6), shape=(3, 4))
    >>> raster = ArrayRaster(array=np.arange(12.0).reshape(3, 4), grid=grid)
    >>> from trueground import Window
    >>> raster.read(Window(1, 1, 2, 2))
    array([[[ 5.,  6.],
            [ 9., 10.]]])
    """

    array: NDArray[Any]
    """(rows, cols) or (bands, rows, cols)."""
    grid: Grid
    nodata: float | None = None
    """Value in the array that stands for no data; becomes NaN for real numbers, as they read."""
    _stored_nodata: float | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        array = np.asarray(self.array)
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        if array.ndim == 2:
            array = array[np.newaxis]
        if array.ndim != 3 or array.shape[1:] != self.grid.shape:
            msg = (
                f"array of shape {array.shape}: must be (rows, cols) or (bands, rows, cols) of "
                f"{self.grid}"
            )
            raise InputError(msg)
        object.__setattr__(self, "array", array)
        object.__setattr__(self, "_stored_nodata", held(array.dtype, self.nodata))
        object.__setattr__(self, "nodata", shown_nodata(array.dtype, self.nodata))

    @property
    def count(self) -> int:
        """Number of bands."""
        return int(self.array.shape[0])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.array.dtype

    def read(self, window: Window) -> NDArray[Any]:
        """Return a copy of a window; NaN where a raster of real numbers has no data."""
        if self.grid.window.contains(window):
            out = self.array[:, *window.slices_in(self.grid.window)].copy()
        else:
            inside, out = read_inside(self, window)
            if inside.size:
                part = self.array[:, *inside.slices_in(self.grid.window)]
                out[:, *inside.slices_in(window)] = part
        _nodata_to_nan(out, self._stored_nodata)
        return out


def _nodata_to_nan(values: NDArray[Any], nodata: float | None) -> None:
    if values.dtype.kind == "f" and nodata is not None and not np.isnan(nodata):
        values[values == values.dtype.type(nodata)] = np.nan


def open_raster(source: str | os.PathLike[str] | xr.DataArray | Raster) -> Raster:
    """Open a path or an `xarray.DataArray` as a raster.

    Parameters
    ----------
    source
        A file that GDAL reads (GeoTIFF, COG, VRT, ...), local or remote; a DataArray with
        dimensions (y, x) or (band, y, x) and a CRS in the manner of rioxarray; a raster is returned
        as it is.

    Raises
    ------
    InputError
        Where the file is missing or unreadable, or the array's coordinates are not a regular grid.

    Examples
    --------
    >>> import tempfile
    >>> from trueground.samples import small_raster
    >>> raster = small_raster()
    >>> from trueground import open_raster, write
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     opened = open_raster(write(raster, f"{folder}/a.tif"))
    >>> opened.grid == raster.grid, opened.dtype
    (True, dtype('float64'))
    """
    if isinstance(source, str | os.PathLike):
        return FileRaster.open(source)
    if isinstance(source, Raster):
        return source
    if type(source).__module__.startswith("xarray"):
        return XarrayRaster.of(source)
    msg = (
        f"{type(source).__name__} is not a raster: give a path, an xarray.DataArray or an object "
        "with grid and read"
    )
    raise InputError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Floats(ComputedSurface):
    """Another raster as float32, NaN where it has no data."""

    source: Raster

    @property
    def grid(self) -> Grid:
        """Where the pixels lie."""
        return self.source.grid

    @property
    def count(self) -> int:
        """Number of bands."""
        return self.source.count

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return a window as float32."""
        values = self.source.read(window)
        with np.errstate(over="ignore"):  # a number too large becomes infinite
            out = values.astype(np.float32)
        if self.source.dtype.kind != "f":
            if self.source.nodata is not None:
                out[values == self.source.nodata] = np.nan
            else:
                outside = np.ones(window.shape, dtype=bool)
                outside[window.intersect(self.grid.window).slices_in(window)] = False
                out[:, outside] = np.nan
        return out


def as_float(raster: Raster) -> Raster:
    """Return a raster of float32 with NaN where there is no data, as DEMs are everywhere inside."""
    if isinstance(raster, FileRaster | XarrayRaster):
        if raster.as_float or (raster.dtype == np.float32 and not raster.is_scaled):
            return raster
        if isinstance(raster, XarrayRaster):
            return replace(raster, as_float=True)
        dtype = np.dtype(np.float32)
        return replace(raster, as_float=True, dtype=dtype, nodata=shown_nodata(dtype, None))
    return raster if raster.dtype == np.float32 else Floats(source=raster)


def name_of(raster: Raster) -> str:
    """Return what to call a raster in a message."""
    source = getattr(raster, "source", raster)
    return source.path if isinstance(source, FileRaster) else "the DEM"
