"""`trueground align`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from trueground.cli.align_sample import SampleOptions
from trueground.cli.engine_options import EngineOptions
from trueground.cli.options import DemResampling, File, Files, Flag, Output, usage
from trueground.cli.storage import Storage

_SAMPLE = SampleOptions()
_ENGINE, _STORAGE = EngineOptions(), Storage()


def align(
    reference: File,
    moving: File,
    /,
    *,
    output: Output,
    method: str = "nuth-kaab",
    sample: SampleOptions = _SAMPLE,
    blocks: str | None = None,
    overlap: int | None = None,
    field: Literal["auto", "constant", "plane", "quadratic", "separable", "smooth"] | None = None,
    passes: int | None = None,
    min_valid: float | None = None,
    exclude: Files = None,
    include: Files = None,
    mask: File | None = None,
    weights: File | None = None,
    initial: Path | None = None,
    transform: Path | None = None,
    tiles_table: Path | None = None,
    field_raster: Path | None = None,
    report: Path | None = None,
    resampling: DemResampling = "bilinear",
    grid: Literal["moving", "reference"] = "moving",
    reference_heights: str | None = None,
    moving_heights: str | None = None,
    points_x: str | None = None,
    points_y: str | None = None,
    points_z: str | None = None,
    points_sigma: str | None = None,
    points_crs: str | None = None,
    points_heights: str | None = None,
    where: EngineOptions = _ENGINE,
    storage: Storage = _STORAGE,
    json: Flag = False,
) -> None:
    """Move an elevation model onto a reference, so that their difference shows change and not misplacement.

    Example: `trueground align reference.tif moving.tif -o aligned.tif --exclude glaciers.gpkg --transform shift.json`

    Example, with shifts that differ from place to place: `trueground align reference.tif moving.tif -o aligned.tif
    --blocks 500 --report report.html`

    Example, onto altimetry: `trueground align tracks.csv dem.tif -o aligned.tif --points-crs EPSG:4326+5773`

    Cells of moderate slopes without blunders are those of `--slope-range 0.1 40 --trim 5`; another choice of cells, to
    see how much it matters, is `--samples 200000 --seed 1`; to the last digit goes `--tolerance 1e-5
    --max-iterations 200`.

    Parameters
    ----------
    reference
        DEM that is trusted; or points: CSV, GeoPackage, GeoParquet, LAS or LAZ.
    moving
        DEM to move, or points; grid and CRS may differ.
    output
        The moved DEM (.tif or .zarr; a folder for --tiles), or the moved points (a file of the kind that they came in).
    method
        How the motion is found: nuth-kaab, lzd, icp, cpd, dh-minimize or vertical-shift; and how heights are corrected:
        deramp, directional-bias or terrain-bias. Several are joined by +, as in "nuth-kaab + deramp"; what is chosen of
        one comes after a colon, as in vertical-shift:p10 (or median, mean), deramp:2 (degree), terrain-bias:elevation
        (or slope, aspect, curvature), directional-bias:sines (or spline), lzd:translation (or rigid, similarity).
    blocks
        Align block by block, with blocks of this side: 500 (pixels of the reference) or 5000m. A smooth field of shifts
        is made of them.
    overlap
        Pixels beside a block that are looked at as well. Default: a twentieth of its side.
    field
        What the field of shifts is made of. Default: auto, the simplest that predicts blocks left out.
    passes
        Times that blocks are fitted at most; from the second on with half the side, where the field is no polynomial.
        Default: 2.
    min_valid
        Least share of usable cells in a block. Default: 0.1.
    exclude
        Polygons of terrain to leave out, such as glaciers; may be given more than once.
    include
        Polygons outside of which terrain is left out; may be given more than once.
    mask
        Raster of stable terrain: cells where it is 0 are left out.
    weights
        Raster of how much each cell counts: 1 / sigma^2 where sigma is known.
    initial
        Motion to begin with, as --transform wrote it; the result includes it.
    transform
        Write what was found as JSON: `trueground apply` takes it.
    tiles_table
        Write the blocks as points with all their figures (.gpkg, .geojson or .csv).
    field_raster
        Write the field of shifts and its standard errors (GeoTIFF of six bands) on the grid of the output.
    report
        Write a report page (HTML).
    resampling
        How the moved DEM is interpolated.
    grid
        Grid of the output: the moving DEM's own, or the reference's.
    reference_heights
        What heights of the reference are above: ellipsoid, egm96, egm2008 or a grid file. Default: as its CRS says.
    moving_heights
        The same for what is to move.
    points_x
        Column of the points' x or longitude, by name or number from 1. Default: found by the usual names.
    points_y
        The same of y or latitude.
    points_z
        The same of the height.
    points_sigma
        The same of the standard error of the height, by which points are weighed.
    points_crs
        CRS of the points. Default: as their file says.
    points_heights
        What heights of the points are above.
    json
        Print what was found as JSON, as --transform writes it.
    """
    from trueground.cli.align_inputs import PointOptions
    from trueground.cli.align_job import AlignJob, BlockOptions

    if blocks is None:
        for name, given in (
            ("--tiles-table", tiles_table),
            ("--field-raster", field_raster),
            ("--overlap", overlap),
            ("--field", field),
            ("--passes", passes),
            ("--min-valid", min_valid),
        ):
            if given is not None:
                msg = f"{name} is for an alignment block by block: give --blocks too."
                raise usage(msg)
    AlignJob(
        reference=reference, moving=moving, output=output, method=method, sample=sample,
        blocks=None if blocks is None else BlockOptions.of(
            blocks, overlap=overlap, field=field, passes=passes, min_valid=min_valid,
            table=tiles_table, raster=field_raster,
        ),
        points=PointOptions(
            x=points_x, y=points_y, z=points_z, sigma=points_sigma, crs=points_crs, heights=points_heights
        ),
        exclude=exclude or [], include=include or [], mask=mask, weights=weights, initial=initial,
        transform=transform, report=report, resampling=resampling, grid=grid,
        reference_heights=reference_heights, moving_heights=moving_heights, where=where, storage=storage,
        as_json=json,
    ).run()  # fmt: skip
