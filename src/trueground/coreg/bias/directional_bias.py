"""A bias along the track of a sensor, or across it: jitter, stripes, undulations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from trueground.coreg import regression
from trueground.coreg.bias import waves
from trueground.coreg.bias.curves import Sines, Spline
from trueground.coreg.bias.direction import best_direction
from trueground.coreg.bias.method import BiasMethod, Fitted, Sample
from trueground.coreg.bias.shapes import Along
from trueground.coreg.bias.smoothing import smoother
from trueground.coreg.covariance import clustered, clustered_in_groups
from trueground.coreg.medians import median_influence, weighted_median
from trueground.coreg.sampled import require_choice
from trueground.errors import FitError, InputError
from trueground.stats import nmad

Float = NDArray[np.float64]
Model = Literal["spline", "sines"]
_PIXELS = {"spline": 4.0, "sines": 2.0}  # in a bin, at least
_CELLS = {"spline": 50, "sines": 20}  # in a bin, on average, at least
_MOST_BINS = 4096
_LEAST_CELLS = 10  # in a bin that counts
_LEAST_BINS = 5
_UNEXPLAINED = 0.01  # share of the variance below which a direction means nothing
_STEPS = 20  # of the fit of waves to all cells
_CLOSE = 0.1  # of its standard error, by which a last step changes the curve
_HALVES = 4  # of a step that makes it worse
_HALF_TURN = 180.0  # degrees
_NOTHING = 1e-7  # m; nor does this one matter, where there is no error at all


@dataclass(frozen=True, kw_only=True)
class DirectionalBias(BiasMethod):
    r"""Add a function of the distance along a direction.

    Attitude errors of a pushbroom sensor leave undulations along its track, and errors of its detectors stripes across:
    differences that change along one direction and not along the other. The direction is given, or it is the one along
    which a curve explains most of the variance of the differences.

    The model `spline` takes medians of the differences in narrow strips and the smoothing spline through them, as
    smooth as generalised cross-validation says; beyond the cells it stays what it is at their end. The model `sines`
    is for jitter: a constant and waves,

    .. math:: dz = c + \sum_k a_k \cos 2\pi f_k u + b_k \sin 2\pi f_k u,

    whose frequencies come from the periodogram of those medians and whose number is that of the least Bayesian
    information criterion; at the end all of them, and the direction where it was not given, are regressed together on
    all differences, weighted against blunders by Tukey's biweight. Waves go on beyond the cells. A trend is no
    wave: take `Deramp` first.

    References
    ----------
    Girod, Nuth, Kaab, McNabb & Galland (2017), Remote Sensing 9, 704, doi:10.3390/rs9070704.

    Examples
    --------
    >>> from trueground.coreg import DirectionalBias, method_named
    >>> method_named("directional-bias:sines").steps == (DirectionalBias(model="sines"),)
    True
    """

    angle: float | None = None
    """Direction along which the bias changes [degrees clockwise from north of the working CRS]; None: found."""
    model: Model = "spline"
    most: int = 8
    """Greatest number of waves."""
    nodes: int = 200
    """Greatest number of nodes of the spline."""

    name: ClassVar[str] = "directional-bias"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("model", self.model, get_args(Model))
        if self.angle is not None and not np.isfinite(self.angle):
            msg = f"angle {self.angle}: must be a number of degrees, or None to find it"
            raise InputError(msg)
        if self.most < 1 or self.nodes < _LEAST_BINS:
            msg = f"{self.most} waves, {self.nodes} nodes: must be at least 1 and {_LEAST_BINS}"
            raise InputError(msg)

    def _fitted(self, sample: Sample) -> Fitted:
        origin = round(float(sample.x.mean()), 3), round(float(sample.y.mean()), 3)
        pixel = _spacing(sample)
        bearing = self.angle
        found: dict[str, float] = {}
        warnings: tuple[str, ...] = ()
        if bearing is None:
            middle = weighted_median(sample.dh, sample.weight)
            tame = _within_reach(sample.dh - middle)
            x, y, weight, dh = (v[tame] for v in sample[:4])
            bearing, explained = best_direction(
                x - origin[0], y - origin[1], dh, weight, pixel=pixel
            )
            found = {"explained": explained}
            if not explained > _UNEXPLAINED:
                warnings = (
                    f"the direction of {bearing:.0f} degrees explains {explained:.1%} of the variance: "
                    "the differences hardly change along any; give the angle, or leave this out",
                )
        zero = Along(bearing=bearing, origin=origin, curve=Spline(nodes=(0.0,), values=(0.0,)))
        width = self._width(sample, pixel)
        strips = _Strips.of(zero.distance(sample.x, sample.y), sample, width)
        shape, covariance = strips.spline(zero, sample)
        # A blunder as wide as a cloud fills a good part of a strip and moves its median.
        clean = _without_blunders(sample, shape)
        strips = _Strips.of(zero.distance(clean.x, clean.y), clean, width)
        if self.model == "spline":
            shape, covariance = strips.spline(zero, clean)
            return Fitted(shape=shape, covariance=covariance, found=found, warnings=warnings)
        curve = waves.find_waves(strips.places, strips.medians, strips.weights, most=self.most)
        if not curve.frequencies:
            warnings += ("no wave stands out of the differences: only a constant is added",)
        fitted = _refined(zero, curve, sample, turn=self.angle is None and bool(curve.frequencies))
        return replace(
            fitted, found={**found, **fitted.found}, warnings=(*warnings, *fitted.warnings)
        )

    def _width(self, sample: Sample, pixel: float) -> float:
        """Return the least width of a strip [m]."""
        reach = float(np.hypot(np.ptp(sample.x), np.ptp(sample.y)))
        most = self.nodes if self.model == "spline" else _MOST_BINS
        number = min(most, max(_LEAST_BINS, sample.x.size // _CELLS[self.model]))
        return max(_PIXELS[self.model] * pixel, reach / number)


@dataclass(frozen=True, kw_only=True)
class _Strips:
    """Differences in strips of one width along a direction."""

    number: NDArray[np.intp]
    """(n,): the strip of each cell."""
    places: Float
    """(k,) middle of each strip [m]."""
    medians: Float
    """(k,) of the differences [m]; NaN where there are too few."""
    weights: Float
    """(k,) 1 / variance of the medians, had each cell its own error; 0 where there are too few."""
    centres: Float
    """(k,) mean distance of the cells of each strip [m]."""

    @classmethod
    def of(cls, along: Float, sample: Sample, width: float) -> _Strips:
        low, high = float(along.min()), float(along.max())
        count = max(int((high - low) / width), 1)
        width = (high - low) / count or 1.0
        number = np.minimum(((along - low) / width).astype(np.intp), count - 1)
        order = np.argsort(number, kind="stable")
        cells = np.bincount(number, minlength=count)
        ends = np.cumsum(cells)[:-1]
        spread = nmad(sample.dh) or 1.0
        medians, weights = np.full(count, np.nan), np.zeros(count)
        parts = (np.split(v[order], ends) for v in (sample.dh, sample.weight))
        for strip, (values, counts) in enumerate(zip(*parts, strict=True)):
            if values.size >= _LEAST_CELLS:
                medians[strip] = weighted_median(values, counts)
                # The spread of few values is itself known badly.
                own = max(nmad(values), 0.1 * spread)
                weights[strip] = counts.sum() ** 2 / (counts @ counts) / own**2
        if np.isfinite(medians).sum() < _LEAST_BINS:
            msg = (
                f"{int(np.isfinite(medians).sum())} strips along the direction hold enough cells: "
                f"at least {_LEAST_BINS} are needed; take a larger area or more samples"
            )
            raise FitError(msg)
        with np.errstate(invalid="ignore"):
            centres = np.bincount(number, along, count) / cells
        return cls(
            number=number, medians=medians,
            places=np.asarray(low + (np.arange(count) + 0.5) * width, dtype=np.float64),
            weights=weights, centres=centres,
        )  # fmt: skip

    def spline(self, zero: Along, sample: Sample) -> tuple[Along, Float | None]:
        """Return the smoothing spline through the medians, and the covariance of its values at the nodes."""
        known = self.weights > 0.0
        nodes, values = self.centres[known], self.medians[known]
        smooth = smoother(nodes, values, self.weights[known])
        curve = Spline(nodes=tuple(nodes.tolist()), values=tuple((smooth @ values).tolist()))
        inside = known[self.number]
        group = (np.cumsum(known) - 1)[self.number][inside]
        part = [v[inside] for v in (sample.x, sample.y, sample.dh, sample.weight)]
        score = median_influence(part[2] - values[group], group, part[3])
        covariance = clustered_in_groups(score, group, part[0], part[1])
        if covariance is not None:
            covariance = smooth @ covariance @ smooth.T
        return replace(zero, curve=curve), covariance


def _loss(residual: Float, reach: float) -> float:
    """Return Tukey's biweight loss, on average; 1 beyond the reach, where there is one."""
    if not reach > 0.0:
        return 0.0
    inside = np.maximum(1.0 - (residual / reach) ** 2, 0.0)
    return float(1.0 - np.mean(inside**3))


def _within_reach(residual: Float, least: float = 0.0) -> NDArray[np.bool_]:
    """Tell which residuals a regression would let count, and those up to `least`; all where most are alike."""
    reach = max(regression.BIWEIGHT * nmad(residual), least)
    return np.asarray((np.abs(residual) <= reach) | (reach == 0.0))


def _without_blunders(sample: Sample, shape: Along) -> Sample:
    """Return the cells that a first curve does not leave far off.

    Without noise it leaves next to nothing, most where it bends and at its ends: no blunders.
    """
    tame = _within_reach(sample.dh - shape.at(sample.x, sample.y), nmad(sample.dh))
    return Sample(*(v[tame] for v in sample))


def _refined(zero: Along, curve: Sines, sample: Sample, *, turn: bool) -> Fitted:
    """Regress waves, and their direction where it is to be found, on all differences together.

    A step that makes the biweight's loss worse is halved: waves whose lengths are almost alike answer to a step as one.
    """
    shape, count = replace(zero, curve=curve), len(curve.coefficients)
    free = np.ones(count + turn, dtype=bool)
    length = float(np.ptp(zero.distance(sample.x, sample.y)))
    # How long a wave is of which the area shows a part only, nobody knows: as long as it was.
    free[3:count:3] = np.asarray(curve.frequencies) * length >= 1.0
    root = np.sqrt(sample.weight)
    residual = sample.dh - shape.at(sample.x, sample.y)
    reach = regression.BIWEIGHT * nmad(residual * root)
    loss, converged = _loss(residual * root, reach), False
    for _ in range(_STEPS):
        design = _answers(shape, sample, turn=turn)[:, free]
        step = np.zeros(free.size)
        step[free] = regression.robust(design, residual, sample.weight)
        change = float(np.sqrt(np.mean((design @ step[free]) ** 2)))
        error = float(residual.std()) * np.sqrt(design.shape[1] / residual.size)  # on average
        for _ in range(_HALVES):
            trial = _moved(shape, step, turn=turn)
            left = sample.dh - trial.at(sample.x, sample.y)
            worse = _loss(left * root, reach) > loss
            if not worse:
                shape, residual, loss = trial, left, _loss(left * root, reach)
                break
            step = step / 2.0
        if worse or change <= _CLOSE * error + _NOTHING:
            converged = True  # nothing is gained any more
            break
    design = _answers(shape, sample, turn=turn)[:, free]
    influence = regression.influence(design, residual, sample.weight, answers=design)
    part = clustered(influence, sample.x, sample.y)
    whole = np.zeros((free.size, free.size))
    if part is not None:
        whole[np.ix_(free, free)] = part
    found = {}
    if turn:
        error = float(np.degrees(np.sqrt(whole[-1, -1])))
        found["bearing_error"] = float("nan") if part is None else error
    return Fitted(
        shape=shape, converged=converged, found=found,
        covariance=None if part is None else whole[:count, :count],
        warnings=() if converged else (f"the waves did not settle in {_STEPS} steps",),
    )  # fmt: skip


def _answers(shape: Along, sample: Sample, *, turn: bool) -> Float:
    """Return (n, k): how the curve at each cell answers to its coefficients, and to a turn of the direction."""
    curve = _waves_of(shape)
    design, along = waves.slopes(curve, shape.distance(sample.x, sample.y))
    return np.column_stack([design, along * _across(shape, sample)]) if turn else design


def _moved(shape: Along, step: Float, *, turn: bool) -> Along:
    """Return waves with steps added to their coefficients, and to the direction [rad]."""
    curve = _waves_of(shape)
    curve = waves.moved(curve, step[: len(curve.coefficients)])
    bearing = shape.bearing
    if turn:
        bearing += float(np.degrees(step[-1]))
        if not 0.0 <= bearing < _HALF_TURN:  # the distance counts the other way round
            curve = replace(curve, sines=tuple(-b for b in curve.sines))
        bearing %= _HALF_TURN
    return replace(shape, bearing=bearing, curve=curve)


def _waves_of(shape: Along) -> Sines:
    if not isinstance(shape.curve, Sines):
        msg = f"a {shape.curve.kind} has no waves"
        raise TypeError(msg)
    return shape.curve


def _across(shape: Along, sample: Sample) -> Float:
    """Return how much the distance along the direction grows as the direction turns [m/rad]."""
    turn = np.radians(shape.bearing)
    return np.asarray(
        (sample.x - shape.origin[0]) * np.cos(turn) - (sample.y - shape.origin[1]) * np.sin(turn)
    )


def _spacing(sample: Sample) -> float:
    """Return the distance [m] at which as many cells would fill the area evenly."""
    area = float(np.ptp(sample.x)) * float(np.ptp(sample.y))
    return float(np.sqrt(area / sample.x.size)) or 1.0
