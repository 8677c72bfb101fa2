"""Rasters in files that GDAL reads: opened by each thread for itself, asked again where a connection breaks."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
from trueground.shown import Shown
from trueground.windowed import UNSCALED, held, read_inside, shown_nodata

if TYPE_CHECKING:
    import rasterio

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
_PAUSES_OPENING = (0.5, 1.0)  # s, before it is opened again
# A server that answered, in a way; one that is not there, or says nothing, has had its time.
_HUNG_UP = re.compile(
    r"CURL error: (?!Could not resolve|Failed to connect|Operation (?:too slow|timed out))"
)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class FileRaster(Shown):
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

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> FileRaster:
        """Open a file.

        Raises
        ------
        InputError
            Where it is missing or unreadable, or holds no raster.
        """
        dataset = open_dataset(path)
        if dataset.count == 0:
            inside = ", ".join(dataset.subdatasets)
            msg = f"{path} holds no raster itself; give one of its subdatasets: {inside}"
            raise InputError(msg)
        odd = [name for name in dataset.dtypes if name.startswith("complex_int")]
        if odd:  # numpy has no such type
            msg = f"{path} holds values of type {odd[0]}; convert them, say with gdal_translate -ot CFloat32"
            raise InputError(msg)
        dtype = np.result_type(*dataset.dtypes)
        raster = cls(
            path=os.fspath(path),
            grid=dataset_grid(dataset),
            count=dataset.count,
            dtype=dtype,
            nodata=shown_nodata(dtype, dataset.nodata),
            tags=dataset.tags(),
            descriptions=tuple(dataset.descriptions),
        )
        raster._local.dataset = dataset
        return raster

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
        MemoryError
            Where there is none for GDAL.
        """
        import rasterio

        for pause in (*(() if is_local(self.path) else _PAUSES), None):
            try:
                found = ask(self._dataset())
                self._check_unchanged()
            except rasterio.errors.RasterioError as error:
                if "allocate" in _cause(error):
                    msg = f"{without_secrets(self.path)}: {_cause(error)}"
                    raise MemoryError(msg) from error
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
        """Close a remote file, and have it read anew."""
        self._local.__dict__.pop("dataset", None)
        _drop_answers(self.path)

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

    name = os.fspath(path)
    if is_local(name) and not Path(name).exists():
        msg = f"{name} does not exist; check the path"
        raise InputError(msg)
    for pause in (*_PAUSES_OPENING, None):
        try:
            return _opened(name)
        except (rasterio.errors.RasterioError, UnicodeDecodeError) as error:
            if pause is None or _HUNG_UP.search(_cause(error)) is None:
                # GDAL's message may quote the file's own bytes, which rasterio cannot always decode.
                msg = f"{without_secrets(name)} is not a raster that GDAL can read: {_cause(error)}"
                raise InputError(msg) from error
        time.sleep(pause)
        _drop_answers(name)
    raise AssertionError


def _opened(name: str) -> rasterio.DatasetReader:
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    with rasterio.Env(**GDAL_OPTIONS), quiet(NotGeoreferencedWarning):
        return rasterio.open(name)


def _drop_answers(name: str) -> None:
    """Drop what GDAL keeps of a remote file: answers cut short, and that there was none."""
    import rasterio

    with (
        contextlib.suppress(rasterio.errors.RasterioError, UnicodeDecodeError),
        rasterio.Env(CPL_VSIL_CURL_NON_CACHED="/vsi"),  # forgotten when it is closed
    ):
        _opened(name).close()


def dataset_grid(dataset: rasterio.DatasetReader) -> Grid:
    """Return the grid of an open file."""
    crs = None if dataset.crs is None else CRS.from_wkt(dataset.crs.to_wkt())
    if crs is not None and crs.is_engineering:
        crs = None
    return Grid(crs=crs, transform=dataset.transform, shape=dataset.shape)
