"""`trueground apply`."""

from __future__ import annotations

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
    cog: Flag = False,
) -> None:
    """Move an elevation model, and correct its heights, as `align --transform` has found for it or another.

    Example: `trueground apply shift.json dem.tif -o aligned.tif`

    Parameters
    ----------
    transform
        What `align --transform` wrote.
    dem
        DEM to move; it may be another than that of the fit, of the same sensor or product.
    output
        The moved DEM (GeoTIFF).
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
    cog
        Write a cloud-optimised GeoTIFF.
    """
    from trueground.coreg import Alignment, read_result
    from trueground.engine import Threads
    from trueground.errors import InputError
    from trueground.raster import open_raster
    from trueground.writer import write

    outputs_differ_from([transform, dem, like, variable], [raster_output(output)])
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
            msg = f"{transform} corrects heights at places of the moving DEM: only a motion alone can be undone."
            raise usage(msg)
        found = found.inverse()
    if variable is not None:
        if isinstance(found, Alignment):
            msg = f"{transform} depends on no variable: leave out --variable."
            raise usage(msg)
        found = found.with_variable(open_raster(variable))
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
