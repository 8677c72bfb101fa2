"""Every step of the classic solvers at one pixel, as a table that QGIS can load."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trueground.errors import InputError
from trueground.rpc.classic import Gdal, HeightSubstitution
from trueground.rpc.localize import localize_on
from trueground.status import Status

if TYPE_CHECKING:
    from trueground.dem import Dem
    from trueground.rpc.model import Rpc

_POLE = 90.0  # degrees
COLUMNS = ("solver", "iteration", "lon", "lat", "height", "error_row", "error_col", "status", "wkt")


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedStep:
    """A place that a solver tried."""

    solver: str
    """`certified`, `gdal`, or `height-substitution from 500 m`."""
    iteration: int
    """From 1; 0 for the certified solver, which does not iterate."""
    lon: float
    """Longitude [degrees]; NaN where the solver left the globe, as all numbers of such a step."""
    lat: float
    """Latitude [degrees]."""
    height: float
    """Height of the DEM there [m above the ellipsoid]; NaN where it has none."""
    error_row: float
    """Row in which the place is seen, minus the row asked for [px]."""
    error_col: float
    """The same for columns [px]."""
    status: Status
    """`OK` where the solver ended here, `DIVERGED` where it went on or gave up, else why it failed."""

    def __post_init__(self) -> None:
        if not abs(self.lat) <= _POLE:  # an iteration that runs away may try such a place
            for name in ("lon", "lat", "height", "error_row", "error_col"):
                object.__setattr__(self, name, math.nan)
            if self.status == Status.OK:
                object.__setattr__(self, "status", Status.DIVERGED)

    @property
    def wkt(self) -> str:
        """The place as `POINT Z (lon lat height)`; empty where it has no height."""
        if not all(map(math.isfinite, (self.lon, self.lat, self.height))):
            return ""
        return f"POINT Z ({self.lon!r} {self.lat!r} {self.height!r})"


def trace(  # noqa: PLR0917 (model, surface, row, col: the order that everybody knows)
    rpc: Rpc,
    dem: Dem,
    row: float,
    col: float,
    *,
    start_heights: Sequence[float] = (),
    tolerance: float = 0.1,
    max_iterations: int = 20,
) -> tuple[TracedStep, ...]:
    """Return the certified ground point of a pixel, and every place that the classic solvers tried.

    Parameters
    ----------
    rpc, dem
        Model of the image, and heights.
    row, col
        Pixel from the outer corner of the image's first pixel.
    start_heights
        Heights above the ellipsoid [m] from which height substitution starts, besides the middle of the RPC's heights.
    tolerance
        Error in row and column of a point that has arrived [px].
    max_iterations
        Places tried at most.

    Raises
    ------
    InputError
        Where row or column are not numbers.
    """
    if not (math.isfinite(row) and math.isfinite(col)):
        msg = f"pixel {row}, {col}: row and column to trace must be numbers"
        raise InputError(msg)
    rows, cols = np.array([float(row)]), np.array([float(col)])
    seen = localize_on(rpc, dem, rows, cols)
    back = rpc.project(seen.lon, seen.lat, seen.height)
    made = [
        TracedStep(
            solver="certified", iteration=0, lon=float(seen.lon[0]), lat=float(seen.lat[0]),
            height=float(seen.height[0]), error_row=float(back[0][0] - row),
            error_col=float(back[1][0] - col), status=Status(int(seen.status[0])),
        )
    ]  # fmt: skip
    solvers: list[tuple[str, Gdal | HeightSubstitution]] = [
        ("gdal", Gdal(tolerance=tolerance, max_iterations=max_iterations))
    ]
    for start in (rpc.height_off, *start_heights):
        substitution = HeightSubstitution(
            start_height=start, tolerance=tolerance, max_iterations=max_iterations
        )
        solvers.append((f"height-substitution from {start:g} m", substitution))
    for name, solver in solvers:
        made += [
            TracedStep(
                solver=name, iteration=step.iteration, lon=float(step.lon[0]), lat=float(step.lat[0]),
                height=float(step.height[0]), error_row=float(step.error_row[0]),
                error_col=float(step.error_col[0]), status=Status(int(step.status[0])),
            )
            for step in solver.steps(rpc, dem, rows, cols)
        ]  # fmt: skip
    return tuple(made)


def verdicts(steps: Sequence[TracedStep]) -> list[str]:
    """Return what became of each step: the label of its status where its solver ended, `goes on` before that."""
    after: list[TracedStep | None] = [*steps[1:], None]
    return [
        "goes on"
        if later is not None
        and (later.solver, later.iteration) == (step.solver, step.iteration + 1)
        else step.status.label
        for step, later in zip(steps, after, strict=True)
    ]


def trace_csv(steps: Sequence[TracedStep]) -> str:
    """Return the steps as CSV with all digits; what is not known is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for step, verdict in zip(steps, verdicts(steps), strict=True):
        values = (verdict if name == "status" else getattr(step, name) for name in COLUMNS)
        writer.writerow(["" if isinstance(v, float) and math.isnan(v) else v for v in values])
    return out.getvalue()
