"""`trueground apply`."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueground.cli.console import console
from trueground.cli.engine_options import EngineOptions
from trueground.cli.options import DemResampling, File, Flag, Output, outputs_differ_from, usage
from trueground.cli.storage import Storage

if TYPE_CHECKING:
    from trueground.raster import Raster

_ENGINE, _STORAGE = EngineOptions(), Storage()


def apply(
    transform: Path,
    dem: File,
    /,
    *,
    output: Output,
    invert: Flag = False,
    heights: str | None = None,
    like: File | None = None,
    variable: str | None = None,
    resampling: DemResampling = "bilinear",
    where: EngineOptions = _ENGINE,
    points_crs: str | None = None,
    storage: Storage = _STORAGE,
) -> None:
    """Move an elevation model, and correct its heights, as `align --transform` has found for it or another.

    Example: `trueground apply shift.json dem.tif -o aligned.tif`

    Parameters
    ----------
    transform
        What `align --transform` wrote.
    dem
        DEM to move, or points (CSV, GeoPackage, GeoParquet, LAS, LAZ); it may be another than that of the fit, of the
        same sensor or product.
    output
        The moved DEM (GeoTIFF), or the moved points with all their columns.
    invert
        Undo the motion instead; what has corrections cannot be undone.
    heights
        What heights of the DEM are above: ellipsoid, egm96, egm2008 or a grid file. Default: as its CRS says, else
        as those of the fit were. They are brought to those of the fit's reference.
    like
        Raster whose grid the output takes. Default: the DEM's own.
    variable
        Raster of the variable on which a terrain bias depends. Default: the DEM's own slope, aspect and so on.
    resampling
        How the moved DEM is interpolated.
    points_crs
        CRS of points. Default: as their file says.
    """
    import numpy as np

    from trueground.coreg import Alignment, BlockwiseAlignment, read_result
    from trueground.difference import check_overlap
    from trueground.errors import InputError
    from trueground.fingerprint import raster_fingerprint
    from trueground.pointfiles import is_point_file, open_points, write_points
    from trueground.raster import ArrayRaster, as_float, open_raster

    where.check()
    of_points = is_point_file(dem)
    check = outputs_differ_from if of_points else storage.check
    check([transform, dem, like, variable], {"--output": output})
    try:
        text = transform.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        msg = f"{transform} is not text: give JSON that 'trueground align --transform' wrote"
        raise InputError(msg) from error
    try:
        found = read_result(text)
    except InputError as error:
        msg = f"{transform}: {error}"
        raise InputError(msg) from error
    if invert:
        if not isinstance(found, Alignment):
            msg = f"{transform} differs from place to place: only one motion of the whole can be undone."
            raise usage(msg)
        found = found.inverse()
    if variable is not None:
        if isinstance(found, Alignment | BlockwiseAlignment):
            msg = f"{transform} depends on no variable: leave out --variable."
            raise usage(msg)
        found = found.with_variable(open_raster(variable))
    datums = _datums(text)
    if of_points:
        known = open_points(dem, crs=points_crs, samples=1)  # for their CRS
        done = write_points(dem, output, partial(found.transform, crs=known.crs), crs=points_crs)
        console.note(f"{done}; wrote {output}")
        return
    grid = None if like is None else open_raster(like).grid
    raster = _above(as_float(open_raster(dem)), heights, datums)
    _warn_where_elsewhere(found, raster)
    if grid is not None:
        check_overlap(ArrayRaster(array=np.zeros(grid.shape, dtype=np.uint8), grid=grid), raster)
    moved = found.apply(raster, grid=grid, resampling=resampling)
    history = {
        "dem": dem,
        "transform": found.to_json(),
        "resampling": resampling,
        "variable": variable or "",
    }
    with where.opened() as engine:
        storage.save(
            moved,
            output,
            engine,
            title="write",
            history=history,
            parameters=history,
            inputs=lambda: {
                name: raster_fingerprint(path)
                for name, path in (("dem", dem), ("variable", variable))
                if path is not None
            },
        )
    console.note(f"wrote {storage.written(output)}")


def _datums(text: str) -> tuple[str, str]:
    """Return what heights of the fit's reference and moving DEM were above; empty where nobody said."""
    said = json.loads(text).get("heights") or {}
    return str(said.get("reference") or ""), str(said.get("moving") or "")


def _above(raster: Raster, heights: str | None, datums: tuple[str, str]) -> Raster:
    """Return heights above what those of the fit's reference were above."""
    from trueground.datum_shift import converted, declared_datum
    from trueground.vertical import Datum

    reference, moving = datums
    if not reference:
        return raster
    said = heights or declared_datum(raster) or moving
    return converted(raster, Datum.parse(said), Datum.parse(reference)) if said else raster


def _warn_where_elsewhere(found: Any, raster: Raster) -> None:
    """Warn of a DEM that does not lie where the motion was found."""
    import numpy as np
    from pyproj import CRS

    from trueground.projection import project

    if found.crs is None or raster.grid.crs is None:
        return
    centre = getattr(getattr(found, "alignment", found), "centroid", None)
    if centre is None:
        blocks = getattr(found, "blocks", ())
        if not blocks:
            return
        centre = blocks[0].x, blocks[0].y
    rows, cols = raster.grid.shape
    x, y = raster.grid.xy(np.array([0.0, rows]), np.array([0.0, cols]))
    x, y = project(raster.grid.crs, CRS.from_wkt(found.crs), x, y)
    reach = float(np.hypot(x[1] - x[0], y[1] - y[0]))
    off = float(np.hypot(x.mean() - centre[0], y.mean() - centre[1]))
    if not off < 2.0 * reach:
        console.warn(
            f"the DEM lies {off / 1000.0:.0f} km from where the motion was found: it may not be its own"
        )
