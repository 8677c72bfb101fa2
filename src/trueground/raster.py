"""Rasters: anything that has a grid and can read a window of itself.

This is the one idea of trueground. A file is a raster, an array is one, and so is an orthoimage
that nobody has computed yet.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.projection import parse_crs
from trueground.quiet import quiet
from trueground.surface import ComputedSurface

if TYPE_CHECKING:
    import rasterio
    import xarray as xr

GDAL_OPTIONS: Mapping[str, Any] = {"GTIFF_REPORT_COMPD_CS": "YES"}

# GDAL's block cache would otherwise take 5 % of the machine's memory. It fixes its size when the first block is read,
# in whatever thread that is, so only the environment says it in time.
os.environ.setdefault("GDAL_CACHEMAX", "192")


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArrayRaster:
    """An array in memory, on a grid."""

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
        object.__setattr__(self, "_stored_nodata", _held(array.dtype, self.nodata))
        object.__setattr__(self, "nodata", _shown_nodata(array.dtype, self.nodata))

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
        inside, out = read_inside(self, window)
        if inside.size:
            out[:, *inside.slices_in(window)] = self.array[:, *inside.slices_in(self.grid.window)]
            _nodata_to_nan(out, self._stored_nodata)
        return out


@dataclass(frozen=True, kw_only=True)
class FileRaster:
    """A file that GDAL reads, local or remote. Each thread opens it for itself."""

    path: str
    grid: Grid
    count: int
    dtype: np.dtype[Any]
    nodata: float | None = field(compare=False)
    as_float: bool = False
    """Values are float32 with the file's scale and offset applied, NaN where there is no data."""
    tags: Mapping[str, str] = field(default_factory=dict, compare=False)
    descriptions: tuple[str | None, ...] = field(default=(), compare=False)
    _local: threading.local = field(
        default_factory=threading.local, init=False, repr=False, compare=False
    )

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _local=threading.local())

    def _dataset(self) -> rasterio.DatasetReader:
        dataset = getattr(self._local, "dataset", None)
        if dataset is None:
            dataset = self._local.dataset = open_dataset(self.path)
        return dataset

    @property
    def is_scaled(self) -> bool:
        """Whether the file says that its values stand for others, by scale and offset."""
        return any(band != _UNSCALED for band in _scales(self._dataset()))

    def read(self, window: Window) -> NDArray[Any]:
        """Return a window; NaN where a raster of real numbers has no data."""
        import rasterio
        from rasterio.windows import Window as RasterioWindow

        inside, out = read_inside(self, window)
        if not inside.size:
            return out
        dataset = self._dataset()
        cut = RasterioWindow(inside.col, inside.row, inside.width, inside.height)
        target = out[:, *inside.slices_in(window)]
        try:
            if len(set(dataset.dtypes)) == 1:
                values = dataset.read(window=cut)
            else:
                values = np.stack([dataset.read(b, window=cut) for b in dataset.indexes])
            missing = self._missing(dataset, cut, values) if self.dtype.kind == "f" else None
        except rasterio.errors.RasterioError as error:
            msg = (
                f"{self.path} cannot be read at rows {inside.row}-{inside.row + inside.height}, "
                f"columns {inside.col}-{inside.col + inside.width}: {_cause(error)}; "
                "the file may be damaged or cut short"
            )
            raise InputError(msg) from error
        with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite
            target[...] = values
        if self.as_float:
            for band, (scale, offset) in enumerate(_scales(dataset)):
                if (scale, offset) != _UNSCALED:
                    target[band] = target[band] * scale + offset
        if missing is not None:
            target[missing] = np.nan
        return out

    def _missing(
        self, dataset: rasterio.DatasetReader, cut: Any, values: NDArray[Any]
    ) -> NDArray[np.bool_]:
        """Find what is no data by the declared value, the mask band or the alpha band."""
        missing = np.zeros(values.shape, dtype=bool)
        for band, (raw, flags) in enumerate(
            zip(dataset.nodatavals, dataset.mask_flag_enums, strict=True)
        ):
            value = _held(np.dtype(dataset.dtypes[band]), raw)
            if value is not None:
                missing[band] = values[band] == np.asarray(value).astype(dataset.dtypes[band])
            if not {"all_valid", "nodata"} & {flag.name for flag in flags}:
                missing[band] |= dataset.read_masks(band + 1, window=cut) == 0
        return missing


_UNSCALED = (1.0, 0.0)


def _scales(dataset: rasterio.DatasetReader) -> list[tuple[float, float]]:
    return list(zip(dataset.scales, dataset.offsets, strict=True))


def _held(dtype: np.dtype[Any], nodata: float | None) -> float | None:
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


def _shown_nodata(dtype: np.dtype[Any], nodata: float | None) -> float | None:
    """Return the nodata that a raster shows: rasters of real numbers read as NaN there."""
    if dtype.kind == "f":
        return float("nan")
    nodata = _held(dtype, nodata)
    return None if nodata is None else float(nodata)


def _nodata_to_nan(values: NDArray[Any], nodata: float | None) -> None:
    if values.dtype.kind == "f" and nodata is not None and not np.isnan(nodata):
        values[values == values.dtype.type(nodata)] = np.nan


def _cause(error: BaseException) -> str:
    """Return the deepest message that GDAL gave."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().rstrip(".")


def is_local(path: str) -> bool:
    """Tell whether a path is a plain file rather than something that only GDAL resolves.

    That is a URL, a virtual file system of GDAL's, a subdataset (`NETCDF:...`), a VRT in place.
    """
    return re.match(r"/vsi|\w\w+:|\s*<", path) is None


def open_dataset(path: str | os.PathLike[str]) -> rasterio.DatasetReader:
    """Open a file with GDAL, with an error that says what is wrong with it."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    name = os.fspath(path)
    if is_local(name) and not Path(name).exists():
        msg = f"{name} does not exist; check the path"
        raise InputError(msg)
    try:
        with rasterio.Env(**GDAL_OPTIONS), quiet(NotGeoreferencedWarning):
            return rasterio.open(name)
    except (rasterio.errors.RasterioError, UnicodeDecodeError) as error:
        # GDAL's message may quote the file's own bytes, which rasterio cannot always decode.
        msg = f"{name} is not a raster that GDAL can read: {_cause(error)}"
        raise InputError(msg) from error


def dataset_grid(dataset: rasterio.DatasetReader) -> Grid:
    """Return the grid of an open file."""
    crs = None if dataset.crs is None else CRS.from_wkt(dataset.crs.to_wkt())
    if crs is not None and crs.is_engineering:
        crs = None
    return Grid(crs=crs, transform=dataset.transform, shape=dataset.shape)


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
    """
    if isinstance(source, str | os.PathLike):
        dataset = open_dataset(source)
        if dataset.count == 0:
            inside = ", ".join(dataset.subdatasets)
            msg = f"{source} holds no raster itself; give one of its subdatasets: {inside}"
            raise InputError(msg)
        dtype = np.result_type(*dataset.dtypes)
        raster = FileRaster(
            path=os.fspath(source),
            grid=dataset_grid(dataset),
            count=dataset.count,
            dtype=dtype,
            nodata=_shown_nodata(dtype, dataset.nodata),
            tags=dataset.tags(),
            descriptions=tuple(dataset.descriptions),
        )
        raster._local.dataset = dataset
        return raster
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
        return replace(raster, as_float=True, dtype=dtype, nodata=_shown_nodata(dtype, None))
    return raster if raster.dtype == np.float32 else Floats(source=raster)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class XarrayRaster:
    """An `xarray.DataArray`, read lazily where it is lazy."""

    data: xr.DataArray
    """(band, y, x)."""
    grid: Grid
    stored_nodata: float | None
    """Value in the array that stands for no data."""
    scale: tuple[float, float] = _UNSCALED
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
        stored = _held(np.dtype(data.dtype), float(said[0]) if said else None)
        return cls(data=data, grid=grid, stored_nodata=stored, scale=scale)

    @property
    def is_scaled(self) -> bool:
        """Whether the values stand for others, by scale and offset."""
        return self.scale != _UNSCALED

    @property
    def nodata(self) -> float | None:
        """Value that stands for no data; NaN for rasters of real numbers."""
        return _shown_nodata(self.dtype, self.stored_nodata)

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


def name_of(raster: Raster) -> str:
    """Return what to call a raster in a message."""
    source = getattr(raster, "source", raster)
    return source.path if isinstance(source, FileRaster) else "the DEM"
