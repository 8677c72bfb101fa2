"""What the solvers did, as rows of text for pages and terminals."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trueground.convergence import Convergence, Tally
from trueground.report.text import MISSING, number
from trueground.rpc.trace import TracedStep, verdicts

SOLVER_COLUMNS = ("Solver", "point seen", "wrong", "failed", "steps", "most")
TRACE_COLUMNS = ("solver", "step", "lon", "lat", "height", "error row", "error col", "status")
_SPACE = "\N{NO-BREAK SPACE}"


def solver_rows(result: Convergence) -> list[tuple[str, ...]]:
    """Return the runs in words and numbers, in the order of `SOLVER_COLUMNS`."""
    return [tally_row(run.tally()) for run in (result.gdal, *result.by_start)]


def tally_row(tally: Tally) -> tuple[str, ...]:
    """Return one run in words and numbers, in the order of `SOLVER_COLUMNS`."""
    start = "" if tally.start_height is None else f" from {tally.start_height:g} m"
    shares = (percent(share) for share in (tally.right, tally.wrong, tally.failed))
    steps = number(tally.median_iterations, decimals=0)
    return (f"{tally.solver}{start}", *shares, steps, str(tally.most_iterations))


def trace_rows(trace: Sequence[TracedStep]) -> list[tuple[str, ...]]:
    """Return the steps of a trace as text, in the order of `TRACE_COLUMNS`."""
    return [
        (
            step.solver,
            str(step.iteration),
            number(step.lon, decimals=7),
            number(step.lat, decimals=7),
            number(step.height, decimals=3),
            number(step.error_row, decimals=3, signed=True),
            number(step.error_col, decimals=3, signed=True),
            verdict,
        )
        for step, verdict in zip(trace, verdicts(trace), strict=True)
    ]


def percent(share: float) -> str:
    """Return a share of pixels; what is there but rounds to nothing is not called nothing."""
    if not math.isfinite(share):
        return MISSING
    if 0.0 < share < 5e-5:
        return f"< 0.01{_SPACE}%"
    if 0.99995 < share < 1.0:
        return f"> 99.99{_SPACE}%"
    return f"{number(100.0 * share, decimals=2)}{_SPACE}%"
