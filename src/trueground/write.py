"""Writing any raster to a file: streamed block by block, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from trueground import __version__
from trueground.engine import Engine, Progress, Threads
from trueground.errors import InputError, WriteError
from trueground.grid import Window
from trueground.raster import GDAL_OPTIONS, Raster, open_dataset

if TYPE_CHECKING:
    import rasterio

_TILE = 512  # px, edge of a tile of the file


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name beside `path`; on success it takes the final name, else it is removed.

    Raises
    ------
    WriteError
        Where the folder does not exist or cannot be written, or the disk is full.
    """
    final = Path(path)
    check_output(final)
    temporary = final.with_name(f".{final.stem}.{uuid.uuid4().hex[:8]}.part{final.suffix}")
    try:
        yield temporary
        temporary.replace(final)
    except OSError as error:
        if isinstance(error.__cause__, WriteError):
            raise
        msg = (
            f"{final} could not be written: {error.strerror or error}; nothing was left under "
            "that name"
        )
        raise WriteError(msg) from error
    finally:
        for leftover in final.parent.glob(f"{temporary.name}*"):
            leftover.unlink(missing_ok=True)


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
    if final.is_dir():
        msg = f"{final} is a folder; give the name of a file"
        raise WriteError(msg)
    if not os.access(folder, os.W_OK):
        msg = f"the folder {folder} cannot be written; choose another one or change its permissions"
        raise WriteError(msg)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write(
    raster: Raster,
    path: str | os.PathLike[str],
    *,
    engine: Engine | None = None,
    driver: Literal["GTiff", "COG"] = "GTiff",
    block_size: int = 1024,
    history: Mapping[str, str] | None = None,
    descriptions: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> Path:
    """Stream a raster to a GeoTIFF or a COG.

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
        Rows and columns computed at a time; the result does not depend on it.
    history
        Tags to add: what went in and with which parameters. The software's version is added to
        them.
    descriptions
        Names of the bands.
    progress
        Called with the number of blocks written and their total.

    Raises
    ------
    WriteError
        Where the file could not be written; nothing is left under its name.
    """
    import rasterio
    from rasterio.shutil import copy

    if driver not in ("GTiff", "COG"):
        msg = f"driver {driver!r}: must be GTiff or COG"
        raise InputError(msg)
    options = _creation_options(raster.dtype)
    tags = {
        "TRUEGROUND_VERSION": __version__,
        **{f"TRUEGROUND_{k.upper()}": v for k, v in (history or {}).items()},
    }
    final = Path(path)
    with rasterio.Env(**GDAL_OPTIONS), atomic(final) as temporary:
        plain = temporary if driver == "GTiff" else temporary.with_name(temporary.name + ".tif")
        try:
            with rasterio.open(plain, "w", **_profile(raster), **options) as target:
                target.update_tags(**tags)
                for band, text in enumerate(descriptions, start=1):
                    target.set_band_description(band, text)
                _fill(target, raster, engine or Threads(), block_size, progress)
            _check_complete(plain)
            if driver == "COG":
                cog = {
                    k: v for k, v in options.items() if k in ("compress", "num_threads", "bigtiff")
                }
                copy(plain, temporary, driver="COG", predictor="YES", blocksize=_TILE, **cog)
                _check_complete(temporary)
        except rasterio.errors.RasterioError as error:
            cause: BaseException = error
            while cause.__cause__ is not None:
                cause = cause.__cause__
            msg = f"{final} could not be written: {cause}; nothing was left under that name"
            raise WriteError(msg) from error
    return final


def _profile(raster: Raster) -> dict[str, Any]:
    grid = raster.grid
    return {
        "driver": "GTiff",
        "height": grid.shape[0],
        "width": grid.shape[1],
        "count": raster.count,
        "dtype": raster.dtype.name,
        "crs": None if grid.crs is None else grid.crs.to_wkt(),
        "transform": grid.transform,
        "nodata": raster.nodata,
    }


def _creation_options(dtype: np.dtype[Any]) -> dict[str, Any]:
    """Tiled and compressed without loss, with the predictor that fits the type."""
    return {
        "tiled": True,
        "blockxsize": _TILE,
        "blockysize": _TILE,
        "compress": "zstd",
        "zstd_level": 1,
        "predictor": 3 if dtype.kind == "f" else 2 if dtype.kind in "iu" else 1,
        "num_threads": "ALL_CPUS",
        "bigtiff": "IF_SAFER",
        "interleave": "band",
    }


def _fill(
    target: rasterio.io.DatasetWriter,
    raster: Raster,
    engine: Engine,
    block_size: int,
    progress: Progress | None,
) -> None:
    from rasterio.windows import Window as RasterioWindow

    windows: list[Window] = [block.core for block in raster.grid.blocks(block_size)]
    for done, (window, values) in enumerate(engine.map(raster.read, windows), start=1):
        target.write(
            values, window=RasterioWindow(window.col, window.row, window.width, window.height)
        )
        if progress is not None:
            progress(done, len(windows))


def _check_complete(path: Path) -> None:
    """Raise where a tile lies beyond the end of the file: GDAL may report a full disk on closing, or not at all."""
    size = path.stat().st_size
    with open_dataset(path) as dataset:
        tile_rows, tile_cols = dataset.block_shapes[0]
        for band in dataset.indexes:
            for i in range(-(-dataset.height // tile_rows)):
                for j in range(-(-dataset.width // tile_cols)):
                    offset = dataset.get_tag_item(f"BLOCK_OFFSET_{j}_{i}", "TIFF", bidx=band)
                    length = dataset.get_tag_item(f"BLOCK_SIZE_{j}_{i}", "TIFF", bidx=band)
                    if offset is None or length is None or int(offset) + int(length) > size:
                        msg = "the file is incomplete after writing; is the disk full?"
                        raise OSError(28, msg)
