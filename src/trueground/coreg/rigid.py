"""What the methods that find a rigid motion share: the sample, the loop, the proof and the refusals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueground.coreg import motion
from trueground.coreg.base import Alignment
from trueground.coreg.cells import within
from trueground.coreg.covariance import clustered, effective_number
from trueground.coreg.pairs import Pair, require_samples
from trueground.coreg.sampled import Sampled, figures
from trueground.engine import Engine, Progress
from trueground.errors import FitError, InputError, OverlapError
from trueground.pointcloud import PointCloud
from trueground.raster import Raster
from trueground.stats import nmad

Float = NDArray[np.float64]
_FURTHEST = 1000.0  # px; a step beyond it is no shift but a failure
_FIRST = 60_000  # cells that are enough on the way there
_ENOUGH = 20_000  # cells that tell how the slopes of both DEMs go together
_WORTH = 3  # times that, and as many iterations, for the way to be gone apart
_CLOSE = 0.1  # px; the length of a step at which all cells are looked at
_BACK = 0.5  # of a step, that the next goes back: too much
_LEAST_SHARE = 0.25  # of a step, that is gone
_FEW_INDEPENDENT = 100  # cells, below which squares of ground are no wider than what hangs together
_VAGUE = 0.5  # px of standard error of a shift, above which a warning says so
_LEAST_COMMON = 0.01  # correlation of the slopes of both DEMs in each direction
_SIGNIFICANT = 5.0  # of what chance would make of it
_UNKNOWN = 5.0  # px of it, above which the terrain does not fix the shift


class Seen(NamedTuple):
    """Cells at which both DEMs have heights; all (n,)."""

    x: Float
    y: Float
    z: Float
    """Places about the centroid [m]."""
    slope_x: Float
    slope_y: Float
    """Rise of the reference [m per m]."""
    weight: Float
    dh: Float
    """Reference - moving, as moved so far [m]."""


@dataclass(frozen=True, kw_only=True)
class RigidMethod(Sampled, ABC):
    """A method that finds a motion: what is looked at, and when it stops."""

    max_iterations: int = 50
    tolerance: float = 1e-3
    """Largest move of any point by the last step [px of the reference] below which the motion has converged."""

    name: ClassVar[str]
    least_samples: ClassVar[int] = 100
    needs_slopes: ClassVar[bool] = True

    @property
    def unknowns(self) -> Sequence[int]:
        """Which parts of the motion are found: shift x, y, z, rotation about x, y, z, scale."""
        return (0, 1, 2)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_iterations < 1 or not self.tolerance > 0.0:
            msg = f"{self}: iterations from 1, tolerance above 0"
            raise InputError(msg)

    def fit(
        self,
        reference: Raster | PointCloud,
        moving: Raster | PointCloud,
        *,
        valid: Raster | None = None,
        weights: Raster | None = None,
        initial: Alignment | None = None,
        engine: Engine | None = None,
        progress: Progress | None = None,
    ) -> Alignment:
        """Find how the whole DEM has to be moved.

        Parameters
        ----------
        reference, moving
            Heights [m] above the same surface; grids and CRS may differ; one of them may be points. What does not count
            in metres is looked at in UTM (polar stereographic near the poles), which the result names.
        valid
            Mask of stable terrain on any grid: cells where it is 0 are left out.
        weights
            How much each cell counts, on any grid: 1 / sigma^2 where sigma [m] is known.
        initial
            Where to begin; the result includes it.
        engine
            Where blocks are read; threads on all processors by default.
        progress
            Called with iterations done and their greatest number.

        Raises
        ------
        FitError
            Where there are too few usable cells, or they do not fix the motion (flat, or all slopes face one way).
        OverlapError, DatumError
            Where the DEMs share no ground, or one of them alone declares a vertical datum.
        """
        if isinstance(moving, PointCloud):
            if isinstance(reference, PointCloud):
                msg = "both the reference and what is to move are points: one of them must be a raster"
                raise InputError(msg)
            back = None if initial is None else initial.inverse()
            found = self.fit(
                moving, reference, valid=valid, weights=weights, initial=back, engine=engine,
                progress=progress,
            )  # fmt: skip
            return _undone(found)
        pair = Pair.of(
            reference, moving, valid=valid, weights=weights, samples=self.samples, seed=self.seed,
            slope_range=self.slope_range, with_slopes=self.needs_slopes,
            resampling=self.resampling, initial=initial, engine=engine,
        )  # fmt: skip
        return self.fit_pair(pair, initial=initial, progress=progress)

    def fit_pair(
        self, pair: Pair, *, initial: Alignment | None = None, progress: Progress | None = None
    ) -> Alignment:
        """Find the motion of a pair that has been sampled already."""
        still, found = pair.start(self.name), pair.start(self.name, initial)
        history: list[dict[str, float]] = []
        if pair.cells.x.size > _WORTH * _FIRST and self.max_iterations > _WORTH:
            few = pair.thinned(_FIRST)  # the way to the place costs less than the place itself
            with suppress(FitError, OverlapError):
                found = self._iterated(few, found, history, _CLOSE, progress)[0]
        found, dh = self._iterated(pair, found, history, self.tolerance, progress)
        found = replace(found, iterations=tuple(history), parameters=asdict(self))
        return self._proved(pair, found, pair.dh(still), dh)

    def _iterated(  # noqa: PLR0917 (the state of the loop)
        self,
        pair: Pair,
        found: Alignment,
        history: list[dict[str, float]],
        tolerance: float,
        progress: Progress | None,
    ) -> tuple[Alignment, Float]:
        """Step until the steps are small; return the motion and the differences that it leaves."""
        dh = pair.dh(found)
        before, share = np.zeros(7), 1.0
        spare = _WORTH if tolerance > self.tolerance else 0
        for iteration in range(len(history) + 1, self.max_iterations + 1 - spare):
            if self.needs_slopes:
                pair = pair.under(found)
            require_samples(dh, self.least_samples)
            step = self._step(self._kept(pair, found.centroid, dh)[0])
            length = _length(pair, step)
            if step[:3] @ before[:3] < -_BACK * (before[:3] @ before[:3]):
                share = max(share / 2.0, _LEAST_SHARE)  # to and fro: the place lies between
            before, step = step, share * step
            if not length <= _FURTHEST * pair.pixel:
                msg = (
                    f"iteration {iteration} asks for a move of {length:.6g} m: the terrain does not fix the motion; "
                    "take a larger area, a simpler motion or vertical-shift"
                )
                raise FitError(msg)
            try:
                found = replace(
                    found,
                    matrix=_tuple(motion.small(step) @ np.asarray(found.matrix)),
                    converged=length < tolerance * pair.pixel,
                )
            except InputError as error:
                msg = f"iteration {iteration} leads to no rigid motion: the terrain does not fix the scale"
                raise FitError(msg) from error
            level = not (step[:2].any() or step[3:].any())
            if level or (
                found.converged and not step[3:].any()
            ):  # so short a step that slopes tell its effect
                east, north = pair.cells.slope_x, pair.cells.slope_y
                dh = dh + (east * step[0] + north * step[1] - step[2])
            else:
                dh = pair.dh(found)
            history.append(_line(iteration, found, length, dh))
            if progress is not None:
                progress(iteration, self.max_iterations)
            if found.converged:
                break
        return found, dh

    @abstractmethod
    def _step(self, seen: Seen) -> Float:
        """Return the small motion (7,) that the differences ask for: shift [m], rotation vector, scale - 1."""

    @abstractmethod
    def _influence(self, seen: Seen, rise: tuple[Float, Float]) -> Float:
        """Return what each cell adds to the error of each unknown, (n, unknowns).

        `rise` is that of the moved DEM [m per m]: how differences really answer to a shift. The reference's own slope
        holds noise beside the terrain, which looks like steepness on flat ground and is none. It is NaN at cells where
        it was not looked at: some are enough.
        """

    def _kept(
        self, pair: Pair, centroid: tuple[float, float, float], dh: Float
    ) -> tuple[Seen, NDArray[np.intp]]:
        """Return the cells that count, about the centroid, and which they are."""
        use = self.within_trim(dh)
        if pair.points:  # slopes are those of the moving DEM, seen just now
            use &= np.isfinite(pair.cells.slope_x) & np.isfinite(pair.cells.slope_y)
            if self.slope_range is not None:
                use &= within(self.slope_range, pair.cells.slope_x, pair.cells.slope_y)
        index = np.flatnonzero(use)
        if index.size == use.size:  # all of them: nothing is copied
            x, y, z, *others = (*pair.cells, dh)
        else:
            x, y, z, *others = (column.take(index) for column in (*pair.cells, dh))
        return Seen(x - centroid[0], y - centroid[1], z - centroid[2], *others), index

    def _proved(  # noqa: PLR0917 (the end of the loop)
        self, pair: Pair, found: Alignment, first: Float, dh: Float
    ) -> Alignment:
        """Add figures before and after, on the same cells, and the covariance; refuse what nothing fixes."""
        both = np.isfinite(first) & np.isfinite(dh)
        known = (
            both if both.any() else np.isfinite(dh)
        )  # an initial shift may lead to another place
        require_samples(np.where(known, dh, np.nan), self.least_samples)
        before, after = figures(first[both]), figures(dh[known])
        covariance, effective = self._covariance(pair, found, dh)
        found = replace(
            found, nmad_before=before["nmad"], nmad_after=after["nmad"], samples=int(known.sum()),
            on_samples={"before": before, "after": after}, covariance=covariance,
            effective_samples=effective,
        )  # fmt: skip
        return replace(found, warnings=self._doubts(pair, found))

    def _covariance(
        self, pair: Pair, found: Alignment, dh: Float
    ) -> tuple[tuple[tuple[float, ...], ...] | None, float]:
        if self.needs_slopes:
            pair = pair.under(found)
        seen, index = self._kept(pair, found.centroid, dh)
        influence = self._influence(seen, self._rise(pair, found, index))
        part = clustered(influence, seen.x, seen.y)
        if part is None:
            return None, np.nan
        whole = np.zeros((7, 7))
        whole[np.ix_(self.unknowns, self.unknowns)] = part
        size = max(max(self.unknowns) + 1, 3)
        return _tuple(whole[:size, :size]), effective_number(influence, part)

    def _rise(self, pair: Pair, found: Alignment, index: NDArray[np.intp]) -> tuple[Float, Float]:
        """Return the rise of the moved DEM at the cells that count; NaN where it was not looked at, as at most."""
        cells = pair.cells
        if pair.points or not self.needs_slopes:
            return cells.slope_x[index], cells.slope_y[index]
        few = pair.thinned(_ENOUGH)
        slopes, rises = (
            np.stack([few.cells.slope_x, few.cells.slope_y]),
            np.stack(few.slopes_of_moving(found)),
        )
        known = np.isfinite(rises).all(axis=0)
        if known.sum() < self.least_samples:
            return cells.slope_x[index], cells.slope_y[index]
        _require_common_relief(slopes[:, known], rises[:, known])
        whole = np.full((2, cells.x.size), np.nan)
        whole[:, :: -(-cells.x.size // few.cells.x.size)] = rises
        return whole[0, index], whole[1, index]

    def _doubts(self, pair: Pair, found: Alignment) -> tuple[str, ...]:
        """Say what is weakly fixed.

        Raises
        ------
        FitError
            Where a shift could be anything.
        """
        doubts: tuple[str, ...] = ()
        if found.effective_samples < _FEW_INDEPENDENT < found.samples:
            doubts = (
                f"errors hang together over much of the area ({found.effective_samples:.0f} independent cells): "
                "standard errors are lower bounds",
            )
        if found.covariance is None or 0 not in self.unknowns:
            return doubts
        error, way = _worst(pair, found)
        simpler = "" if len(self.unknowns) == 3 else ", a translation alone"
        if not error < _UNKNOWN:
            msg = (
                f"the shift towards {way:.0f} degrees from north is known to {error:.2g} px only: the terrain is too "
                f"flat, or all its slopes face one way; take a larger area{simpler} or vertical-shift"
            )
            raise FitError(msg)
        if error > _VAGUE:
            doubts += (
                f"the shift towards {way:.0f} degrees from north is known to {error:.2g} px only",
            )
        return doubts


def _worst(pair: Pair, found: Alignment) -> tuple[float, float]:
    """Return the greatest standard error [px] of a shift at a corner of the area, and its bearing [degrees]."""
    covariance = np.asarray(found.covariance)
    worst = 0.0, 0.0
    for x in (pair.cells.x.min(), pair.cells.x.max()):
        for y in (pair.cells.y.min(), pair.cells.y.max()):
            px, py = x - found.centroid[0], y - found.centroid[1]
            answers = np.zeros((2, 7))  # of a shift there to shifts, rotations and the scale
            answers[0, 0] = answers[1, 1] = 1.0
            answers[0, 5], answers[1, 5] = -py, px
            answers[:, 6] = px, py
            answers = answers[:, : len(covariance)]
            values, ways = np.linalg.eigh(answers @ covariance @ answers.T)
            error = float(np.sqrt(max(values[1], 0.0))) / pair.pixel
            if error >= worst[0]:
                worst = error, float(np.degrees(np.arctan2(ways[0, 1], ways[1, 1]))) % 180.0
    return worst


def _require_common_relief(one: Float, two: Float) -> None:
    """Raise where the slopes (2, n) of the two DEMs have nothing in common in some direction.

    Noise looks like slopes in all directions; but those of the other DEM are not the same.

    Raises
    ------
    FitError
        With the direction.
    """
    number = one.shape[1]
    one, two = (v - v.mean(axis=1, keepdims=True) for v in (one, two))
    common = one @ two.T / number
    values, ways = np.linalg.eigh(common + common.T)
    way = ways[:, 0]
    spread = float(np.sqrt((way @ one).var() * (way @ two).var()))
    least = max(_LEAST_COMMON, _SIGNIFICANT / np.sqrt(number))
    if not values[0] / 2.0 > least * spread:
        bearing = np.degrees(np.arctan2(way[0], way[1])) % 180.0
        msg = (
            f"the slopes of the two DEMs towards {bearing:.0f} degrees from north have nothing in common: the terrain "
            "is too flat, or all its slopes face one way, so that it does not fix the shift; take a larger area or "
            "vertical-shift"
        )
        raise FitError(msg)


def _undone(found: Alignment) -> Alignment:
    """Return what moves the points where `found` moves the raster: all signs are turned."""
    turned = {
        when: {k: -v if k == "median" else v for k, v in figures.items()}
        for when, figures in found.on_samples.items()
    }
    lines = tuple(
        {k: -v if k.startswith(("shift", "rotation")) else v for k, v in line.items()}
        for line in found.iterations
    )
    return replace(found, matrix=found.inverse().matrix, on_samples=turned, iterations=lines)


def _length(pair: Pair, step: Float) -> float:
    """Return how far the farthest cell is moved by a step, at most [m]."""
    reach = float(np.hypot(np.ptp(pair.cells.x), np.ptp(pair.cells.y))) / 2.0
    return float(np.linalg.norm(step[:3]) + reach * np.linalg.norm(step[3:]))


def _tuple(matrix: Float) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, matrix.tolist()))


def _line(  # noqa: PLR0917 (what an iteration found)
    iteration: int, found: Alignment, length: float, dh: Float
) -> dict[str, float]:
    about_x, about_y, about_z = found.rotations
    return {
        "iteration": iteration,
        "shift_x": found.shift_x, "shift_y": found.shift_y, "shift_z": found.shift_z,
        "rotation_x": about_x, "rotation_y": about_y, "rotation_z": about_z, "scale": found.scale,
        "step": length,
        "nmad": nmad(dh[:: max(dh.size // _FIRST, 1)]),
    }  # fmt: skip
