"""`trueground align`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from trueground.cli.console import console
from trueground.cli.options import (
    DemResampling,
    Flag,
    Output,
    Repeated,
    outputs_differ_from,
    raster_output,
    usage,
    warn_of_outlines_elsewhere,
)


def align(
    reference: str,
    moving: str,
    /,
    *,
    output: Output,
    method: str = "nuth-kaab",
    exclude: Repeated = None,
    include: Repeated = None,
    mask: str | None = None,
    transform: Path | None = None,
    report: Path | None = None,
    resampling: DemResampling = "bilinear",
    grid: Literal["moving", "reference"] = "moving",
    reference_heights: str | None = None,
    moving_heights: str | None = None,
    threads: Annotated[int, Parameter(validator=None)] = 0,
    cog: Flag = False,
) -> None:
    """Move an elevation model onto a reference, so that their difference shows change and not misplacement.

    Example: `trueground align reference.tif moving.tif -o aligned.tif --exclude glaciers.gpkg --transform shift.json`

    Parameters
    ----------
    reference
        DEM that is trusted.
    moving
        DEM to move; grid and CRS may differ.
    output
        The moved DEM (GeoTIFF).
    method
        How the shift is found: nuth-kaab, lzd or vertical-shift; and how heights are corrected: deramp,
        directional-bias or terrain-bias. Several are joined by +, as in "nuth-kaab + deramp"; what is chosen of one
        comes after a colon, as in deramp:2 (degree), terrain-bias:elevation (or slope, aspect, curvature),
        directional-bias:sines (or spline), lzd:translation (or rigid, similarity).
    exclude
        Polygons of terrain to leave out, such as glaciers; may be given more than once.
    include
        Polygons outside of which terrain is left out; may be given more than once.
    mask
        Raster of stable terrain: cells where it is 0 are left out.
    transform
        Write the shift as JSON.
    report
        Write a report page (HTML).
    resampling
        How the moved DEM is interpolated.
    grid
        Grid of the output: the moving DEM's own, or the reference's.
    reference_heights
        What heights of the reference are above: ellipsoid, egm96, egm2008 or a grid file. Default: as its CRS says.
    moving_heights
        The same for the moving DEM.
    threads
        Number of threads; 0 takes all processors.
    cog
        Write a cloud-optimised GeoTIFF.
    """
    from trueground.coreg import Chain, method_named
    from trueground.datum_shift import datum_name, declaring, in_common_datum
    from trueground.difference import Difference, check_overlap
    from trueground.engine import Threads
    from trueground.errors import FitError, InputError
    from trueground.raster import as_float, open_raster
    from trueground.stats import statistics
    from trueground.vectors import stable_terrain
    from trueground.writer import write, write_text

    outputs_differ_from(
        [reference, moving, mask, *(exclude or []), *(include or [])],
        [raster_output(output), transform, report],
    )
    try:
        steps = method_named(method)
    except InputError as error:
        raise usage(f"{error}.") from error
    engine = Threads(threads)
    fixed, loose = as_float(open_raster(reference)), as_float(open_raster(moving))
    check_overlap(fixed, loose)
    datums = {
        "reference_heights": datum_name(fixed, reference_heights),
        "moving_heights": datum_name(loose, moving_heights),
    }
    loose = in_common_datum(
        fixed, loose, reference_heights=reference_heights, moving_heights=moving_heights
    )
    fixed = declaring(fixed, reference_heights)
    valid = stable_terrain(fixed.grid, exclude=exclude or [], include=include or [], mask=mask)
    warn_of_outlines_elsewhere(fixed.grid, [*(exclude or []), *(include or [])])
    with console.progress("fit") as step, console.timed("fit"):
        found = steps.fit(fixed, loose, valid=valid, engine=engine, progress=step)
    if not found.converged and not found.nmad_after < found.nmad_before:
        msg = (
            f"{steps.name} did not converge and the NMAD did not fall ({found.nmad_before:.3f} m before, "
            f"{found.nmad_after:.3f} m after): the DEMs do not show the same terrain; nothing was written"
        )
        raise FitError(msg)
    aligned = found.apply(
        loose, grid=fixed.grid if grid == "reference" else None, resampling=resampling
    )
    history = {
        "reference": reference,
        "moving": moving,
        "method": method,
        "transform": found.to_json(),
        "resampling": resampling,
        "exclude": ", ".join(exclude or []),
        "include": ", ".join(include or []),
        "mask": mask or "",
        **datums,
    }
    with console.progress("write") as step, console.timed("write"):
        write(
            aligned,
            output,
            engine=engine,
            driver="COG" if cog else "GTiff",
            history=history,
            progress=step,
        )
    if not found.converged:
        steps_taken = "" if isinstance(found, Chain) else f" in {len(found.iterations)} iterations"
        console.warn(f"the fit did not converge{steps_taken}; look at the differences")
    for warning in found.warnings:
        console.warn(warning)
    if report is not None:
        from trueground.report import write_alignment_report

        before, after = (
            Difference(first=fixed, second=loose),
            Difference(first=fixed, second=aligned),
        )
        with console.timed("statistics"):
            found = found.with_statistics(
                before=statistics(before, valid=valid, engine=engine).to_dict(),
                after=statistics(after, valid=valid, engine=engine).to_dict(),
            )
        write_alignment_report(
            report,
            result=found.to_dict(),
            before=before,
            after=after,
            reference=fixed,
            outlines=None if valid is None else valid.outlines,
            valid=valid,
            inputs={
                "reference": reference,
                "moving": moving,
                "exclude": exclude or [],
                "include": include or [],
            },
            warnings=[
                *([] if found.converged else ["The fit did not converge."]),
                *(f"{w[:1].upper()}{w[1:]}." for w in found.warnings),
            ],
            command=console.command,
        )
    if transform is not None:
        write_text(transform, found.to_json())
    print(f"shift x {found.shift_x:+.3f} m, y {found.shift_y:+.3f} m, z {found.shift_z:+.3f} m")
    for correction in found.corrections if isinstance(found, Chain) else ():
        print(f"{correction.method}: {correction.shape.describe()}")
    print(
        f"NMAD on {found.samples} cells: {found.nmad_before:.3f} m before, {found.nmad_after:.3f} m after"
    )
    console.note(f"wrote {', '.join(str(p) for p in (output, transform, report) if p is not None)}")
