"""`trueground locate`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from trueground.cli.console import console
from trueground.cli.endings import TABLES, check_ending
from trueground.cli.engine_options import EngineOptions
from trueground.cli.options import (
    DemResampling,
    File,
    OptionalOutput,
    RpcOrigin,
    is_raster_name,
    outputs_differ_from,
    raster_output,
    usage,
)

if TYPE_CHECKING:
    from trueground.dem import Dem
    from trueground.rpc.localization import Localization
    from trueground.rpc.model import Rpc

_ENGINE = EngineOptions()
Solver = Literal["certified", "gdal", "height-substitution"]
OnNodata = Literal["fail", "nearest"] | float

_LOOKED_AT = 32  # pixels along the longer side of an image, to see whether the RPC is extrapolated


def locate(
    image: File,
    row: float | None = None,
    col: float | None = None,
    /,
    *,
    dem: File | None = None,
    heights: str | None = None,
    dem_scale: float = 1.0,
    dem_offset: float = 0.0,
    dem_interpolation: DemResampling = "bilinear",
    on_nodata: OnNodata = "fail",
    solver: Solver = "certified",
    height: float | None = None,
    points: Path | None = None,
    output: OptionalOutput = None,
    step: int | None = None,
    status: Path | None = None,
    where: EngineOptions = _ENGINE,
    rpc: File | None = None,
    rpc_origin: RpcOrigin = None,
) -> None:
    """Find the ground points that pixels of an image show: one pixel, a table of them, or all of them as a raster.

    Rows and columns count from the outer corner of the first pixel, whose centre is 0.5, 0.5.

    Example: `trueground locate scene.tif 1200.5 830.5 --dem srtm.tif --heights egm96`

    Example: `trueground locate scene.tif --dem dsm.tif --on-nodata nearest --points pixels.csv -o ground.geojson`

    Example, the whole image: `trueground locate scene.tif --dem srtm.tif --heights egm96 -o lonlatheight.tif`

    A point that has no position has a status that says why: `outside dem` (it looks beside the DEM: give
    a larger one), `no data` (it ends in a hole: see --on-nodata), `no intersection` (it stays above the DEM until it
    leaves it), `outside image` (far from what the RPC was made for), `diverged` (the RPC cannot be inverted there, or a
    classic solver did not arrive), `bad input` (a coordinate is missing).

    Parameters
    ----------
    image
        Image with RPC metadata, or a file that holds an RPC alone; then rows and columns are those of the full scene.
    row
        Row of one point.
    col
        Column of one point.
    dem
        Elevation model: the first point of its surface that the pixel sees.
    heights
        What heights of the DEM are above: ellipsoid, egm96, egm2008 or a grid file. Default: as its CRS says.
    dem_scale
        What heights of the DEM are multiplied by.
    dem_offset
        Metres that are added to them then.
    dem_interpolation
        How a classic solver makes heights between the centres of cells; the certified one meets the bilinear surface.
    on_nodata
        What to do at holes of the DEM: fail, nearest (take the nearest height), or a height above the ellipsoid [m].
    solver
        certified, the first point that is seen; or one of two classic iterations, for comparison, which may find
        another point or none, and whose iterations and residual [px] are told.
    height
        One height above the ellipsoid [m] for all points, instead of a DEM.
    points
        CSV with a header row,col.
    output
        CSV or GeoJSON, by its ending. Default: CSV on standard output. Without points, a GeoTIFF of the whole image:
        longitude, latitude and height of every pixel, NaN where it failed.
    step
        For the whole image: locate every so many rows and columns only.
    status
        For the whole image: a GeoTIFF of why pixels failed, 0 for ok; see docs/locate.md.
    rpc
        File with the RPC of the full scene, for an image without.
    rpc_origin
        What the RPC file calls the centre of its first pixel: 0 or 1. Default: what its product does.
    """
    from trueground.cli.elevation import opened
    from trueground.dem import Dem
    from trueground.errors import InputError
    from trueground.raster import open_raster
    from trueground.rpc.localization import Localization
    from trueground.rpc.readers import is_rpc_file, rpc_of

    whole = points is None and row is None and col is None and is_raster_name(output)
    adjusted = (heights, dem_scale, dem_offset, dem_interpolation) != (None, 1.0, 0.0, "bilinear")
    mistakes = (
        ((dem is None) == (height is None), "Give either --dem or --height."),
        (
            dem is None and adjusted,
            "--heights and --dem-... say what heights of --dem are: they need one. --height counts from the ellipsoid.",
        ),
        (
            dem is None and (on_nodata, solver) != ("fail", "certified"),
            "--on-nodata and --solver are for a DEM: give --dem.",
        ),
        (
            solver != "certified" and on_nodata != "fail",
            f"--on-nodata {on_nodata}: the solver {solver} fails at holes; leave one of the two out.",
        ),
        (
            solver == "certified" and dem_interpolation != "bilinear",
            f"--dem-interpolation {dem_interpolation}: the certified solver meets the bilinear surface; "
            "give another --solver, or leave it out.",
        ),
        (
            not whole and ((points is None) == (row is None) or (row is None) != (col is None)),
            "Give either ROW and COL, or --points, or -o with a name that ends in .tif for the whole image.",
        ),
        (
            not whole and is_raster_name(output),
            f"{output}: points are written as .csv or .geojson; a GeoTIFF is of the whole image.",
        ),
        (
            not whole and ((step, status) != (None, None) or where.is_given),
            "--step, --status, --engine and --workers are for the whole image: -o with a name that ends in .tif, no "
            "points.",
        ),
    )
    for wrong, text in mistakes:
        if wrong:
            raise usage(text)
    outputs_differ_from(
        [image, dem, points, rpc],
        {"--output": output, "--status": None if status is None else raster_output(status)},
    )
    where.check()
    if not whole:
        check_ending(output, TABLES, "points are written")
    model = rpc_of(image, rpc, origin=rpc_origin)
    ground: Dem | float
    if dem is not None:
        ground = opened(
            dem,
            heights=heights,
            scale=dem_scale,
            offset=dem_offset,
            interpolation=dem_interpolation,
        )
    else:
        ground = 0.0 if height is None else height
    if not whole:
        _table(
            model, ground, points, image=image, place=(row, col),
            solver=solver, on_nodata=on_nodata, output=output,
        )  # fmt: skip
        return
    if is_rpc_file(image):
        msg = f"{image} holds an RPC alone, which knows no size of the image; give the image, and this with --rpc"
        raise InputError(msg)
    lines = Localization(
        rpc=model, ground=ground, image_grid=open_raster(image).grid,
        step=1 if step is None else step, solver=solver, on_nodata=on_nodata,
    )  # fmt: skip
    history = {"image": image, "rpc": model.origin, "step": str(lines.step)}
    if isinstance(ground, Dem):
        console.note(f"heights of {dem}: above {ground.datum}")
        history |= {"dem": str(dem), "heights": str(ground.datum), "solver": solver}
        history |= {"on_nodata": str(on_nodata), "dem_interpolation": dem_interpolation}
        history |= {"dem_scale": str(dem_scale), "dem_offset": str(dem_offset)}
    else:
        history["height"] = repr(ground)
    _write(lines, (Path(output or ""), status), where=where, history=history)


def _table(
    model: Rpc,
    ground: Dem | float,
    points: Path | None,
    *,
    image: str,
    place: tuple[float | None, float | None],
    solver: Solver,
    on_nodata: OnNodata,
    output: Path | None,
) -> None:
    """Locate points and print or write them."""
    import numpy as np

    from trueground.cli.tables import emit, warn_beside_image
    from trueground.points import Columns, read_points
    from trueground.rpc.localization import locate as located
    from trueground.rpc.viewing import warn_of_extrapolation

    names = ("row", "col")
    table = (
        read_points(points, names)
        if points is not None
        else {n: np.array([v], dtype=np.float64) for n, v in zip(names, place, strict=True)}
    )
    found = located(model, ground, table["row"], table["col"], solver=solver, on_nodata=on_nodata)
    columns: Columns = {**table, "lon": found.lon, "lat": found.lat, "height": found.height}
    if solver != "certified" and found.iterations is not None and found.residual is not None:
        columns |= {"iterations": found.iterations, "residual": found.residual}
    warn_of_extrapolation(model, found.lon, found.lat, found.height)
    warn_beside_image(image, table["row"], table["col"])
    emit(columns, found.status, ("lon", "lat", "height"), output=output, done="located")


def _write(
    lines: Localization,
    outputs: tuple[Path, Path | None],
    *,
    where: EngineOptions,
    history: dict[str, str],
) -> None:
    """Locate all pixels of an image, write them, and say how many failed and why."""
    from trueground.cli.tables import say_failures
    from trueground.rpc.localization import BANDS
    from trueground.rpc.viewing import warn_of_extrapolation
    from trueground.writer import write

    sparse = replace(lines, step=max(lines.step, max(lines.image_grid.shape) // _LOOKED_AT))
    warn_of_extrapolation(lines.rpc, *sparse.read(sparse.grid.window))
    output, status = outputs
    with where.opened() as engine:
        with console.progress("locate") as done, console.timed("locate"):
            write(
                lines, output, engine=engine, history=history, descriptions=BANDS, progress=done
            )  # fmt: skip
        if status is not None:
            with console.progress("status") as done, console.timed("status"):
                write(
                    lines.status, status, engine=engine, history=history, descriptions=("status",), progress=done
                )  # fmt: skip
        counts = lines.counts(engine=engine)
    rows, cols = lines.grid.shape
    console.note(f"wrote {', '.join(str(p) for p in outputs if p is not None)}")
    say_failures(counts, "pixels", total=rows * cols, done="located")
