"""Rasters: anything that has a grid and can read a window of itself.

This is the one idea of trueground. A file is a raster, an array is one, and so is an orthoimage
that nobody has computed yet.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.kept import Kept
from trueground.metadata import Metadata
from trueground.quiet import quiet
from trueground.secret import without_secrets
from trueground.surface import ComputedSurface
from trueground.windowed import (
    UNSCALED,
    Raster,
    computed,
    fill_value,
    held,
    read_inside,
    shown_nodata,
)
from trueground.xarray_raster import XarrayRaster

if TYPE_CHECKING:
    import rasterio
    import xarray as xr

__all__ = [
    "GDAL_OPTIONS",
    "ArrayRaster",
    "FileRaster",
    "Floats",
    "Raster",
    "XarrayRaster",
    "as_float",
    "computed",
    "dataset_grid",
    "fill_value",
    "is_local",
    "name_of",
    "open_dataset",
    "open_raster",
    "read_inside",
]

GDAL_OPTIONS: Mapping[str, Any] = {"GTIFF_REPORT_COMPD_CS": "YES"}

# GDAL's block cache would otherwise take 5 % of the machine's memory. It fixes its size when the first block is read,
# in whatever thread that is, so only the environment says it in time.
os.environ.setdefault("GDAL_CACHEMAX", "192")
# Servers that are busy are asked again, ever later, and those that say nothing are given up; by default GDAL asks once,
# and waits for ever.
for _name, _value in {
    "GDAL_HTTP_MAX_RETRY": "4", "GDAL_HTTP_RETRY_DELAY": "0.5", "GDAL_HTTP_CONNECTTIMEOUT": "15",
    "GDAL_HTTP_LOW_SPEED_TIME": "30", "GDAL_HTTP_LOW_SPEED_LIMIT": "1000",
}.items():  # fmt: skip
    os.environ.setdefault(_name, _value)
_PAUSES = (0.5, 1.0, 2.0, 4.0)  # s, before a remote file is asked again
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArrayRaster:
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
    _opened: tuple[int, int] | None = field(default=None, init=False, repr=False, compare=False)
    """Size and time of the last change, of a local file, when it was opened."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_opened", _version_of(self.path))

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs, which may work in another folder, to open the file for itself."""
        state = {k: v for k, v in self.__dict__.items() if k != "_local"}
        if is_local(self.path):
            state["path"] = str(Path(self.path).absolute())
        return {**state, "_version": _version_of(state["path"])}

    def __setstate__(self, state: dict[str, Any]) -> None:
        key = state["path"], state.pop("_version")
        # Another computer may see another time of the same file: what counts is that here it stays as it is.
        opened = _version_of(state["path"])
        self.__dict__.update(state, _local=_handles.get(key, threading.local), _opened=opened)

    def _dataset(self) -> rasterio.DatasetReader:
        dataset = getattr(self._local, "dataset", None)
        if dataset is None:
            dataset = self._local.dataset = open_dataset(self.path)
        return dataset

    @property
    def is_scaled(self) -> bool:
        """Whether the file says that its values stand for others, by scale and offset."""
        return any(band != UNSCALED for band in _scales(self._dataset()))

    @property
    def metadata(self) -> Metadata:
        """What the file says beside its pixels."""
        return Metadata.of(self._dataset())

    @property
    def has_mask(self) -> bool:
        """Whether the file has a mask band or an alpha band of its own."""
        return _alpha_of(self._dataset()) is not None or _is_masked(self._dataset())

    def read_mask(self, window: Window) -> NDArray[np.bool_]:
        """Return (height, width): where the file's alpha band, or its mask bands, say that there is data."""
        from rasterio.windows import Window as RasterioWindow

        inside = window.intersect(self.grid.window)
        out = np.zeros(window.shape, dtype=bool)
        if not inside.size:
            return out
        cut = RasterioWindow(inside.col, inside.row, inside.width, inside.height)

        def known(dataset: rasterio.DatasetReader) -> NDArray[np.bool_] | Literal[True]:
            alpha = _alpha_of(dataset)
            if alpha is not None:
                return np.asarray(dataset.read(alpha, window=cut) > 0)
            if _is_masked(dataset):
                return np.asarray(dataset.read_masks(window=cut).all(axis=0))
            return True

        out[inside.slices_in(window)] = self._asked(known, inside)
        return out

    def _asked(self, ask: Callable[[rasterio.DatasetReader], T], inside: Window) -> T:
        """Ask the open file for something of a window; a remote one again after a while, for connections break.

        Raises
        ------
        InputError
            With where the file cannot be read, and why; also where it is no longer the one that was opened.
        """
        import rasterio

        for pause in (*(() if is_local(self.path) else _PAUSES), None):
            try:
                found = ask(self._dataset())
                self._check_unchanged()
            except rasterio.errors.RasterioError as error:
                if pause is None:
                    self._check_unchanged()
                    rows = f"rows {inside.row}-{inside.row + inside.height}"
                    cols = f"columns {inside.col}-{inside.col + inside.width}"
                    damaged = "the file may be damaged or cut short"
                    if not is_local(self.path):
                        damaged = f"tried {1 + len(_PAUSES)} times; the server may be down, or the file cut short"
                    msg = f"{without_secrets(self.path)} cannot be read at {rows}, {cols}: {_cause(error)}; {damaged}"
                    raise InputError(msg) from error
                time.sleep(pause)
                self._forget()
            else:
                return found
        raise AssertionError

    def _check_unchanged(self) -> None:
        """Raise where the file is no longer what it was: what was read of it would not go together."""
        if self._opened is not None and _version_of(self.path) != self._opened:
            msg = (
                f"{self.path} has changed, or was replaced, since it was opened: what was read of it is of two "
                "different files; run again once nothing writes it"
            )
            raise InputError(msg)

    def _forget(self) -> None:
        """Close a remote file, and drop what GDAL keeps of it: answers cut short, too."""
        import rasterio

        self._local.__dict__.pop("dataset", None)
        with (
            contextlib.suppress(InputError),
            rasterio.Env(CPL_VSIL_CURL_NON_CACHED="/vsi"),  # forgotten when it is closed
        ):
            open_dataset(self.path).close()

    def read(self, window: Window) -> NDArray[Any]:
        """Return a window; NaN where a raster of real numbers has no data."""
        from rasterio.windows import Window as RasterioWindow

        inside = window.intersect(self.grid.window)
        if not inside.size:
            return read_inside(self, window)[1]
        cut = RasterioWindow(inside.col, inside.row, inside.width, inside.height)

        def told(
            dataset: rasterio.DatasetReader,
        ) -> tuple[NDArray[Any], Any, list[tuple[float, float]]]:
            values: NDArray[Any]
            if len(set(dataset.dtypes)) == 1:
                values = dataset.read(window=cut)
            else:
                values = np.stack([dataset.read(b, window=cut) for b in dataset.indexes])
            missing = self._missing(dataset, cut, values) if self.dtype.kind == "f" else None
            return values, missing, _scales(dataset) if self.as_float else []

        values, missing, scales = self._asked(told, inside)
        is_scaled = any(band != UNSCALED for band in scales)
        if inside == window and values.dtype == self.dtype and not is_scaled:
            out = values
        else:
            _, out = read_inside(self, window)
            with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite
                out[:, *inside.slices_in(window)] = values
        target = out[:, *inside.slices_in(window)]
        if is_scaled:
            for band, (scale, offset) in enumerate(scales):
                if (scale, offset) != UNSCALED:
                    target[band] = target[band] * scale + offset
        if missing is not None:
            target[missing] = np.nan
        return out

    def _missing(
        self, dataset: rasterio.DatasetReader, cut: Any, values: NDArray[Any]
    ) -> NDArray[np.bool_] | None:
        """Find what is no data by the declared value, the mask band or the alpha band; None where all has data."""
        found: list[tuple[int, NDArray[np.bool_]]] = []
        dtypes = dataset.dtypes
        for band, (raw, flags) in enumerate(
            zip(dataset.nodatavals, dataset.mask_flag_enums, strict=True)
        ):
            value = held(np.dtype(dtypes[band]), raw)
            if value is not None and not np.isnan(value):
                declared = np.asarray(value).astype(dtypes[band])
                found.append((band, values[band] == declared))
            if _masks(flags):
                found.append((band, dataset.read_masks(band + 1, window=cut) == 0))
        if not any(missing.any() for _, missing in found):
            return None
        out = np.zeros(values.shape, dtype=bool)
        for band, missing in found:
            out[band] |= missing
        return out


# Open files of rasters that came from another process: equal ones share them.
_handles: Kept[threading.local] = Kept(64)


def _version_of(path: str) -> tuple[int, int] | None:
    """Return size and time of the last change of a local file."""
    try:
        status = Path(path).stat() if is_local(path) else None
    except OSError:
        return None
    return None if status is None else (status.st_size, status.st_mtime_ns)


def _masks(flags: list[Any]) -> bool:
    """Tell whether GDAL's flags of a band's mask stand for a mask of its own, or for an alpha band."""
    return not {"all_valid", "nodata"} & {flag.name for flag in flags}


def _is_masked(dataset: rasterio.DatasetReader) -> bool:
    return any(_masks(flags) for flags in dataset.mask_flag_enums)


def _alpha_of(dataset: rasterio.DatasetReader) -> int | None:
    """Return the number of the alpha band; for real numbers GDAL's masks do not know of it."""
    names = [colour.name for colour in dataset.colorinterp]
    return names.index("alpha") + 1 if "alpha" in names and len(names) > 1 else None


def _scales(dataset: rasterio.DatasetReader) -> list[tuple[float, float]]:
    return list(zip(dataset.scales, dataset.offsets, strict=True))


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
        msg = f"{without_secrets(name)} is not a raster that GDAL can read: {_cause(error)}"
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
        dataset = open_dataset(source)
        if dataset.count == 0:
            inside = ", ".join(dataset.subdatasets)
            msg = f"{source} holds no raster itself; give one of its subdatasets: {inside}"
            raise InputError(msg)
        odd = [name for name in dataset.dtypes if name.startswith("complex_int")]
        if odd:  # numpy has no such type
            msg = f"{source} holds values of type {odd[0]}; convert them, say with gdal_translate -ot CFloat32"
            raise InputError(msg)
        dtype = np.result_type(*dataset.dtypes)
        raster = FileRaster(
            path=os.fspath(source),
            grid=dataset_grid(dataset),
            count=dataset.count,
            dtype=dtype,
            nodata=shown_nodata(dtype, dataset.nodata),
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
        return replace(raster, as_float=True, dtype=dtype, nodata=shown_nodata(dtype, None))
    return raster if raster.dtype == np.float32 else Floats(source=raster)


def name_of(raster: Raster) -> str:
    """Return what to call a raster in a message."""
    source = getattr(raster, "source", raster)
    return source.path if isinstance(source, FileRaster) else "the DEM"
