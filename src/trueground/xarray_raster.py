"""An `xarray.DataArray` as a raster: its place, its nodata and its scale, by rioxarray's conventions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.projection import parse_crs
from trueground.shown import Shown
from trueground.windowed import UNSCALED, held, read_inside, shown_nodata

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class XarrayRaster(Shown):
    """An `xarray.DataArray`, read lazily where it is lazy."""

    data: xr.DataArray
    """(band, y, x)."""
    grid: Grid
    stored_nodata: float | None
    """Value in the array that stands for no data."""
    scale: tuple[float, float] = UNSCALED
    """Scale and offset that the attributes declare."""
    as_float: bool = False
    """Values are float32 with scale and offset applied, NaN where there is no data."""

    @classmethod
    def of(cls, data: xr.DataArray) -> XarrayRaster:
        """Find grid and nodata of an array that follows rioxarray's conventions."""
        dims = [str(d) for d in data.dims]
        y_name = next((d for d in ("y", "lat", "latitude", "northing") if d in dims), None)
        x_name = next((d for d in ("x", "lon", "longitude", "easting") if d in dims), None)
        others = [d for d in dims if d not in (y_name, x_name)]
        if y_name is None or x_name is None or len(others) > 1:
            msg = f"dimensions {tuple(dims)}: must be (y, x) or (band, y, x)"
            raise InputError(msg)
        if not others:
            data, others = data.expand_dims("band"), ["band"]
        data = data.transpose(others[0], y_name, x_name)
        named = data.encoding.get("grid_mapping", data.attrs.get("grid_mapping"))
        names = [n for n in (named, "spatial_ref", "crs") if n in data.coords]
        attributes = data.coords[names[0]].attrs if names else {}
        text = attributes.get("crs_wkt") or attributes.get("spatial_ref") or data.attrs.get("crs")
        transform = _regular(data, (y_name, x_name), attributes.get("GeoTransform"))
        _, height, width = data.shape
        crs = parse_crs(text) if text else None
        grid = Grid(crs=crs, transform=transform, shape=(height, width))
        keys = ("_FillValue", "missing_value", "nodata")
        # What the encoding says has been decoded: no data is NaN already, scale and offset are applied.
        # An array that was put together by hand may yet say its nodata there alone.
        decoded = "scale_factor" in data.encoding or "add_offset" in data.encoding
        places = [data.attrs] if decoded else [data.attrs, data.encoding]
        said = [p[k] for p in places for k in keys if p.get(k) is not None]
        scale = float(data.attrs.get("scale_factor", 1.0)), float(data.attrs.get("add_offset", 0.0))
        stored = held(np.dtype(data.dtype), float(said[0]) if said else None)
        return cls(data=data, grid=grid, stored_nodata=stored, scale=scale)

    @property
    def is_scaled(self) -> bool:
        """Whether the values stand for others, by scale and offset."""
        return self.scale != UNSCALED

    @property
    def nodata(self) -> float | None:
        """Value that stands for no data; NaN for rasters of real numbers."""
        return shown_nodata(self.dtype, self.stored_nodata)

    @property
    def count(self) -> int:
        """Number of bands."""
        return int(self.data.shape[0])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        own = np.dtype(self.data.dtype).newbyteorder("=")
        return np.dtype(np.float32) if self.as_float else own

    def read(self, window: Window) -> NDArray[Any]:
        """Return a window; dask computes it in this thread."""
        inside, out = read_inside(self, window)
        if inside.size:
            rows, cols = inside.slices_in(self.grid.window)
            part = self.data[:, rows, cols]
            if part.chunks is not None:
                part = part.compute(scheduler="synchronous")
            values = part.values
            target = out[:, *inside.slices_in(window)]
            with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite
                target[...] = values
            if self.as_float and self.is_scaled:
                target[...] = target * self.scale[0] + self.scale[1]
            if self.dtype.kind == "f" and self.stored_nodata is not None:
                target[values == values.dtype.type(self.stored_nodata)] = np.nan
        return out


_UNEVEN = 0.02  # px that a coordinate may stray from a regular grid: float32 longitudes do by 0.01


def _regular(data: xr.DataArray, names: tuple[str, str], geotransform: str | None) -> Affine:
    """Return the transform from evenly spaced coordinates, else from the GeoTransform.

    Coordinates come first because a slice of an array carries its old GeoTransform along; where
    the two agree, the GeoTransform has all digits.
    """
    declared = None
    if geotransform is not None:
        c, a, b, f, d, e = (float(v) for v in geotransform.split())
        declared = Affine(a, b, c, d, e, f)
    if any(name not in data.coords for name in names):
        if declared is None:
            msg = "the array has neither coordinates nor a GeoTransform: its place is unknown"
            raise InputError(msg)
        return declared
    (dy, north), (dx, west) = (
        _axis(name, np.asarray(data.coords[name].values, dtype=np.float64), known)
        for name, known in zip(
            names, (declared.e, declared.a) if declared is not None else (0.0, 0.0), strict=True
        )
    )
    found = Affine(dx, 0.0, west, 0.0, dy, north)
    if declared is None:
        return found
    rows, cols = data.shape[1:]
    corners = np.array([[0, 0, rows, rows], [0, cols, 0, cols]])
    x, y = Grid(crs=None, transform=declared, shape=(1, 1)).xy(*corners)
    back = np.array(Grid(crs=None, transform=found, shape=(1, 1)).rowcol(x, y))
    return declared if np.abs(back - corners).max() < _UNEVEN else found


def _axis(name: str, values: NDArray[np.float64], known: float) -> tuple[float, float]:
    """Return the step of a coordinate and its outer edge; a single value needs a known step."""
    count = values.size
    step = float(values[-1] - values[0]) / (count - 1) if count > 1 else known
    even = values[0] + step * np.arange(count)
    if step == 0.0 or not np.abs(values - even).max() <= _UNEVEN * abs(step):
        msg = f"coordinate {name!r} is not evenly spaced: a raster needs a regular grid"
        raise InputError(msg)
    return step, float(values[0]) - step / 2.0
