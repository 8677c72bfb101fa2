"""`trueground converge`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from trueground.cli.console import console
from trueground.cli.drawn_table import print_table
from trueground.cli.endings import PAGES, check_ending
from trueground.cli.options import File, Flag, OptionalOutput, RpcOrigin, outputs_differ_from, usage

if TYPE_CHECKING:
    from trueground.rpc.trace import TracedStep

_LARGEST_GRID = 2000
# Why a solver found no point, by the label of its status.
_REASONS = {
    "outside image": "the pixel is far from what the RPC was made for",
    "outside dem": "the line of sight, or the next place to be tried, lies beside the DEM",
    "no data": "the line of sight, or the next place to be tried, meets a hole of the DEM",
    "no intersection": "the line of sight stays above the DEM until it leaves it",
    "diverged": "the RPC cannot be inverted there (is the pixel far outside the image?), or the steps did not settle",
    "bad input": "the row or the column is not a number",
}
Heights = Annotated[
    list[float] | None, Parameter(negative=(), consume_multiple=True, allow_leading_hyphen=True)
]
Pixel = Annotated[tuple[float, float] | None, Parameter(negative=(), allow_leading_hyphen=True)]


def converge(
    image: File,
    /,
    *,
    dem: File,
    output: OptionalOutput = None,
    heights: str | None = None,
    rpc: File | None = None,
    rpc_origin: RpcOrigin = None,
    grid: int = 100,
    start_heights: Heights = None,
    tolerance: float = 0.1,
    max_iterations: int = 20,
    trace: Pixel = None,
    trace_csv: Path | None = None,
    json: Flag = False,
) -> None:
    """Show when and why the usual ways from image to ground fail, held against the certified one.

    GDAL's iteration and height substitution, from several start heights, run over a grid of pixels.

    Example: `trueground converge scene.tif --dem srtm.tif --heights egm96 -o converge.html`

    Parameters
    ----------
    image
        Image with RPC metadata, or a file that holds an RPC alone.
    dem
        Elevation model.
    output
        Report page (HTML). Default: only the summary is printed.
    heights
        What heights of the DEM are above: ellipsoid, egm96, egm2008 or a grid file. Default: as its CRS says.
    rpc
        File with the RPC of the full scene, for an image without.
    rpc_origin
        What the RPC file calls the centre of its first pixel: 0 or 1. Default: what its product does.
    grid
        Pixels along the longer side of the image.
    start_heights
        Heights above the ellipsoid [m] from which height substitution starts, besides the middle of the RPC's
        heights. Default: five from the lowest to the highest ground that is seen.
    tolerance
        Error of a point that has arrived [px].
    max_iterations
        Steps at most.
    trace
        ROW COL of a pixel: print every step of each solver.
    trace_csv
        Write those steps as CSV, with a column wkt for QGIS.
    json
        Print the summary as JSON.
    """
    import json as text

    from trueground.convergence import study
    from trueground.convergence.grid import pixel_grid
    from trueground.dem import Dem
    from trueground.report.convergence import write_convergence_report
    from trueground.report.solvers import (
        SOLVER_COLUMNS,
        TRACE_COLUMNS,
        solver_rows,
        trace_rows,
    )
    from trueground.rpc.readers import rpc_of
    from trueground.rpc.trace import trace as traced_by
    from trueground.rpc.trace import trace_csv as table_of
    from trueground.writer import write_text

    if trace_csv is not None and trace is None:
        msg = "--trace-csv holds the steps at one pixel: say which with --trace ROW COL."
        raise usage(msg)
    if not 2 <= grid <= _LARGEST_GRID:
        msg = f"--grid {grid}: must be from 2 to {_LARGEST_GRID} pixels."
        raise usage(msg)
    outputs_differ_from([image, dem, rpc], {"--output": output, "--trace-csv": trace_csv})
    check_ending(output, PAGES, "the report is written")
    check_ending(trace_csv, (".csv", ".txt"), "the steps are written")
    model = rpc_of(image, rpc, origin=rpc_origin)
    surface = Dem.open(dem, heights=heights)
    rows, cols = pixel_grid(image, model, grid)
    with console.progress("solvers") as step, console.timed("solvers"):
        found = study(
            model, surface, rows, cols, start_heights=start_heights, tolerance=tolerance,
            max_iterations=max_iterations, progress=step,
        )  # fmt: skip
    steps = (
        ()
        if trace is None
        else traced_by(
            model, surface, *trace, start_heights=start_heights or [], tolerance=tolerance,
            max_iterations=max_iterations,
        )
    )  # fmt: skip
    if json:
        print(text.dumps(found.to_dict(), indent=1))
    else:
        print(
            f"{int(found.seen.sum())} of {found.seen.size} pixels see ground; the solvers at those:"
        )
        print_table(SOLVER_COLUMNS, solver_rows(found))
    if steps and not json:
        print_table(TRACE_COLUMNS, trace_rows(steps))
        _print_reasons(steps)
    if trace_csv is not None:
        write_text(trace_csv, table_of(steps))
    if output is not None:
        inputs = {"image": image, "dem": dem, "heights": heights, "rpc": rpc}
        with console.timed("report"):
            write_convergence_report(
                output,
                result=found,
                inputs=inputs,
                trace=steps,
                traced=trace,
                command=console.command,
            )
    written = ", ".join(str(p) for p in (output, trace_csv) if p is not None)
    if written:
        console.note(f"wrote {written}")


def _print_reasons(steps: Sequence[TracedStep]) -> None:
    """Say of each solver that ended without a point why it did."""
    from trueground.rpc.trace import verdicts

    for step, verdict in zip(steps, verdicts(steps), strict=True):
        if verdict in _REASONS:
            print(f"{step.solver}: {verdict}, since {_REASONS[verdict]}")
