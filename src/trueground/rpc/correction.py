"""Corrections of an RPC in its image: their terms, a robust estimate, and which of them points can tell apart."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from trueground.errors import FitError

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Model = Literal["shift", "drift", "affine"]

# Which of 1, line, sample correct the row, and which the column.
FREE: dict[Model, Bool] = {
    "shift": np.array([[True, False, False], [True, False, False]]),
    "drift": np.array([[True, True, False], [True, False, True]]),
    "affine": np.ones((2, 3), dtype=bool),
}
MODELS: tuple[Model, ...] = ("shift", "drift", "affine")

_SUBSETS = 1000  # minimal sets tried: with 40 % blunders each of them is clean with a chance of 1 in 5 at least
_KEPT = 0.999  # share of good points that the limit for blunders lets pass
_HUBER = 2.0  # standard deviations from which distances in the image count linearly; 86 % of good points are below
_ITERATIONS = 50
_SETTLED = 1e-9  # px, change of the correction at the points that ends the iteration
_FINEST_PX = 1e-6  # scale below which residuals are round-off, not noise
_FEWEST_A_TERM = 3  # points for each unknown of an axis, for a model to be trusted to find blunders


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimate:
    """A correction fitted to points."""

    coefficients: Float
    """(2, 3) [px]: row and column by 1, normalised line, normalised sample; zeros where not free."""
    covariance: Float
    """(6, 6) [px^2] of the coefficients, row by row; NaN where there is no redundancy."""
    residuals: Float
    """(2, n) [px]: observed less corrected."""
    weights: Float
    """(n,) in 0 to 1; 0: rejected as a blunder."""
    sigma: float
    """Standard deviation of a point's row and of its column [px]; NaN where there is no redundancy."""


def terms(line: Float, samp: Float) -> Float:
    """Return (..., 3): 1, line, sample."""
    return np.stack([np.ones_like(line), line, samp], axis=-1)


def fewest(model: Model) -> int:
    """Return how many points determine a model."""
    return int(FREE[model].sum(axis=1).max())


def estimate(
    model: Model, design: Float, errors: Float, *, sigma_px: float | None = None
) -> Estimate:
    """Fit a correction: the smallest median of all minimal subsets, then Huber's weights without blunders.

    Parameters
    ----------
    model
        Which terms are free.
    design
        (n, 3): `terms` at the points.
    errors
        (2, n) [px]: observed less projected.
    sigma_px
        Standard deviation of a point's row and column; None: from the residuals.
    """
    n, unknowns = design.shape[0], int(FREE[model].sum())
    weights = np.ones(n)
    coefficients = _solve(model, design, errors, weights=weights)
    if n > fewest(model):
        start = _least_median(model, design, errors)
        coefficients, weights = _reweighted(model, design, errors, start=start)
    residuals = errors - coefficients @ design.T
    good = weights > 0.0
    redundancy = 2 * int(good.sum()) - unknowns
    sigma = sigma_px if sigma_px is not None else _sigma(residuals[:, good], redundancy)
    return Estimate(
        coefficients=coefficients,
        covariance=sigma**2 * _cofactors(model, design[good]),
        residuals=residuals,
        weights=weights,
        sigma=sigma,
    )


def leave_one_out(model: Model, design: Float, errors: Float) -> Float:
    """Return (2, n) [px]: each point's error less its prediction from all others, by least squares."""
    out = np.empty_like(errors)
    for axis, free in enumerate(FREE[model]):
        basis, triangle = np.linalg.qr(design[:, free])
        if np.abs(np.diag(triangle)).min() < 1e-9 * np.abs(np.diag(triangle)).max():
            return np.full_like(errors, np.inf)
        left = 1.0 - (basis**2).sum(axis=1)
        residual = errors[axis] - basis @ (basis.T @ errors[axis])
        out[axis] = np.where(left > 1e-9, residual / np.where(left > 1e-9, left, 1.0), np.inf)
    return out


def choose(design: Float, errors: Float) -> tuple[Model, dict[Model, float]]:
    """Choose the model by leave-one-out, and return the RMS [px] of each on points not used.

    A richer model is taken where its mean squared error is smaller by more than the standard error of that difference.
    Points that the richest model with three points an unknown rejects take no part.
    """
    n = design.shape[0]
    good = np.ones(n, dtype=bool)
    for judge in reversed([m for m in MODELS if n >= _FEWEST_A_TERM * fewest(m)]):
        try:
            good = estimate(judge, design, errors).weights > 0.0
        except FitError:  # points in a line say nothing about an affine correction
            if judge == "shift":
                raise
        else:
            break
    left: dict[Model, Float] = {}
    for model in MODELS:
        if good.sum() > fewest(model):
            squares = (leave_one_out(model, design[good], errors[:, good]) ** 2).sum(axis=0)
            if np.isfinite(squares).all():
                left[model] = squares
    chosen: Model = "shift"
    for model, squares in left.items():
        gain = left[chosen] - squares
        if gain.mean() > gain.std(ddof=1) / np.sqrt(gain.size):
            chosen = model
    return chosen, {model: float(np.sqrt(squares.mean())) for model, squares in left.items()}


def _solve(model: Model, design: Float, errors: Float, *, weights: Float) -> Float:
    """Return the coefficients (2, 3) by weighted least squares."""
    out = np.zeros((2, 3))
    root = np.sqrt(weights)
    for axis, free in enumerate(FREE[model]):
        part = design[:, free] * root[:, np.newaxis]
        solution, _, rank, _ = np.linalg.lstsq(part, errors[axis] * root, rcond=1e-9)
        if rank < free.sum():
            number = int((weights > 0.0).sum())
            msg = (
                f"{number} ground control points cannot determine the model {model!r}: they are too few or in a line; "
                "add some, or take the model shift"
            )
            raise FitError(msg)
        out[axis, free] = solution
    return out


def _cofactors(model: Model, design: Float) -> Float:
    """Return (6, 6): those of least squares, of which Huber's estimate of normal errors falls 1 % short."""
    out = np.zeros((6, 6))
    for axis, free in enumerate(FREE[model]):
        part = design[:, free]
        where = 3 * axis + np.flatnonzero(free)
        out[np.ix_(where, where)] = np.linalg.inv(part.T @ part)
    return out


def _sigma(residuals: Float, redundancy: int) -> float:
    return float(np.sqrt((residuals**2).sum() / redundancy)) if redundancy > 0 else float("nan")


def _least_median(model: Model, design: Float, errors: Float) -> tuple[Float, float]:
    """Return the exact fit to a minimal subset that brings half of all points nearest, and the scale of their noise.

    Rousseeuw: Least median of squares regression. JASA 79(388), 1984.
    """
    n, k = design.shape[0], fewest(model)
    if comb(n, k) <= _SUBSETS:
        subsets = np.array(list(combinations(range(n), k)))
    else:
        chance = np.random.default_rng(0).random((_SUBSETS, n))
        subsets = np.argpartition(chance, k, axis=1)[:, :k]
    candidates = np.zeros((subsets.shape[0], 2, 3))
    singular = np.zeros(subsets.shape[0], dtype=bool)
    for axis, free in enumerate(FREE[model]):
        systems = design[subsets][:, :, free]
        inverse = np.linalg.pinv(systems, rcond=1e-6)
        singular |= np.linalg.matrix_rank(systems, rtol=1e-6) < k
        solutions = inverse @ errors[axis][subsets][..., np.newaxis]
        candidates[:, axis, free] = solutions[..., 0]
    if singular.all():
        return _solve(model, design, errors, weights=np.ones(n)), float("inf")
    distances = np.sqrt(((errors - candidates @ design.T) ** 2).sum(axis=1))
    half = (n + k + 1) // 2
    middle = np.partition(distances, half - 1, axis=1)[:, half - 1]
    best = int(np.argmin(np.where(singular, np.inf, middle)))
    # Distances of normal errors in a plane are Rayleigh's; the factor is Rousseeuw's for small samples.
    scale = middle[best] / np.sqrt(-2.0 * np.log1p(-half / (n + 1.0))) * (1.0 + 5.0 / (n - k))
    return candidates[best], float(scale)


def _reweighted(
    model: Model, design: Float, errors: Float, *, start: tuple[Float, float]
) -> tuple[Float, Float]:
    """Return coefficients and weights of Huber's estimate without the blunders."""
    coefficients, scale = start
    n, unknowns = design.shape[0], int(FREE[model].sum())
    redundancy = 2 * ((n + fewest(model) + 1) // 2) - unknowns
    weights = np.ones(n)
    for _ in range(_ITERATIONS):
        scale = max(scale, _FINEST_PX)
        distance = np.hypot(*(errors - coefficients @ design.T))
        # The squared distance over twice the variance is F-distributed with 2 and `redundancy` degrees of freedom.
        limit = np.sqrt(2.0 * stats.f.ppf(_KEPT, 2, max(redundancy, 1)))
        good = distance <= limit * scale
        weights = np.where(
            good, np.minimum(1.0, _HUBER * scale / np.maximum(distance, 1e-300)), 0.0
        )
        before, coefficients = coefficients, _solve(model, design, errors, weights=weights)
        residuals = errors - coefficients @ design.T
        redundancy = 2 * int(good.sum()) - unknowns
        if redundancy > 0:
            scale = _sigma(residuals[:, good], redundancy)
        if np.abs((coefficients - before) @ design.T).max() < _SETTLED:
            break
    return coefficients, weights
