"""Rasters: anything that has a grid and can read a window of itself.

This is the one idea of trueground. A file is a raster, an array is one, and so is an orthoimage
that nobody has computed yet.
"""

from __future__ import annotations

import os
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

if TYPE_CHECKING:
    import rasterio
    import xarray as xr

# GDAL's block cache would otherwise take 5 % of the machine's memory.
GDAL_OPTIONS: Mapping[str, Any] = {"GDAL_CACHEMAX": 192, "GTIFF_REPORT_COMPD_CS": "YES"}


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
    """Return what stands for no data in an array of this type: NaN for real numbers, else nodata, else 0."""
    if dtype.kind in "fc":
        return float("nan")
    return 0.0 if nodata is None else float(nodata)


def read_inside(raster: Raster, window: Window) -> tuple[Window, NDArray[Any]]:
    """Return the part of a window that lies on the grid, and an array for the whole window filled with no data."""
    fill = fill_value(raster.dtype, raster.nodata)
    out = np.full((raster.count, *window.shape), fill, dtype=raster.dtype)
    return window.intersect(raster.grid.window), out


def computed(
    raster: Raster, window: Window, compute: Callable[[Window], NDArray[Any]]
) -> NDArray[Any]:
    """Read a window of a raster that is computed: `compute` sees only the part on the grid, the rest is no data."""
    if raster.grid.window.contains(window):
        return compute(window)
    inside, out = read_inside(raster, window)
    if inside.size:
        out[:, *inside.slices_in(window)] = compute(inside)
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayRaster:
    """An array in memory, on a grid."""

    array: NDArray[Any]
    """(rows, cols) or (bands, rows, cols)."""
    grid: Grid
    nodata: float | None = None

    def __post_init__(self) -> None:
        array = np.asarray(self.array)
        if array.ndim == 2:
            array = array[np.newaxis]
        if array.ndim != 3 or array.shape[1:] != self.grid.shape:
            msg = (
                f"array of shape {array.shape}: must be (rows, cols) or (bands, rows, cols) of "
                f"{self.grid}"
            )
            raise InputError(msg)
        object.__setattr__(self, "array", array)
        if array.dtype.kind == "f" and self.nodata is None:
            object.__setattr__(self, "nodata", float("nan"))

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
            _nodata_to_nan(out, self.nodata)
        return out


@dataclass(frozen=True, kw_only=True)
class FileRaster:
    """A file that GDAL reads, local or remote. Each thread opens it for itself."""

    path: str
    grid: Grid
    count: int
    dtype: np.dtype[Any]
    nodata: float | None
    as_float: bool = False
    """Values are float32, scaled by the file's scale and offset, and NaN where nodata or the mask says so."""
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
            values = dataset.read(window=cut)
            if self.as_float:
                values = self._to_float(dataset, cut, values)
        except rasterio.errors.RasterioError as error:
            msg = (
                f"{self.path} cannot be read at rows {inside.row}-{inside.row + inside.height}, "
                f"columns {inside.col}-{inside.col + inside.width}: {_cause(error)}; the file may "
                "be damaged or cut short"
            )
            raise InputError(msg) from error
        target[...] = values
        if not self.as_float:
            _nodata_to_nan(target, self.nodata)
        return out

    def _to_float(
        self, dataset: rasterio.DatasetReader, cut: Any, values: NDArray[Any]
    ) -> NDArray[np.float32]:
        out = values.astype(np.float32)
        for band in range(self.count):
            raw = dataset.nodatavals[band]
            if raw is not None:
                out[band][values[band] == np.asarray(raw).astype(values.dtype)] = np.nan
            elif "per_dataset" in {flag.name for flag in dataset.mask_flag_enums[band]}:
                out[band][dataset.read_masks(band + 1, window=cut) == 0] = np.nan
            scale, offset = dataset.scales[band], dataset.offsets[band]
            if scale != 1.0 or offset != 0.0:
                out[band] = out[band] * scale + offset
        return out


def _nodata_to_nan(values: NDArray[Any], nodata: float | None) -> None:
    if values.dtype.kind == "f" and nodata is not None and not np.isnan(nodata):
        values[values == values.dtype.type(nodata)] = np.nan


def _cause(error: BaseException) -> str:
    """Return the deepest message that GDAL gave."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().rstrip(".")


def is_local(path: str) -> bool:
    """Tell whether a path is a plain file rather than something that only GDAL resolves."""
    return (
        not path.startswith("/vsi")
        and "://" not in path
        and not path.startswith(("NETCDF:", "HDF5:", "GTIFF_DIR:"))
    )


def open_dataset(path: str | os.PathLike[str]) -> rasterio.DatasetReader:
    """Open a file with GDAL, with an error that says what is wrong with it."""
    import warnings

    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    name = os.fspath(path)
    if is_local(name) and not Path(name).exists():
        msg = f"{name} does not exist; check the path"
        raise InputError(msg)
    try:
        with rasterio.Env(**GDAL_OPTIONS), warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            return rasterio.open(name)
    except rasterio.errors.RasterioError as error:
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
        raster = FileRaster(
            path=os.fspath(source),
            grid=dataset_grid(dataset),
            count=dataset.count,
            dtype=np.dtype(dataset.dtypes[0]),
            nodata=_declared_nodata(dataset),
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


def _declared_nodata(dataset: rasterio.DatasetReader) -> float | None:
    if np.dtype(dataset.dtypes[0]).kind == "f" and dataset.nodata is None:
        return float("nan")
    return None if dataset.nodata is None else float(dataset.nodata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Floats:
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

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always float32."""
        return np.dtype(np.float32)

    @property
    def nodata(self) -> float:
        """Always NaN."""
        return float("nan")

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return a window as float32."""
        values = self.source.read(window)
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
    if isinstance(raster, FileRaster):
        plain = raster.dtype == np.float32 and not _has_scale(raster)
        if plain or raster.as_float:
            return raster
        return replace(raster, as_float=True, dtype=np.dtype(np.float32), nodata=float("nan"))
    return raster if raster.dtype == np.float32 else Floats(source=raster)


def _has_scale(raster: FileRaster) -> bool:
    dataset = raster._dataset()
    scaled = any(s != 1.0 for s in dataset.scales) or any(o != 0.0 for o in dataset.offsets)
    masked = dataset.nodata is None and any(
        "per_dataset" in {f.name for f in flags} for flags in dataset.mask_flag_enums
    )
    return scaled or masked


@dataclass(frozen=True, slots=True, kw_only=True)
class XarrayRaster:
    """An `xarray.DataArray`, read lazily where it is backed by dask."""

    data: xr.DataArray
    """(band, y, x)."""
    grid: Grid
    nodata: float | None

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
        reference = next((data.coords[n] for n in ("spatial_ref", "crs") if n in data.coords), None)
        attributes = {} if reference is None else reference.attrs
        text = attributes.get("crs_wkt") or attributes.get("spatial_ref") or data.attrs.get("crs")
        transform = _regular(data, y_name, x_name, attributes.get("GeoTransform"))
        grid = Grid(
            crs=CRS.from_user_input(text) if text else None,
            transform=transform,
            shape=data.shape[1:],
        )
        nodata = next((data.attrs[n] for n in ("_FillValue", "nodata") if n in data.attrs), None)
        if nodata is None and data.dtype.kind == "f":
            nodata = float("nan")
        return cls(data=data, grid=grid, nodata=None if nodata is None else float(nodata))

    @property
    def count(self) -> int:
        """Number of bands."""
        return int(self.data.shape[0])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return np.dtype(self.data.dtype)

    def read(self, window: Window) -> NDArray[Any]:
        """Return a window; dask computes it in this thread."""
        inside, out = read_inside(self, window)
        if inside.size:
            values = self.data.data[:, *inside.slices_in(self.grid.window)]
            if hasattr(values, "compute"):
                values = values.compute(scheduler="synchronous")
            out[:, *inside.slices_in(window)] = values
            _nodata_to_nan(out, self.nodata)
        return out


def _regular(data: xr.DataArray, y_name: str, x_name: str, geotransform: str | None) -> Affine:
    """Return the transform from the GeoTransform attribute, or from evenly spaced coordinates."""
    if y_name in data.coords and x_name in data.coords:
        steps, starts = [], []
        for name in (x_name, y_name):
            values = np.asarray(data.coords[name].values, dtype=np.float64)
            if values.size < 2:
                break
            step = (values[-1] - values[0]) / (values.size - 1)
            if step == 0.0 or np.abs(np.diff(values) - step).max() > 1e-3 * abs(step):
                msg = f"coordinate {name!r} is not evenly spaced: a raster needs a regular grid"
                raise InputError(msg)
            steps.append(step)
            starts.append(values[0] - step / 2.0)
        else:
            return Affine(steps[0], 0.0, starts[0], 0.0, steps[1], starts[1])
    if geotransform is None:
        msg = "the array has neither coordinates x and y nor a GeoTransform: its place is unknown"
        raise InputError(msg)
    c, a, b, f, d, e = (float(v) for v in geotransform.split())
    return Affine(a, b, c, d, e, f)


def to_xarray(raster: Raster, *, chunks: int | tuple[int, int] = 1024) -> xr.DataArray:
    """Return a lazy, dask-backed DataArray (band, y, x) of any raster.

    Nothing is read or computed before a chunk is asked for. CRS and transform follow rioxarray's
    conventions.

    Parameters
    ----------
    raster
        Any raster.
    chunks
        Rows and columns of a chunk.
    """
    import dask.array as da
    import xarray as xr

    size = (chunks, chunks) if isinstance(chunks, int) else chunks
    sizes = tuple(
        tuple(min(step, total - start) for start in range(0, total, step))
        for total, step in zip(raster.grid.shape, size, strict=True)
    )

    def block(block_info: Any = None) -> NDArray[Any]:
        (_, (r0, r1), (c0, c1)) = block_info[None]["array-location"]
        return raster.read(Window(r0, c0, r1 - r0, c1 - c0))

    array = da.map_blocks(
        block,
        chunks=((raster.count,), *sizes),
        dtype=raster.dtype,
        meta=np.empty((0, 0, 0), dtype=raster.dtype),
    )
    coords: dict[str, Any] = {"band": np.arange(1, raster.count + 1)}
    t = raster.grid.transform
    if t.b == 0.0 and t.d == 0.0:
        rows, cols = raster.grid.window.pixel_centres()
        coords["x"] = raster.grid.xy(0.0, cols[0])[0]
        coords["y"] = raster.grid.xy(rows[:, 0], 0.0)[1]
    reference = {"GeoTransform": f"{t.c!r} {t.a!r} {t.b!r} {t.f!r} {t.d!r} {t.e!r}"}
    if raster.grid.crs is not None:
        reference["crs_wkt"] = raster.grid.crs.to_wkt()
    coords["spatial_ref"] = xr.DataArray(0, attrs=reference)
    attributes = {} if raster.nodata is None else {"_FillValue": raster.nodata}
    return xr.DataArray(array, dims=("band", "y", "x"), coords=coords, attrs=attributes)
