"""Rasters, alignments and RPCs as notebooks show them: a small table, and a picture where it is cheap."""

from __future__ import annotations

import base64
import io
import math
from html import escape
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from trueground.coreg import Alignment, BlockwiseAlignment, Chain
from trueground.coreg.fit_result import FitResult
from trueground.describe import raster_items, rpc_items
from trueground.difference import Difference
from trueground.engine import Serial
from trueground.file_raster import FileRaster, is_local, open_dataset
from trueground.grid import Grid
from trueground.plot.blocks import plot_all_tiles
from trueground.plot.colours import colours_of_dh, shared_limit, stretch
from trueground.plot.maps import median_nmad
from trueground.plot.overview import overview
from trueground.plot.style import figure, figure_png
from trueground.raster import ArrayRaster, Raster, XarrayRaster
from trueground.rpc.model import Rpc
from trueground.secret import without_secrets

_SIZE = 220  # px, of a picture
_READ = 4_000_000  # px, that are read for a picture, at most
_COMPUTED = 250_000  # px, that are computed for one
_CELL = "padding:0 .8em 0 0;text-align:left;vertical-align:top;border:0;background:none"


def html_of(thing: Any) -> str:
    """Return HTML of an object; what cannot be said or read of it is said so, and nothing is raised.

    Parameters
    ----------
    thing
        A raster, what a fit has found, or an RPC.

    Examples
    --------
    >>> from trueground.samples import small_raster
    >>> "3 rows x 4 cols" in html_of(small_raster())
    True
    """
    try:
        items = _items(thing)
    except Exception as error:
        items = {"cannot be described": f"{type(error).__name__}: {error}"}
    try:
        picture, why = _picture(thing), ""
    except Exception as error:  # a file may have gone
        picture, why = None, f"cannot be read: {error}"
    if why:
        items["picture"] = why
    rows = "".join(
        f'<tr style="background:none"><th style="{_CELL}">{_text(k)}</th><td style="{_CELL}">{_text(v)}</td></tr>'
        for k, v in items.items()
    )
    image = "" if picture is None else _image(picture, f"picture of {type(thing).__name__}")
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:1em;align-items:flex-start">'
        f'<table style="border-collapse:collapse;font-size:90%"><caption style="text-align:left;font-weight:bold">'
        f"{escape(type(thing).__name__)}</caption>{rows}</table>{image}</div>"
    )


def _text(said: str) -> str:
    return escape(without_secrets(said))


def _image(png: bytes, alt: str) -> str:
    data = base64.b64encode(png).decode("ascii")
    return f'<img alt="{escape(alt)}" style="max-width:100%;background:none" src="data:image/png;base64,{data}">'


# What stands in the table --------------------------------------------------------------------------


def _items(thing: Any) -> dict[str, str]:
    if isinstance(thing, Rpc):
        return rpc_items(thing)
    if isinstance(thing, BlockwiseAlignment):
        return _blockwise_items(thing)
    if isinstance(thing, FitResult):
        return _fit_items(thing)
    if isinstance(thing, Raster):
        file = {"file": thing.path} if isinstance(thing, FileRaster) else {}
        return {**file, **raster_items(thing, nodata=thing.nodata)}
    return {"is": str(thing)}


def _fit_items(found: FitResult) -> dict[str, str]:
    known = found.alignment if isinstance(found, Chain) else found
    items: dict[str, str] = {"method": found.method}
    if isinstance(known, Alignment):
        for axis, k in zip("xyz", range(3), strict=True):
            items[f"shift {axis}"] = _with_error(getattr(known, f"shift_{axis}"), known.errors[k])
        if any(known.rotations):
            angles = (f"{a} {v:+.5f}" for a, v in zip("xyz", known.rotations, strict=True))
            items["rotation"] = f"{', '.join(angles)} degrees"
    else:
        items["found"] = str(found)
    if isinstance(found, Chain):
        items |= {c.method: c.shape.describe() for c in found.corrections}
    return items | _quality_items(found)


def _blockwise_items(found: BlockwiseAlignment) -> dict[str, str]:
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in found.verdicts.items())
    items = {
        "method": found.method,
        "blocks": f"{len(found.blocks)} of {found.block_px} px: {verdicts}",
        "field": " then ".join(f.kind for f in found.fields),
    }
    good = np.array([b.shift for b in found.blocks if b.verdict == "ok"]).reshape(-1, 3)
    if len(good):
        for k, axis in enumerate("xyz"):
            items[f"shift {axis}"] = f"{good[:, k].min():+.3f} to {good[:, k].max():+.3f} m"
    return items | _quality_items(found)


def _quality_items(found: FitResult | BlockwiseAlignment) -> dict[str, str]:
    items = {"NMAD": f"{found.nmad_before:.3f} m before, {found.nmad_after:.3f} m after"}
    items["cells"] = f"{found.samples}"
    if not found.converged:
        items["converged"] = "no"
    return items | {f"warning {n}": text for n, text in enumerate(found.warnings, start=1)}


def _with_error(value: float, error: float) -> str:
    known = math.isfinite(error) and error > 0.0
    return f"{value:+.3f} ± {error:.3f} m" if known else f"{value:+.3f} m"


# The picture ---------------------------------------------------------------------------------------


def _picture(thing: Any) -> bytes | None:
    if isinstance(thing, BlockwiseAlignment):
        return figure_png(plot_all_tiles(thing, fig=figure(9.0, 3.6, dpi=80.0)))
    if isinstance(thing, Raster):
        small = _decimated(thing)
        if small is not None:
            return _png(_colours(overview(small, max_pixels=_SIZE, engine=Serial()), thing))
    return None


def _colours(small: ArrayRaster, of: Raster) -> NDArray[Any]:
    if isinstance(of, Difference):
        values = small.array[0]
        return colours_of_dh(values, limit=shared_limit(*median_nmad(values)))
    return stretch(small)


def _png(colours: NDArray[Any]) -> bytes:
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    imsave(buffer, colours, format="png")
    return buffer.getvalue()


def _decimated(raster: Raster) -> Raster | None:
    """Return a raster that is read quickly; None where there is none."""
    stored = isinstance(raster, ArrayRaster | FileRaster | XarrayRaster)
    if raster.grid.window.size <= (_READ if stored else _COMPUTED) and not _is_remote(raster):
        return raster
    if isinstance(raster, ArrayRaster):
        step = math.ceil(max(raster.grid.shape) / (2 * _SIZE))
        array = raster.array[:, ::step, ::step]
        return ArrayRaster(array=array, grid=_coarse(raster.grid, array), nodata=raster.nodata)
    return _from_overview(raster) if isinstance(raster, FileRaster) else None


def _is_remote(raster: Raster) -> bool:
    if isinstance(raster, XarrayRaster):  # nobody knows what computing it takes
        return raster.data.chunks is not None
    return isinstance(raster, FileRaster) and not is_local(raster.path)


def _from_overview(raster: FileRaster) -> ArrayRaster | None:
    """Read the finest overview of a local file that is cheap; without one, all of the file would be read."""
    if _is_remote(raster):
        return None
    with open_dataset(raster.path) as dataset:
        cheap = [n for n in dataset.overviews(1) if raster.grid.window.size / n**2 <= _READ]
        if not cheap:
            return None
        shape = tuple(math.ceil(n / cheap[0]) for n in raster.grid.shape)
        bands = list(range(1, min(raster.count, 3) + 1))
        read = dataset.read(bands, out_shape=(len(bands), *shape), masked=True)
    array = read.astype(np.float32).filled(np.nan)
    return ArrayRaster(array=array, grid=_coarse(raster.grid, array))


def _coarse(grid: Grid, array: NDArray[Any]) -> Grid:
    """Return the grid of fewer pixels over the same ground."""
    shape = array.shape[-2:]
    scale = Affine.scale(grid.shape[1] / shape[1], grid.shape[0] / shape[0])
    return Grid(crs=grid.crs, transform=grid.transform @ scale, shape=shape)
