"""Writing any raster to a file: streamed block by block, whole or not at all."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from trueground import __version__
from trueground.complete import check_readable, check_tiles
from trueground.engine import Engine, Progress, Threads
from trueground.errors import InputError, WriteError
from trueground.file_raster import GDAL_OPTIONS
from trueground.grid import Window
from trueground.lock import locked
from trueground.metadata import Metadata
from trueground.projection import storable
from trueground.quiet import quiet
from trueground.raster import Raster
from trueground.secret import without_secrets
from trueground.windowed import UNSCALED
from trueground.zarr_store import is_zarr_name, write_zarr

Compression = Literal["auto", "zstd", "deflate", "lzw", "none"]

_TILE = 512  # px, edge of a tile of the file
_BLOCK, _LARGE_BLOCK = 1024, 2048  # px, computed at a time
_SMALL_PIXEL = 4  # bytes, all bands
_BLOCKS_EACH = 8  # for each worker at least


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name beside `path`; on success it takes the final name, else it is removed.

    One at a time: the name is locked, and what a process that was killed has left of it is removed.

    Raises
    ------
    WriteError
        Where the folder does not exist or cannot be written, the disk is full, or another process writes this file.
    """
    final = Path(path)
    check_output(final)
    temporary = final.with_name(f".{final.stem}.{uuid.uuid4().hex[:8]}.part{final.suffix}")
    with locked(final):
        _remove_parts(final)
        try:
            with write_errors(final):
                yield temporary
                temporary.replace(final)
        finally:
            _remove_parts(final)


@contextlib.contextmanager
def write_errors(final: Path) -> Iterator[None]:
    """Turn what the system, or the writer of vector files, says while a file is written into a `WriteError`."""
    try:
        yield
    except OSError as error:
        raise _write_error(final, error.strerror or error) from error
    except RuntimeError as error:
        if not type(error).__module__.startswith("pyogrio"):
            raise
        raise _write_error(final, str(error).strip().rstrip(".")) from error


def _remove_parts(final: Path) -> None:
    """Remove temporary files of this name and what GDAL keeps beside them, also those of a process that was killed."""
    stem, suffix = re.escape(final.stem), re.escape(final.suffix)
    beside = r"([.-].*)?" if suffix else ""  # without one, these are the parts of other names
    part = re.compile(rf"\.{stem}\.[0-9a-f]{{8}}\.part{suffix}{beside}")
    with os.scandir(final.parent) as entries:
        found = [e.path for e in entries if part.fullmatch(e.name) and not e.is_dir()]
    for path in found:
        Path(path).unlink(missing_ok=True)


def _write_error(final: Path, reason: object) -> WriteError:
    return WriteError(f"{final} could not be written: {reason}; nothing was left under that name")


def check_output(path: str | os.PathLike[str]) -> None:
    """Raise, before any work, where a file of this name could not be made."""
    final = Path(path)
    folder = final.parent
    if not folder.exists():
        msg = f"the folder {folder} of {final.name} does not exist; make it first"
        raise WriteError(msg)
    if not folder.is_dir():
        msg = f"{folder} is not a folder, so {final.name} cannot be written in it"
        raise WriteError(msg)
    if final.is_dir() and not is_zarr_name(final):
        msg = f"{final} is a folder; give the name of a file"
        raise WriteError(msg)
    if final.exists() and not (final.is_file() or is_zarr_name(final)):
        msg = f"{final} is not a regular file; give another name"
        raise WriteError(msg)
    try:  # os.access does not know about quotas, access lists and the superuser
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        msg = (
            f"the folder {folder} cannot be written ({error.strerror}); "
            "choose another one or change its permissions"
        )
        raise WriteError(msg) from error


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file, whole or not at all, without the credentials of remote files."""
    with atomic(path) as temporary:
        temporary.write_text(without_secrets(text), encoding="utf-8")


def write(
    raster: Raster,
    path: str | os.PathLike[str],
    *,
    engine: Engine | None = None,
    driver: Literal["GTiff", "COG"] = "GTiff",
    block_size: int | None = None,
    history: Mapping[str, str] | None = None,
    rpc_tags: Mapping[str, str] | None = None,
    descriptions: tuple[str, ...] = (),
    metadata: Metadata | None = None,
    compress: Compression = "auto",
    nodata: float | None = None,
    progress: Progress | None = None,
) -> Path:
    """Stream a raster to a GeoTIFF, a COG, or, where the name ends in .zarr, a Zarr store.

    Blocks are computed by the engine, a bounded number at a time, and written by this thread. The
    file is written under a temporary name in the same folder and renamed at the end.

    Parameters
    ----------
    raster
        Any raster.
    path
        Name of the file; its folder must exist.
    engine
        Where blocks are computed; threads on all processors by default.
    driver
        `GTiff`, tiled; or `COG`, with overviews.
    block_size
        Rows and columns computed at a time; the result does not depend on it. `block_side` tells by default.
    history
        Tags to add: what went in and with which parameters. The software's version is added.
    rpc_tags
        Items of GDAL's RPC metadata domain, for an image that carries its RPC (`Rpc.to_tags`).
    descriptions
        Names of the bands.
    metadata
        What else to say of the pixels: bands, colours, acquisition.
    compress
        `zstd`, `deflate`, `lzw` or `none`; `auto` is zstd where this GDAL has it, else deflate. All lose nothing.
    nodata
        What stands for no data in the file of a raster of real numbers; NaN by default. Integers say it themselves.
    progress
        Called with the number of blocks written and their total.

    Raises
    ------
    InputError
        Where driver, compression or nodata do not go with the raster or the name.
    WriteError
        Where the file could not be written; nothing is left under its name.

    Examples
    --------
    >>> import tempfile
    >>> from trueground.samples import small_raster
    >>> raster = small_raster()
    >>> from trueground import write
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write(raster, f"{folder}/a.tif", history={"dem": "b.tif"})
    >>> path.name
    'a.tif'
    """
    import rasterio
    from rasterio.shutil import copy

    if driver not in ("GTiff", "COG"):
        msg = f"driver {driver!r}: must be GTiff or COG"
        raise InputError(msg)
    said = metadata or Metadata()
    told = {k: without_secrets(v) for k, v in (history or {}).items()}
    final, use = Path(path), engine or Threads()
    if is_zarr_name(final):
        check_output(final)
        if driver != "GTiff" or compress != "auto" or nodata is not None:
            msg = (
                f"{final.name}: a Zarr store is no COG, and says its compression and nodata itself"
            )
            raise InputError(msg)
        return write_zarr(
            raster,
            final,
            engine=use,
            block_size=block_size or _BLOCK,
            history=told,
            progress=progress,
        )
    profile = _profile(raster, said, compress=compress, nodata=nodata)
    with (
        rasterio.Env(**GDAL_OPTIONS),
        atomic(final) as temporary,
        _gdal_errors(final),
    ):
        plain = temporary
        if driver == "COG":
            plain = temporary.with_name(temporary.name + ".tif")
        with _silently_opened(plain, "w", **profile, **_CREATION) as target:
            target.update_tags(TRUEGROUND_VERSION=__version__)
            target.update_tags(**{f"TRUEGROUND_{k.upper()}": v for k, v in told.items()})
            if rpc_tags is not None:
                target.update_tags(ns="RPC", **rpc_tags)
            _describe(target, said, driver=driver)
            for band, text in enumerate(descriptions, start=1):
                target.set_band_description(band, text)
            side = block_size or block_side(raster, use.workers)
            windows = [block.core for block in raster.grid.blocks(side)]
            results = use.map(raster.read, windows)
            for done, (window, values) in enumerate(results, start=1):
                place = (
                    (window.row, window.row + window.height),
                    (
                        window.col,
                        window.col + window.width,
                    ),
                )
                target.write(_stored(values, profile), window=place)
                if progress is not None:
                    progress(done, len(windows))
        check_tiles(plain)
        if driver == "COG":
            copy(plain, temporary, driver="COG", **_cog_options(profile, said))
            check_tiles(temporary)
            check_readable(temporary)
    for suffix in _SIDECARS:
        final.with_name(final.name + suffix).unlink(missing_ok=True)
    return final


def block_side(raster: Raster, workers: int) -> int:
    """Return how many rows and columns are best computed at a time.

    Around large blocks less of the sources is decoded twice, each thread for itself. Small ones are spread evenly over
    many threads, and take less memory where pixels are large.
    """
    small = raster.count * raster.dtype.itemsize <= _SMALL_PIXEL
    many = raster.grid.window.size >= _BLOCKS_EACH * workers * _LARGE_BLOCK**2
    return _LARGE_BLOCK if small and many else _BLOCK


# Compressed in tiles.
_CREATION: Mapping[str, Any] = {
    "tiled": True,
    "blockxsize": _TILE,
    "blockysize": _TILE,
    "num_threads": "ALL_CPUS",
    "bigtiff": "IF_SAFER",
    "interleave": "band",
}
_LEVEL: Mapping[str, Mapping[str, int]] = {"zstd": {"zstd_level": 1}, "deflate": {"zlevel": 6}}
_COG: Mapping[str, Any] = {
    "blocksize": _TILE,
    "num_threads": "ALL_CPUS",
    "bigtiff": "IF_SAFER",
}
# What GDAL keeps beside a file: statistics, overviews and mask of the file that was there before.
_SIDECARS = (".aux.xml", ".ovr", ".msk", ".ovr.msk", ".msk.ovr")


def _silently_opened(path: Path, mode: str = "r", **options: Any) -> Any:
    """Open a file; an image with RPCs has no geotransform, and that is no reason to warn."""
    import rasterio

    with quiet(rasterio.errors.NotGeoreferencedWarning):
        return rasterio.open(path, mode, **options)


def _profile(
    raster: Raster, said: Metadata, *, compress: Compression, nodata: float | None
) -> dict[str, Any]:
    """Return what rasterio has to know about the file, with the predictor that fits the type."""
    from rasterio.dtypes import check_dtype

    grid = raster.grid
    dtype = np.dtype(np.uint8) if raster.dtype.kind == "b" else raster.dtype
    if not check_dtype(dtype.name):
        msg = f"values of type {dtype.name} do not fit in a GeoTIFF; convert them, say to float32"
        raise InputError(msg)
    if nodata is not None and nodata != raster.nodata and (dtype.kind != "f" or np.isinf(nodata)):
        msg = f"nodata {nodata:g}: a raster of {dtype} whose own is {raster.nodata} cannot be written with it"
        raise InputError(msg)
    codec = compression(compress)
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": grid.shape[0],
        "width": grid.shape[1],
        "count": raster.count,
        "dtype": dtype.name,
        "nodata": raster.nodata if nodata is None else nodata,
        "compress": codec,
        **_LEVEL.get(codec, {}),
    }
    if codec != "none":  # the next class is no guess at a class
        kinds = {"f": 3, "i": 2, "u": 2}
        profile["predictor"] = 1 if said.has_classes else kinds.get(dtype.kind, 1)
    shown = [band.interpretation for band in said.bands]
    if shown[:3] == ["red", "green", "blue"] and dtype.name in ("uint8", "uint16"):
        profile["photometric"] = "RGB"
    if grid.crs is not None:
        profile["crs"] = storable(grid.crs).to_wkt()
    if grid.crs is not None or grid.transform != Affine.identity():
        profile["transform"] = grid.transform
    return profile


@functools.cache
def _has_zstd() -> bool:
    """Tell whether this GDAL was built with zstd."""
    import rasterio

    pixel = {"driver": "GTiff", "height": 1, "width": 1, "count": 1, "dtype": "uint8"}
    try:
        with rasterio.io.MemoryFile() as memory, quiet(rasterio.errors.NotGeoreferencedWarning):
            memory.open(**pixel, compress="zstd").close()
            with memory.open() as dataset:
                return bool(dataset.profile.get("compress") == "zstd")
    except rasterio.errors.RasterioError:
        return False


def compression(name: Compression) -> str:
    """Return the compression that is meant.

    Raises
    ------
    InputError
        Where there is none of this name, or this GDAL lacks it.
    """
    if name == "auto":
        return "zstd" if _has_zstd() else "deflate"
    if name not in get_args(Compression):
        msg = f"compression {name!r}: must be one of {', '.join(get_args(Compression))}"
        raise InputError(msg)
    if name == "zstd" and not _has_zstd():
        msg = "compression 'zstd': this GDAL was built without it; use deflate"
        raise InputError(msg)
    return name


def _cog_options(profile: Mapping[str, Any], said: Metadata) -> dict[str, Any]:
    """Return how the COG is made: a mean of classes is none of them."""
    return {
        **_COG,
        "compress": profile["compress"],
        "predictor": "YES" if profile.get("predictor", 1) > 1 else "NO",
        # GDAL 3.10 copies the tags of the bands or those in domains of their own, never both; see _describe.
        "copy_src_mdd": "YES" if said.domains else "AUTO",
        "overview_resampling": "mode" if said.has_classes else "average",
    }


def stored_size(
    raster: Raster,
    values: NDArray[Any],
    window: Window,
    *,
    compress: Compression = "auto",
    nodata: float | None = None,
    metadata: Metadata | None = None,
) -> int:
    """Return the bytes that the values of a window take in a file; nothing is written."""
    import rasterio

    said = metadata or Metadata()
    profile = _profile(raster, said, compress=compress, nodata=nodata)
    profile |= {"height": window.height, "width": window.width}
    with (
        rasterio.Env(**GDAL_OPTIONS),
        quiet(rasterio.errors.NotGeoreferencedWarning),
        rasterio.io.MemoryFile() as memory,
    ):
        with memory.open(**profile, **_CREATION) as target:
            target.write(_stored(values, profile))
        return len(memory.getbuffer())


def _stored(values: NDArray[Any], profile: Mapping[str, Any]) -> NDArray[Any]:
    """Return values as the file holds them."""
    nodata = profile["nodata"]
    if values.dtype.kind == "f" and nodata is not None and not np.isnan(nodata):
        values = np.where(np.isnan(values), values.dtype.type(nodata), values)
    return values.astype(profile["dtype"], copy=False)


def _describe(target: Any, said: Metadata, *, driver: str) -> None:
    """Say of the pixels what is known of them."""
    from rasterio.enums import ColorInterp

    target.update_tags(**said.tags)
    for domain, items in said.domains.items():
        target.update_tags(ns=domain, **items)
    if not said.bands:
        return
    target.colorinterp = [ColorInterp[band.interpretation] for band in said.bands]
    if said.palette is not None:
        target.write_colormap(1, said.palette)
    for number, band in enumerate(said.bands, start=1):
        if band.description:
            target.set_band_description(number, band.description)
        if band.unit:
            target.set_band_unit(number, band.unit)
        target.update_tags(number, **band.tags)
        if driver == "COG" and said.domains:
            target.update_tags(**{f"BAND_{number}_{k}": v for k, v in band.tags.items()})
    if any((band.scale, band.offset) != UNSCALED for band in said.bands):
        target.scales = [band.scale for band in said.bands]
        target.offsets = [band.offset for band in said.bands]


@contextlib.contextmanager
def _gdal_errors(final: Path) -> Iterator[None]:
    """Turn what GDAL says while a file is written into a `WriteError`."""
    import rasterio
    from rasterio._err import CPLE_BaseError

    try:
        yield
    except (rasterio.errors.RasterioError, CPLE_BaseError) as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise _write_error(final, str(cause).strip().rstrip(".")) from error
