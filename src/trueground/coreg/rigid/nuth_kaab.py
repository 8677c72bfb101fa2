"""Horizontal and vertical shift from the dependence of the difference on slope and aspect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from trueground.coreg import regression
from trueground.coreg.design import gradient_design, require_two_ways
from trueground.coreg.medians import group_medians, median_influence, weighted_median
from trueground.coreg.rigid.method import RigidMethod, Seen
from trueground.coreg.rigid.stepping import SteppingMethod
from trueground.coreg.sampled import require_choice
from trueground.errors import FitError, InputError
from trueground.kernels import normal

Float = NDArray[np.float64]
Estimator = Literal["aspect-bins", "robust-gradient"]
_LEAST_BINS = 8  # of the aspect, for three unknowns that they must separate
_MOST_BINS = 3600
_FLATTEST = 1e-6  # rise over run below which aspect means nothing
_WORST_CONDITION = 1e3


@dataclass(frozen=True, kw_only=True)
class NuthKaab(SteppingMethod):
    r"""Coregister by the cosine that a horizontal shift leaves in the difference of heights.

    A moving DEM that lacks a shift :math:`(s_x, s_y, s_z)` differs from the reference by

    .. math:: dh = s_z - \tan\alpha \, (s_x \cos\psi + s_y \sin\psi),

    where :math:`\alpha` is the slope of the reference and :math:`\psi` the direction in which it
    rises (eq. 1-3 of the paper, with the direction instead of the aspect).
    :math:`(dh - \mathrm{median}\, dh) / \tan\alpha` is binned by direction, a cosine is fitted to
    the medians of the bins, the shift is applied and all is repeated.

    With `estimator="robust-gradient"` the same model is regressed cell by cell, :math:`dh` on the gradient, weighted by
    Tukey's biweight. Where the model holds, both find the same shift; they differ where it does not. Steep cells weigh
    more in the regression, so that it is more exact for noise that is the same everywhere, and is drawn by errors that
    grow with slope; the bins weigh each direction alike, and each cell by its direction alone.

    References
    ----------
    Nuth & Kaab (2011), The Cryosphere 5, 271-290, doi:10.5194/tc-5-271-2011.
    """

    estimator: Estimator = "aspect-bins"
    bins: int = 72
    """Number of bins of the direction."""

    name: ClassVar[str] = "nuth-kaab"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _LEAST_BINS <= self.bins <= _MOST_BINS:
            msg = f"{self.bins} bins of the aspect: must be from {_LEAST_BINS} to {_MOST_BINS}"
            raise InputError(msg)
        require_choice("estimator", self.estimator, get_args(Estimator))

    def _step(self, seen: Seen) -> Float:
        step = np.zeros(7)
        if self.estimator == "robust-gradient":
            design = gradient_design(seen.slope_x, seen.slope_y)
            require_two_ways(design)
            step[:3] = regression.robust(design, seen.dh, seen.weight)
        else:
            bins = _Bins.of(seen, self.bins)
            step[:2], step[2] = bins.solve @ bins.medians, bins.middle
        return step

    def _influence(self, seen: Seen, rise: tuple[Float, Float]) -> Float:
        if self.estimator == "robust-gradient":
            design = gradient_design(seen.slope_x, seen.slope_y)
            return regression.influence(
                design, seen.dh, seen.weight, answers=gradient_design(*rise)
            )
        return _Bins.of(seen, self.bins).influence(seen, rise)


@dataclass(frozen=True, kw_only=True)
class _Bins:
    """Differences over the tangent of the slope, by the direction in which the ground rises."""

    use: NDArray[np.bool_]
    """(n,): cells that have a slope."""
    steepness: Float
    """Their tangents of the slope."""
    number: NDArray[np.int16]
    """Which filled bin each lies in."""
    scaled: Float
    """(dh - median) / tangent."""
    medians: Float
    """Of each filled bin."""
    solve: Float
    """(2, filled bins): from the medians to the shift, by least squares of a cosine and a constant."""
    middle: float
    """Median of the differences [m]."""

    @classmethod
    def of(cls, seen: Seen, count: int) -> _Bins:
        """Bin the differences.

        Raises
        ------
        FitError
            Where the terrain is flat, or its slopes face one way.
        """
        steepness = np.hypot(seen.slope_x, seen.slope_y)
        use = steepness > _FLATTEST
        if use.sum() < RigidMethod.least_samples:
            msg = (
                f"{int(use.sum())} cells with a slope: at least {RigidMethod.least_samples} are needed; the "
                "terrain is too flat: take a larger area or vertical-shift"
            )
            raise FitError(msg)
        steepness, weight = steepness[use], seen.weight[use]
        middle = weighted_median(seen.dh, seen.weight)
        scaled = (seen.dh[use] - middle) / steepness
        east, north = (v[use].astype(np.float32) for v in (seen.slope_x, seen.slope_y))
        turn = np.arctan2(north, east) * np.float32(0.5 / np.pi) + np.float32(0.5)
        number = np.minimum((turn * count).astype(np.int16), count - 1)
        filled = np.flatnonzero(np.bincount(number, minlength=count))
        rank = np.zeros(count, dtype=np.int16)
        rank[filled] = np.arange(filled.size)
        number = rank[number]
        angle = ((filled + 0.5) / count - 0.5) * 2.0 * np.pi
        design = np.column_stack([-np.cos(angle), -np.sin(angle), np.ones_like(angle)])
        if angle.size < _LEAST_BINS or np.linalg.cond(design) > _WORST_CONDITION:
            msg = (
                "all slopes face the same way, so that the shift is not fixed: "
                "take a larger area or vertical-shift"
            )
            raise FitError(msg)
        return cls(
            use=use, steepness=steepness, number=number, scaled=scaled,
            medians=group_medians(scaled, number, weight),
            solve=np.linalg.pinv(design)[:2], middle=middle,
        )  # fmt: skip

    def influence(self, seen: Seen, rise: tuple[Float, Float]) -> Float:
        """Return what each cell adds to the error of the shift in x, y and z, (n, 3)."""
        known = np.isfinite(rise[0]) & np.isfinite(rise[1])
        # How the medians answer to a shift: by the mean, in each bin, of what the differences in it do. Steep cells
        # lie as much denser about the median as they are steeper, and count accordingly.
        some, number = known[self.use], self.number[known[self.use]]
        weight = np.bincount(number, self.steepness[some], minlength=self.medians.size)
        answers = np.stack(
            [-np.bincount(number, r[self.use][some], minlength=weight.size) for r in rise]
        ) / np.where(weight > 0.0, weight, np.inf)
        back = np.linalg.pinv(self.solve @ answers.T) @ self.solve
        score = median_influence(
            self.scaled - self.medians[self.number], self.number, seen.weight[self.use]
        )
        out = np.zeros((seen.dh.size, 3))
        out[self.use, :2] = (back[:, self.number] * score).T
        together = np.zeros(seen.dh.size, dtype=np.int16)
        out[:, 2] = median_influence(seen.dh - self.middle, together, seen.weight)
        # A wrong middle is in all bins; a wrong place has another middle.
        hang = np.eye(3)
        hang[:2, 2] = back @ (np.bincount(self.number) / np.bincount(self.number, self.steepness))
        hang[2, :2] = [-r[known].mean() for r in rise]
        normal.turned(out, np.vstack([np.linalg.inv(hang), np.zeros(3)]))
        return out
