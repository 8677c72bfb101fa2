"""`trueground apply`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from trueground.cli.console import console
from trueground.cli.options import (
    DemResampling,
    Flag,
    Output,
    outputs_differ_from,
    raster_output,
    usage,
)


def apply(
    transform: Path,
    dem: str,
    /,
    *,
    output: Output,
    invert: Flag = False,
    like: str | None = None,
    variable: str | None = None,
    resampling: DemResampling = "bilinear",
    threads: int = 0,
    points_crs: str | None = None,
    cog: Flag = False,
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
    like
        Raster whose grid the output takes. Default: the DEM's own.
    variable
        Raster of the variable on which a terrain bias depends. Default: the DEM's own slope, aspect and so on.
    resampling
        How the moved DEM is interpolated.
    threads
        Number of threads; 0 takes all processors.
    points_crs
        CRS of points. Default: as their file says.
    cog
        Write a cloud-optimised GeoTIFF.
    """
    from trueground.coreg import Alignment, BlockwiseAlignment, read_result
    from trueground.engine import Threads
    from trueground.errors import InputError
    from trueground.pointfiles import is_point_file, open_points, write_points
    from trueground.raster import open_raster
    from trueground.writer import write

    of_points = is_point_file(dem)
    outputs_differ_from(
        [transform, dem, like, variable], [output if of_points else raster_output(output)]
    )
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
    if of_points:
        known = open_points(dem, crs=points_crs, samples=1)  # for their CRS
        done = write_points(dem, output, partial(found.transform, crs=known.crs), crs=points_crs)
        console.note(f"{done}; wrote {output}")
        return
    grid = None if like is None else open_raster(like).grid
    moved = found.apply(open_raster(dem), grid=grid, resampling=resampling)
    history = {
        "dem": dem,
        "transform": found.to_json(),
        "resampling": resampling,
        "variable": variable or "",
    }
    with console.progress("write") as step, console.timed("write"):
        write(
            moved,
            output,
            engine=Threads(threads),
            driver="COG" if cog else "GTiff",
            history=history,
            progress=step,
        )
    console.note(f"wrote {output}")
