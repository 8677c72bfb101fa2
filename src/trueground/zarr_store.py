"""Writing any raster as a Zarr store that xarray and rioxarray read: streamed, whole or not at all."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trueground.engine import Engine, Progress, Threads
from trueground.errors import InputError, WriteError
from trueground.lazy_array import to_xarray
from trueground.lock import locked
from trueground.raster import Raster

VARIABLE = "raster"
"""Name of the variable that holds the bands."""


def is_zarr_name(path: Path) -> bool:
    """Tell whether a name is that of a Zarr store."""
    return path.suffix.lower() == ".zarr"


def write_zarr(
    raster: Raster,
    path: Path,
    *,
    engine: Engine | None = None,
    block_size: int = 1024,
    history: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Stream a raster to a Zarr store (format 2, Blosc), a folder with the variable `raster` (band, y, x).

    CRS and transform follow rioxarray's conventions. The store is made under a temporary name beside its own, which it
    takes at the end; a store that was there before is removed then.

    Parameters
    ----------
    raster
        Any raster.
    path
        Name of the store, ending in .zarr; its folder must exist.
    engine
        Where blocks are computed; threads on all processors by default.
    block_size
        Rows and columns of a chunk.
    history
        Attributes to add: what went in and with which parameters; without credentials, as `writer.write` gives it.
    progress
        Called with the number of blocks written and their total.

    Raises
    ------
    InputError
        Where the package zarr is missing.
    WriteError
        Where the store could not be written; nothing is left under its name.
    """
    try:
        import zarr
    except ModuleNotFoundError as error:
        msg = f"{path.name}: the package zarr writes it, and is not installed; pip install 'trueground[zarr]'"
        raise InputError(msg) from error
    if path.exists() and not (path / ".zgroup").is_file():
        msg = f"{path} exists and is no Zarr store: give another name"
        raise WriteError(msg)
    temporary, old = (
        path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.{e}") for e in ("part", "old")
    )
    with locked(path, as_name=True):
        _tidy(path)
        try:
            _prepare(raster, temporary, block_size, history or {})
            target: Any = zarr.open_group(str(temporary), mode="r+")[VARIABLE]
            windows = [block.core for block in raster.grid.blocks(block_size)]
            results = (engine or Threads()).map(raster.read, windows)
            for done, (window, values) in enumerate(results, start=1):
                rows, cols = window.slices_in(raster.grid.window)
                target[:, rows, cols] = values
                if progress is not None:
                    progress(done, len(windows))
            if path.exists():
                path.replace(old)
            temporary.replace(path)
        except OSError as error:
            reason = error.strerror or error
            msg = f"{path} could not be written: {reason}; nothing was left under that name"
            raise WriteError(msg) from error
        finally:
            _tidy(path)
    return path


def _tidy(path: Path) -> None:
    """Remove what is unfinished, also of a process that was killed; put back a store that was moved away."""
    left = re.compile(rf"\.{re.escape(path.stem)}\.[0-9a-f]{{8}}\.(part|old)")
    for folder in [p for p in path.parent.iterdir() if left.fullmatch(p.name) and p.is_dir()]:
        if folder.suffix == ".old" and not path.exists():
            folder.replace(path)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _prepare(  # noqa: PLR0917 (what is written where)
    raster: Raster, folder: Path, block_size: int, history: Mapping[str, str]
) -> None:
    """Write all but the values."""
    from trueground import __version__

    array = to_xarray(raster, chunks=block_size)
    fill = array.attrs.pop("_FillValue", None)
    told = {f"trueground_{k}": v for k, v in history.items() if v}
    whole = array.to_dataset(name=VARIABLE)
    whole.attrs = {"trueground_version": __version__, **told}
    encoding: dict[str, Any] = {"chunks": (1, block_size, block_size)}
    if fill is not None:
        encoding["_FillValue"] = fill
    whole.to_zarr(
        folder,
        mode="w",
        compute=False,
        zarr_format=2,
        consolidated=True,
        encoding={VARIABLE: encoding},
    )
