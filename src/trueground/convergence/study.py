"""Run the solvers over a grid of pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueground.convergence.geometry import (
    cell_size,
    contraction,
    direction,
    distance,
    pixel_on_ground,
    surface_along,
)
from trueground.convergence.result import Convergence, Outcome, Run, Sight
from trueground.errors import OverlapError
from trueground.rpc.classic import Gdal, HeightSubstitution
from trueground.rpc.localize import localize_on
from trueground.rpc.located import Float, Located
from trueground.status import Status

if TYPE_CHECKING:
    from trueground.dem import Dem
    from trueground.engine import Progress
    from trueground.rpc.model import Rpc

_STARTS = 5
_NEAR = 0.1  # of the range of heights: so near to the usual start another tells nothing
_SAMPLES = 400  # of the surface along one line of sight


def study(  # noqa: PLR0917 (model, surface, rows, cols: the order that everybody knows)
    rpc: Rpc,
    dem: Dem,
    rows: Float,
    cols: Float,
    *,
    start_heights: Sequence[float] | None = None,
    tolerance: float = 0.1,
    max_iterations: int = 20,
    limit: float | None = None,
    progress: Progress | None = None,
) -> Convergence:
    """Run the certified and the classic solvers over a grid of pixels.

    Parameters
    ----------
    rpc, dem
        Model of the image, and heights.
    rows, cols
        (n,) and (m,) rows and columns of the grid.
    start_heights
        Heights above the ellipsoid [m] from which height substitution starts, besides the middle of the RPC's heights.
        None: up to five from the lowest to the highest ground that is seen.
    tolerance
        Error in row and column of a point that has arrived [px].
    max_iterations
        Places tried at most.
    limit
        Distance from the certified point beyond which a hit is wrong [m]. None: half a cell of the DEM, or a pixel on
        the ground where that is larger.
    progress
        Called with the number of solvers done, and of all.

    Raises
    ------
    OverlapError
        Where no pixel sees the DEM.
    """
    rows, cols = np.asarray(rows, dtype=np.float64), np.asarray(cols, dtype=np.float64)
    row, col = np.broadcast_arrays(rows[:, np.newaxis], cols[np.newaxis, :])
    certified = localize_on(rpc, dem, row, col)
    seen = certified.status == Status.OK
    if not seen.any():
        msg = (
            f"none of {seen.size} pixels sees the DEM: is it of the same ground as the image? "
            "Check its CRS and --heights, or ask for more pixels (--grid)"
        )
        raise OverlapError(msg)
    cell = cell_size(dem)
    if limit is None:
        limit = max(cell / 2.0, pixel_on_ground(rpc, certified, row, col))
    if start_heights is None:
        height = certified.height[seen]
        levels = np.linspace(height.min(), height.max(), _STARTS)
        near = np.abs(levels - rpc.height_off) < _NEAR * float(np.ptp(levels))
        start_heights = np.round(levels[~near]).tolist()
    settings: dict[str, Any] = {"tolerance": tolerance, "max_iterations": max_iterations}
    starts = [rpc.height_off, *(h for h in dict.fromkeys(start_heights) if h != rpc.height_off)]
    solvers: list[tuple[float | None, Gdal | HeightSubstitution]] = [(None, Gdal(**settings))]
    solvers += [(h, HeightSubstitution(start_height=h, **settings)) for h in starts]
    runs: list[Run] = []
    for start, solver in solvers:
        found = solver.locate(rpc, dem, row, col)
        apart = distance(found, certified)
        hit = found.status == Status.OK
        with np.errstate(invalid="ignore"):
            among = np.where(
                hit, np.where(apart > limit, Outcome.WRONG, Outcome.RIGHT), Outcome.FAILED
            )
        beside = np.where(hit, Outcome.UNFOUNDED, Outcome.NOTHING)
        name = "gdal" if start is None else "height-substitution"
        runs.append(
            Run(
                solver=name, start_height=start, found=found, distance=apart,
                outcome=np.where(seen, among, beside).astype(np.uint8),
            )
        )  # fmt: skip
        if progress is not None:
            progress(len(runs), len(solvers))
    east, north = direction(rpc, row, col, certified)
    tangent = np.hypot(east, north)
    return Convergence(
        rows=rows,
        cols=cols,
        certified=certified,
        runs=tuple(runs),
        contraction=contraction(rpc, dem, (row, col), certified.height, cell=cell, tangent=tangent),
        incidence=np.degrees(np.arctan(tangent)),
        azimuth=np.mod(np.degrees(np.arctan2(east, north)), 360.0),
        limit=float(limit),
        tolerance=tolerance,
        max_iterations=max_iterations,
        sight=_example(rpc, dem, (row, col), certified=certified, runs=runs),
    )  # fmt: skip


def _example(
    rpc: Rpc, dem: Dem, at: tuple[Float, Float], *, certified: Located, runs: Sequence[Run]
) -> Sight | None:
    """Choose a pixel that shows why height substitution fails: a wrong hit, else a failure, else the slowest."""
    for outcome in (Outcome.WRONG, Outcome.FAILED, Outcome.RIGHT):
        for run in runs[1:]:
            chosen = np.flatnonzero(run.outcome.reshape(-1) == outcome)
            if (
                outcome == Outcome.FAILED
            ):  # those that go on for ever show more than those that leave the DEM
                swinging = chosen[run.found.status.reshape(-1)[chosen] == Status.DIVERGED]
                chosen = swinging if swinging.size else chosen
            if not chosen.size:
                continue
            size = run.distance if outcome == Outcome.WRONG else run.iterations
            order = np.argsort(size.reshape(-1)[chosen], kind="stable")
            # The largest blunders leave no room for detail on the page.
            k = chosen[order[order.size // 2 if outcome == Outcome.WRONG else -1]]
            pixel = float(at[0].reshape(-1)[k]), float(at[1].reshape(-1)[k])
            visible = float(certified.height.reshape(-1)[k])
            return _sight(rpc, dem, pixel, visible=visible, run=run, outcome=outcome)
    return None


def _sight(
    rpc: Rpc, dem: Dem, pixel: tuple[float, float], *, visible: float, run: Run, outcome: Outcome
) -> Sight:
    start = rpc.height_off if run.start_height is None else run.start_height
    solver = HeightSubstitution(
        start_height=start, max_iterations=max(int(run.iterations.max()), 1)
    )
    row, col = np.array([pixel[0]]), np.array([pixel[1]])
    looked_up = [float(step.height[0]) for step in solver.steps(rpc, dem, row, col)]
    way = np.array([start, *(h for h in looked_up if math.isfinite(h))])
    near = np.append(way[1:], visible) if way.size > 1 else np.append(way, visible)
    margin = max(0.2 * float(np.ptp(near)), 5.0)
    levels = np.linspace(near.min() - margin, near.max() + margin, _SAMPLES)
    return Sight(
        row=pixel[0],
        col=pixel[1],
        levels=levels,
        surface=surface_along(rpc, dem, *np.broadcast_arrays(row, col, levels)),
        visible=visible,
        way=way,
        start_height=float(start),
        outcome=outcome,
    )
