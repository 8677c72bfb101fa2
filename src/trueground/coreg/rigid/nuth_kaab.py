"""Horizontal and vertical shift from the dependence of the difference on slope and aspect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from trueground.coreg import regression
from trueground.coreg.cells import Cells
from trueground.coreg.design import gradient_design, require_two_ways
from trueground.coreg.medians import NEAR_MEDIAN, group_medians, weighted_median
from trueground.coreg.pairs import Pair
from trueground.coreg.rigid.method import RigidMethod, Seen
from trueground.coreg.rigid.stepping import Stepper, SteppingMethod
from trueground.coreg.sampled import require_choice
from trueground.errors import FitError, InputError
from trueground.kernels import aspect

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

    Examples
    --------
    >>> from trueground.samples import small_dems
    >>> reference, moving = small_dems()
    >>> from trueground import NuthKaab
    >>> found = NuthKaab().fit(reference, moving)
    >>> round(found.shift_x, 1), round(found.shift_y, 1), round(found.shift_z, 1)
    (6.0, -4.0, 2.0)
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

    def _stepper(self, pair: Pair) -> Stepper:  # noqa: ARG002
        """Return what makes the steps of one fit, which looks at the directions of slopes once."""
        return self._step if self.estimator == "robust-gradient" else _BinnedSteps(self.bins)

    def _step(self, seen: Seen) -> Float:
        if self.estimator == "aspect-bins":
            return _BinnedSteps(self.bins)(seen)
        design = gradient_design(*seen.slopes)
        require_two_ways(design)
        step = np.zeros(7)
        step[:3] = regression.robust(design, seen.dh, seen.weight)
        return step

    def _influence(self, seen: Seen, rise: tuple[Float, Float]) -> Float:
        if self.estimator == "robust-gradient":
            design = gradient_design(*seen.slopes)
            return regression.influence(
                design, seen.dh, seen.weight, answers=gradient_design(*rise)
            )
        faces = _Faces.of(seen.cells.slope_x, seen.cells.slope_y, self.bins)
        return _Bins.of(seen, faces).influence(seen, rise)


class _BinnedSteps:
    """Steps of one fit by bins, with the directions of the cells that were seen last."""

    def __init__(self, bins: int) -> None:
        self._bins = bins
        self._cells: Cells | None = None
        self._faces: _Faces

    def __call__(self, seen: Seen) -> Float:
        if seen.cells is not self._cells:
            self._cells = seen.cells
            self._faces = _Faces.of(seen.cells.slope_x, seen.cells.slope_y, self._bins)
        bins = _Bins.of(seen, self._faces)
        step = np.zeros(7)
        step[:2], step[2] = bins.solve @ bins.medians, bins.middle
        return step


class _Faces(NamedTuple):
    """Which way the ground rises at cells, and how steeply; (n,)."""

    steepness: Float
    """Tangents of the slope."""
    number: NDArray[np.int16]
    """Bins of the direction."""
    bins: int
    """Number of bins."""

    @classmethod
    def of(cls, slope_x: Float, slope_y: Float, count: int) -> _Faces:
        """Look at slopes."""
        steepness, number = np.empty(slope_x.size), np.empty(slope_x.size, dtype=np.int16)
        aspect.directions(slope_x, slope_y, count, steepness, number)
        return cls(steepness, number, count)

    def at(self, index: NDArray[np.intp]) -> _Faces:
        """Return those at some of the cells."""
        return _Faces(self.steepness.take(index), self.number.take(index), self.bins)


@dataclass(frozen=True, kw_only=True)
class _Bins:
    """Differences over the tangent of the slope, by the direction in which the ground rises."""

    use: NDArray[np.intp]
    """Which cells have a slope."""
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
    def of(cls, seen: Seen, faces: _Faces) -> _Bins:
        """Bin the differences at cells, of which faces tell.

        Raises
        ------
        FitError
            Where the terrain is flat, or its slopes face one way.
        """
        slopes, bins, count = faces if seen.index is None else faces.at(seen.index)
        use, steepness = np.empty(slopes.size, dtype=np.intp), np.empty(slopes.size)
        number, solve = np.empty(slopes.size, dtype=np.int16), np.empty((2, count))
        size, filled, least, greatest = aspect.binned(
            slopes, bins, count, _FLATTEST, use, steepness, number, solve
        )
        if size < RigidMethod.least_samples:
            msg = (
                f"{size} cells with a slope: at least {RigidMethod.least_samples} are needed; the "
                "terrain is too flat: take a larger area or vertical-shift"
            )
            raise FitError(msg)
        if filled < _LEAST_BINS or not least * _WORST_CONDITION**2 > greatest:
            msg = (
                "all slopes face the same way, so that the shift is not fixed: "
                "take a larger area or vertical-shift"
            )
            raise FitError(msg)
        use, steepness, number = use[:size], steepness[:size], number[:size]
        weight, dh = seen.weight, seen.dh
        middle = weighted_median(dh, weight)
        if size < dh.size:
            weight, dh = weight[use], dh[use]
        scaled = (dh - middle) / steepness
        return cls(
            use=use, steepness=steepness, number=number, scaled=scaled,
            medians=group_medians(scaled, number, weight),
            solve=np.ascontiguousarray(solve[:, :filled]), middle=middle,
        )  # fmt: skip

    def influence(self, seen: Seen, rise: tuple[Float, Float]) -> Float:
        """Return what each cell adds to the error of the shift in x, y and z, (n, 3)."""
        out = np.empty((seen.dh.size, 3))
        left, scaled = seen.dh - self.middle, self.scaled - self.medians[self.number]
        aspect.influence(
            left, seen.weight, scaled, seen.weight[self.use], self.use, self.steepness, self.number, *rise,
            self.solve, NEAR_MEDIAN, out,
        )  # fmt: skip
        return out
