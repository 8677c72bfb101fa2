"""`trueground refine`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from trueground.cli.console import console
from trueground.cli.endings import PAGES, RPC_FILES, check_ending
from trueground.cli.engine_options import EngineOptions
from trueground.cli.options import File, Output, RpcOrigin, outputs_differ_from, usage

if TYPE_CHECKING:
    from trueground.control import AutomaticControl
    from trueground.rpc.model import Rpc
    from trueground.rpc.refine import Refinement

_ENGINE = EngineOptions()
_SCATTER = 10.0  # px; nobody measures a point that badly
_GEOJSON = (".geojson", ".json")


def refine(
    image: File,
    gcps: File | None = None,
    /,
    *,
    output: Output,
    reference: File | None = None,
    dem: File | None = None,
    model: Literal["shift", "drift", "affine"] | None = None,
    rpc: File | None = None,
    rpc_origin: RpcOrigin = None,
    crs: str | None = None,
    heights: str | None = None,
    residuals: Path | None = None,
    report: Path | None = None,
    patches: int = 100,
    patch_sizes: str = "256,128,64",
    search: int = 64,
    where: EngineOptions = _ENGINE,
) -> None:
    """Correct the RPC of an image by ground control points, or by a reference orthoimage that makes them.

    Points that cannot be right are rejected; an image that does not match the reference is refused. The refined RPC
    counts the pixels of the full scene, like all RPC files; a file named as GDAL looks for it beside the image
    (scene.RPB, scene_RPC.TXT) counts those of the image.

    Example: `trueground refine scene.tif points.csv -o scene.RPB --heights egm96`

    Example, without points: `trueground refine scene.tif --reference ortho.tif --dem srtm.tif --heights egm96
    -o scene.RPB --report r.html`

    Parameters
    ----------
    image
        Image with RPC metadata, or a file that holds an RPC alone; then rows and columns are those of the full scene.
    gcps
        CSV with a header row,col,lon,lat,height or row,col,x,y,z; or GeoJSON, GeoPackage, ... of points with the
        attributes row and col. Or give --reference.
    output
        The refined RPC: .RPB, .TXT or .json.
    reference
        Orthoimage of the same ground, in any CRS and of about any resolution: patches of it become ground control.
    dem
        Elevation model [m], with --reference.
    model
        shift (1 point at least), drift (2) or affine (3). Default: what predicts points left out best.
    rpc
        File with the RPC of the full scene, for an image without.
    rpc_origin
        What the RPC file calls the centre of its first pixel: 0 or 1. Default: what its product does.
    crs
        CRS of x,y. Default: that of the vector file.
    heights
        What heights of the points, or of the DEM, are above: ellipsoid, egm96, egm2008 or a grid file. Default: as the
        CRS says; a column named height is above the ellipsoid.
    residuals
        CSV with the errors of each point before and after; with --reference also the patches that were refused, and
        GeoJSON by its name.
    report
        Report (HTML): residuals over the image, what was refused and why, the correction.
    patches
        About how many patches of the reference are tried.
    patch_sizes
        Their edges [px of the coarser of both images], largest first, with commas.
    search
        How far from where the RPC says a patch is looked for [px of the coarser of both images].
    """
    from trueground.errors import InputError
    from trueground.raster import open_raster
    from trueground.rpc.gcps import read_gcps
    from trueground.rpc.readers import is_rpc_file, rpc_of
    from trueground.rpc.refine import for_file
    from trueground.rpc.refine import refine as refined_by
    from trueground.rpc.writers import write_rpc

    if (gcps is None) == (reference is None):
        msg = "Give either a table of ground control points or --reference, an orthoimage that makes them."
        raise usage(msg)
    if (reference is None) != (dem is None):
        msg = "--reference and --dem go together: the reference has no heights."
        raise usage(msg)
    if reference is not None and crs is not None:
        msg = "--crs is that of ground control points; the reference has its own."
        raise usage(msg)
    if reference is None and residuals is not None and residuals.suffix.lower() in _GEOJSON:
        msg = f"{residuals}: residuals of given points are written as CSV; give a name that ends in .csv"
        raise InputError(msg)
    outputs_differ_from(
        [image, gcps, reference, dem, rpc],
        {"--output": output, "--residuals": residuals, "--report": report},
    )
    check_ending(report, PAGES, "the report is a page, written")
    check_ending(output, RPC_FILES, "the refined RPC is written")
    where.check()
    row, col = for_file(image, output, keep=rpc is None)
    before = rpc_of(image, rpc, origin=rpc_origin)
    found: Refinement | AutomaticControl
    refinement: Refinement
    if reference is not None and dem is not None:
        found = _by_reference(
            image,
            before,
            inputs=(reference, dem),
            heights=heights,
            model=model,
            matching=(patches, patch_sizes, search),
            where=where,
        )
        refinement = found.refinement
    else:
        points = read_gcps(gcps or "", crs=crs, heights=heights)
        found = refinement = refined_by(before, points, model=model)
    write_rpc(found.rpc.cropped(-row, -col), output)
    _write_results(found, residuals)
    if report is not None:
        from trueground.report.control import write_refinement_report

        inputs = {"image": image, "points": gcps, "reference": reference, "DEM": dem}
        inputs |= {"heights": heights, "RPC": rpc, "output": str(output)}
        write_refinement_report(
            report,
            result=found,
            image=None if is_rpc_file(image) else open_raster(image),
            inputs={k: v for k, v in inputs.items() if v is not None},
            command=console.command,
        )
    print(found.summary())
    if refinement.sigma > _SCATTER:
        console.warn(
            f"the points scatter by {refinement.sigma:.0f} px about the correction; "
            "check that they belong to this image, and --crs and --heights"
        )
    if row or col:
        console.note(f"rows and columns in {output} are those of the full scene")
    made = [str(p) for p in (output, residuals, report) if p is not None]
    console.note(f"wrote {', '.join(made)}")


def _by_reference(
    image: str,
    rpc: Rpc,
    *,
    inputs: tuple[str, str],
    heights: str | None,
    model: Literal["shift", "drift", "affine"] | None,
    matching: tuple[int, str, int],
    where: EngineOptions,
) -> AutomaticControl:
    """Refine by a reference orthoimage over a DEM."""
    from trueground.cli.elevation import opened
    from trueground.control import Matching, automatic_control
    from trueground.errors import InputError
    from trueground.raster import open_raster
    from trueground.rpc.readers import is_rpc_file

    if is_rpc_file(image):
        msg = f"{image} holds an RPC alone: matching needs its image; give it, and this file with --rpc"
        raise InputError(msg)
    number, words, search = matching
    try:
        sizes = tuple(int(w) for w in words.split(","))
    except ValueError as error:
        msg = f"--patch-sizes {words}: must be whole numbers with commas, such as 256,128,64"
        raise InputError(msg) from error
    reference, dem = inputs
    surface = opened(dem, heights=heights)
    console.note(f"heights of {dem}: above {surface.datum}")
    with where.opened() as engine, console.progress("match") as step, console.timed("match"):
        return automatic_control(
            open_raster(image),
            rpc,
            open_raster(reference),
            dem=surface,
            model=model,
            matching=Matching(patches=number, sizes=sizes, search=search),
            engine=engine,
            progress=step,
        )


def _write_results(found: Refinement | AutomaticControl, path: Path | None) -> None:
    """Write the table of points or patches."""
    from trueground.control import AutomaticControl
    from trueground.writer import write_text

    if path is None:
        return
    if path.suffix.lower() not in _GEOJSON:
        write_text(path, found.to_csv())
    elif isinstance(found, AutomaticControl):
        write_text(path, found.to_geojson())
