"""What the methods that find a rigid motion share: the sample, the figures and the refusals."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from trueground.coreg.base import Alignment
from trueground.coreg.cells import Cells, within
from trueground.coreg.design import gradient_design, require_two_ways
from trueground.coreg.pairs import Pair, require_samples
from trueground.coreg.sampled import Sampled, figures
from trueground.engine import Engine, Progress
from trueground.errors import FitError, InputError
from trueground.kernels import aspect, symmetric
from trueground.pointcloud import PointCloud
from trueground.raster import Raster

Float = NDArray[np.float64]
_ENOUGH = 20_000  # cells that tell how the slopes of both DEMs go together,
_EVERY, _FEWEST = 4, 2000  # or every so many-th, if that is not too few
_FEW_INDEPENDENT = 100  # cells, below which squares of ground are no wider than what hangs together
_VAGUE = 0.5  # px of standard error of a shift, above which a warning says so
_LEAST_COMMON = 0.01  # correlation of the slopes of both DEMs in each direction
_SIGNIFICANT = 5.0  # of what chance would make of it
_UNKNOWN = 5.0  # px of it, above which the terrain does not fix the shift
_NO_GROUND = -500.0  # m; none on Earth is lower
_FILLED = 0.01  # share of cells of one same height, above which it may stand for no data


@dataclass(frozen=True, slots=True)
class Seen:
    """Cells at which both DEMs have heights; all columns (n,)."""

    cells: Cells
    """Those of the pair."""
    index: NDArray[np.intp] | None
    """Which of them; None for all."""
    centroid: tuple[float, float, float]
    dh: Float
    """Reference - moving, as moved so far [m]."""

    @property
    def places(self) -> tuple[Float, Float, Float]:
        """Places x, y, z about the centroid [m]."""
        x, y, z = (self._of(v) - c for v, c in zip(self.cells[:3], self.centroid, strict=True))
        return x, y, z

    @property
    def slopes(self) -> tuple[Float, Float]:
        """Rise of the reference towards east and north [m per m]."""
        return self._of(self.cells.slope_x), self._of(self.cells.slope_y)

    @property
    def weight(self) -> Float:
        """How much each counts."""
        return self._of(self.cells.weight)

    def _of(self, column: Float) -> Float:
        return column if self.index is None else column.take(self.index)


@dataclass(frozen=True, kw_only=True)
class RigidMethod(Sampled, ABC):
    """A method that finds a motion: what is looked at, and when it stops. How it does stands in `fit_pair`."""

    max_iterations: int = 50
    """Steps after which a fit ends without having converged, at most."""
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
        try:
            return self.fit_pair(pair, initial=initial, progress=progress)
        except FitError as error:
            hint = _undeclared_nodata(pair, initial)
            if not hint:
                raise
            msg = f"{error}; {hint}"
            raise FitError(msg) from error

    @abstractmethod
    def fit_pair(
        self, pair: Pair, *, initial: Alignment | None = None, progress: Progress | None = None
    ) -> Alignment:
        """Find the motion of a pair that has been sampled already."""

    def _sloping(self, pair: Pair, start: Alignment) -> Pair:
        """Return the pair with slopes as they are where the fit begins.

        Raises
        ------
        FitError
            Where there are too few cells, or their slopes do not fix a shift.
        """
        sloping, dh = pair.under(start), pair.dh(start)
        require_samples(dh, self.least_samples)
        seen = self._kept(sloping, start.centroid, dh)
        require_two_ways(gradient_design(*seen.slopes))
        return sloping

    def _kept(self, pair: Pair, centroid: tuple[float, float, float], dh: Float) -> Seen:
        """Return the cells that count."""
        use = self.within_trim(dh)
        if pair.points:  # slopes are those of the moving DEM, seen just now
            use &= np.isfinite(pair.cells.slope_x) & np.isfinite(pair.cells.slope_y)
            if self.slope_range is not None:
                use &= within(self.slope_range, pair.cells.slope_x, pair.cells.slope_y)
        if use.all():
            return Seen(pair.cells, None, centroid, dh)
        index = np.flatnonzero(use)
        return Seen(pair.cells, index, centroid, dh.take(index))

    def _measured(self, found: Alignment, first: Float, dh: Float, **more: Any) -> Alignment:
        """Add figures before and after, on the same cells, and what else is known of the fit."""
        both = np.isfinite(first) & np.isfinite(dh)
        # An initial shift may lead to another place.
        known = both if both.any() else np.isfinite(dh)
        require_samples(np.where(known, dh, np.nan), self.least_samples)
        before, after = figures(first[both]), figures(dh[known])
        return replace(
            found, nmad_before=before["nmad"], nmad_after=after["nmad"], samples=int(known.sum()),
            on_samples={"before": before, "after": after}, **more,
        )  # fmt: skip

    def _rise(self, pair: Pair, found: Alignment, seen: Seen) -> tuple[Float, Float]:
        """Return the rise of the moved DEM at the cells that count; NaN where it was not looked at, as at most."""
        cells = pair.cells
        if pair.points or not self.needs_slopes:
            return seen.slopes
        few = pair.thinned(min(_ENOUGH, max(cells.x.size // _EVERY, _FEWEST)))
        rises = few.slopes_of_moving(found)
        number, *common = aspect.in_common(few.cells.slope_x, few.cells.slope_y, *rises)
        if number < self.least_samples:
            return seen.slopes
        _require_common_relief(number, *common)
        whole = np.full((2, cells.x.size), np.nan)
        whole[:, :: -(-cells.x.size // few.cells.x.size)] = rises
        return (
            (whole[0], whole[1])
            if seen.index is None
            else (whole[0, seen.index], whole[1, seen.index])
        )

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


def _undeclared_nodata(pair: Pair, initial: Alignment | None) -> str:
    """Say where many cells of a DEM have one same height that may stand for no data; nothing where none has."""
    start = pair.start("none", initial)
    moving = replace(pair, resampling="nearest").heights(start)[0]
    raster = "declare it with gdal_edit.py -a_nodata"
    looked_at = (
        ("cells of the reference", raster, pair.cells.z),
        ("cells of the moving DEM", raster, moving - start.shift_z),
    )
    if pair.points:
        looked_at = (
            ("points", "leave out those of", pair.cells.z),
            ("cells of the DEM", raster, moving - start.shift_z),
        )
    for name, remedy, heights in looked_at:
        known = np.round(heights[np.isfinite(heights)], 3)
        values, counts = np.unique(known[(known < _NO_GROUND) | (known == 0.0)], return_counts=True)
        if counts.size and counts.max() > _FILLED * known.size:
            value = values[counts.argmax()]
            return (
                f"{counts.max() / known.size:.0%} of the {name} have the height {value:.17g} m: if that stands for no "
                f"data, {remedy} {value:.17g}"
            )
    return ""


def _worst(pair: Pair, found: Alignment) -> tuple[float, float]:
    """Return the greatest standard error [px] of a shift at a corner of the area, and its bearing [degrees]."""
    covariance = np.asarray(found.covariance)
    worst = 0.0, 0.0
    values, ways = np.empty(2), np.empty((2, 2))
    ends = [found.centroid[0]], [found.centroid[1]]  # all corners move alike
    if len(covariance) > 3:
        ends = [pair.cells.x.min(), pair.cells.x.max()], [pair.cells.y.min(), pair.cells.y.max()]
    for x in ends[0]:
        for y in ends[1]:
            px, py = x - found.centroid[0], y - found.centroid[1]
            answers = np.zeros((2, 7))  # of a shift there to shifts, rotations and the scale
            answers[0, 0] = answers[1, 1] = 1.0
            answers[0, 5], answers[1, 5] = -py, px
            answers[:, 6] = px, py
            answers = answers[:, : len(covariance)]
            symmetric.eigen(answers @ covariance @ answers.T, values, ways)
            error = math.sqrt(max(values[1], 0.0)) / pair.pixel
            if error >= worst[0]:
                worst = error, math.degrees(math.atan2(ways[0, 1], ways[1, 1])) % 180.0
    return worst


def _require_common_relief(  # noqa: PLR0917 (as the kernel finds them)
    number: int, common: float, spread: float, x: float, y: float
) -> None:
    """Raise where the slopes of the two DEMs have nothing in common in a direction (x, y).

    `common` is the covariance of so many there, `spread` the product of their standard deviations. Noise looks like
    slopes in all directions; but those of the other DEM are not the same.

    Raises
    ------
    FitError
        With the direction.
    """
    least = max(_LEAST_COMMON, _SIGNIFICANT / math.sqrt(number))
    if not common > least * spread:
        bearing = math.degrees(math.atan2(x, y)) % 180.0
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
