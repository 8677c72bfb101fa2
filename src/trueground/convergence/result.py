"""What became of every pixel in the hands of every solver."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueground.convergence.geometry import mean_azimuth, median_of
from trueground.errors import InputError
from trueground.rpc.located import Float, Located
from trueground.status import Status

CLASSES = (-math.inf, -1.0, -0.5, 0.0, 0.5, 1.0, math.inf)
"""Edges of the classes of contraction factors."""


class Outcome(IntEnum):
    """What a solver made of a pixel."""

    RIGHT = 0
    """It came to the point that is seen."""
    WRONG = 1
    """It came to a point that is further from it than allowed: hidden ground, or (GDAL) a place beside the DEM."""
    FAILED = 2
    """It did not come to an end, or left the DEM, although the pixel sees ground."""
    UNFOUNDED = 3
    """It came to a point, but the pixel has no ground that is known to be visible."""
    NOTHING = 4
    """It found nothing where there is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """A run in numbers. Shares are of the pixels that see ground."""

    solver: str
    start_height: float | None
    """[m above the ellipsoid]"""
    right: float
    """Share of pixels, 0 to 1."""
    wrong: float
    failed: float
    unfounded: int
    """Hits where no ground is known to be visible."""
    median_iterations: float
    """Of the points that arrived; NaN where none did."""
    most_iterations: int
    median_distance: float
    """From what is seen to what was found instead, of the wrong hits [m]; NaN where there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One solver, over all pixels."""

    solver: str
    """`gdal` or `height-substitution`."""
    start_height: float | None
    """[m above the ellipsoid]; None for GDAL, which has none."""
    found: Located
    """(n, m), with iterations and residual."""
    outcome: NDArray[np.uint8]
    """(n, m) `Outcome`."""
    distance: Float
    """(n, m) from the certified point [m]; NaN where either is missing."""

    @property
    def label(self) -> str:
        """The solver, with its start height."""
        if self.start_height is None:
            return self.solver
        return f"{self.solver} from {self.start_height:g} m"

    @property
    def iterations(self) -> NDArray[np.int32]:
        """(n, m) places tried."""
        if self.found.iterations is None:
            msg = f"{self.solver} counted no iterations; use a solver that does"
            raise InputError(msg)
        return self.found.iterations

    def share(self, outcome: Outcome, among: NDArray[np.bool_] | None = None) -> float:
        """Return how many of the pixels that see ground ended so, 0 to 1; NaN where none does."""
        seen = self.outcome <= Outcome.FAILED
        chosen = seen if among is None else seen & among
        return float((self.outcome[chosen] == outcome).mean()) if chosen.any() else math.nan

    def arrived(self, outcome: Outcome, number: int) -> Float:
        """Return the share that has come to a right (or wrong) point by iteration 1 to `number`."""
        seen = self.outcome <= Outcome.FAILED
        hits = self.iterations[self.outcome == outcome]
        counts = np.bincount(hits, minlength=number + 1)[1 : number + 1]
        return np.asarray(np.cumsum(counts) / max(int(seen.sum()), 1), dtype=np.float64)

    def tally(self) -> Tally:
        """Return the run in numbers."""
        steps = self.iterations[self.outcome <= Outcome.WRONG]
        far = self.distance[self.outcome == Outcome.WRONG]
        return Tally(
            solver=self.solver,
            start_height=self.start_height,
            right=self.share(Outcome.RIGHT),
            wrong=self.share(Outcome.WRONG),
            failed=self.share(Outcome.FAILED),
            unfounded=int((self.outcome == Outcome.UNFOUNDED).sum()),
            median_iterations=float(np.median(steps)) if steps.size else math.nan,
            most_iterations=int(steps.max()) if steps.size else 0,
            median_distance=float(np.median(far)) if far.size else math.nan,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The surface along one line of sight, and the way of height substitution over it."""

    row: float
    col: float
    """Pixel from the outer corner of the image's first pixel."""
    levels: Float
    """(k,) heights on the line of sight [m]."""
    surface: Float
    """(k,) height of the DEM below or above each of them [m]: the map that is iterated."""
    visible: float
    """Height of the point that is seen [m]."""
    way: Float
    """Heights that height substitution tried [m], from its start on."""
    start_height: float
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Convergence:
    """The solvers over a grid of pixels, held against the certified one."""

    rows: Float
    """(n,) rows of the grid, from the outer corner of the image's first pixel."""
    cols: Float
    """(m,)"""
    certified: Located
    """(n, m) what each pixel sees."""
    runs: tuple[Run, ...]
    """GDAL, height substitution from the middle of the RPC's heights, then from the other start heights."""
    contraction: Float
    """(n, m) d DEM(localize(h)) / dh at the point that is seen; NaN where there is none."""
    incidence: Float
    """(n, m) angle of the line of sight from the vertical at the ground [degrees]."""
    azimuth: Float
    """(n, m) direction towards the sensor, clockwise from north [degrees]."""
    limit: float
    """Distance beyond which a hit is wrong [m]."""
    tolerance: float
    """Error of a point that has arrived [px]."""
    max_iterations: int
    sight: Sight | None
    """A pixel that shows what happens; None where no pixel sees ground."""

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(n, m) the pixels that see ground."""
        return np.asarray(self.certified.status == Status.OK)

    @property
    def gdal(self) -> Run:
        """GDAL's solver."""
        return self.runs[0]

    @property
    def substitution(self) -> Run:
        """Height substitution from the middle of the RPC's heights."""
        return self.runs[1]

    @property
    def by_start(self) -> tuple[Run, ...]:
        """Height substitution, by start height."""
        return tuple(sorted(self.runs[1:], key=lambda run: run.start_height or 0.0))

    @property
    def starts_right(self) -> Float:
        """(n, m) share of the start heights that lead to the point that is seen; NaN where there is none."""
        share = np.mean([run.outcome == Outcome.RIGHT for run in self.runs[1:]], axis=0)
        return np.where(self.seen, share, np.nan)

    @property
    def depends_on_start(self) -> float:
        """Share of the pixels that see ground where some start heights lead there and some do not."""
        share = self.starts_right[self.seen]
        return float(((share > 0.0) & (share < 1.0)).mean())

    def classes(self) -> list[tuple[float, float, NDArray[np.bool_]]]:
        """Return the classes of contraction factors that hold pixels: lower and upper edge, and which pixels."""
        with np.errstate(invalid="ignore"):
            found = [
                (low, high, (self.contraction >= low) & (self.contraction < high))
                for low, high in pairwise(CLASSES)
            ]
        return [one for one in found if one[2].any()]

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers, without the maps, as JSON has them."""
        inside = self.contraction[np.isfinite(self.contraction)]
        return {
            "pixels": int(self.certified.status.size),
            "seen": int(self.seen.sum()),
            "limit_m": self.limit,
            "tolerance_px": self.tolerance,
            "max_iterations": self.max_iterations,
            "incidence_deg": _or_none(median_of(self.incidence)),
            "azimuth_to_sensor_deg": _or_none(mean_azimuth(self.azimuth)),
            "contraction": {
                "percentiles": dict(
                    zip(("1", "50", "99"), np.percentile(inside, (1, 50, 99)).tolist(), strict=True)
                )
                if inside.size
                else {},
                "beyond_1": float((np.abs(inside) > 1.0).mean()) if inside.size else None,
            },
            "depends_on_start": self.depends_on_start,
            "runs": [
                {
                    name: _or_none(getattr(tally, name)) for name in Tally.__slots__
                }
                for tally in (run.tally() for run in self.runs)
            ],
        }  # fmt: skip


def _or_none(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
