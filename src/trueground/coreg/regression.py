"""Linear regression that blunders do not bend, and what each sample contributes to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trueground.kernels import normal
from trueground.stats import nmad

Float = NDArray[np.float64]
BIWEIGHT = 4.685  # sigmas beyond which a residual does not count: 95 % efficient for normal noise
_ENOUGH = 50_000  # rows of a design that tell how its columns hang together
_ROUNDS = 3  # of finding the spread
_MOST_STEPS = 20
_SETTLED = 1e-4  # of the reach, by which the last round may change what is made of any coefficient


def robust(design: Float, values: Float, weights: Float) -> Float:
    """Regress values on a design, reweighted by Tukey's biweight.

    Parameters
    ----------
    design
        (n, k).
    values, weights
        (n,); weights are relative: 1 / sigma^2 where sigma is known.

    Returns
    -------
    (k,) coefficients.

    References
    ----------
    Beaton & Tukey (1974), Technometrics 16, 147-185, doi:10.1080/00401706.1974.10489171.
    """
    design, values, weights = _contiguous(design, values, weights)
    solution, gram, right = (
        np.zeros(design.shape[1]),
        np.empty((design.shape[1],) * 2),
        np.empty(design.shape[1]),
    )
    offset = float(np.median(values))
    residual = values - offset
    for _ in range(_ROUNDS):
        reach = reach_of(residual, weights)
        for _ in range(2):  # weights settle faster than the spread, which takes longer to find
            normal.biweighted(design, values, weights, solution, offset, reach, gram, right)
            before, first, offset = solution, offset != 0.0, 0.0
            solution = _solved(gram, right)
            change = np.abs(solution - before) * np.sqrt(np.diag(gram) / weights.sum())
            if settled := not first and bool(change.max() <= _SETTLED * reach):
                break
        if settled:
            break
        residual = values - design @ solution
    return solution


def polished(
    design: Float, values: Float, weights: Float, *, solution: Float, reach: float, close: float
) -> Float:
    """Go on with `robust` from a solution near by, beyond whose `reach` residuals do not count.

    It ends when no coefficient changes by more than `close` what is made of it, in the mean.
    """
    design, values, weights = _contiguous(design, values, weights)
    size = len(solution)
    gram, right = np.empty((size, size)), np.empty(size)
    for _ in range(_MOST_STEPS):
        normal.biweighted(design, values, weights, solution, 0.0, reach, gram, right)
        before, solution = solution, _solved(gram, right)
        change = np.abs(solution - before) * np.sqrt(np.diag(gram) / weights.sum())
        if change.max() <= close:
            break
    return solution


def influence(design: Float, residual: Float, weights: Float, *, answers: Float) -> Float:
    r"""Return what each sample adds to the error of each coefficient of `robust`.

    For an M-estimator it is :math:`(\sum_i w_i \psi'(r_i) a_i b_i^T)^{-1} a_i w_i \psi(r_i)`: Huber & Ronchetti (2009),
    Robust Statistics, eq. 7.25, doi:10.1002/9780470434697. The design :math:`a` may hold noise, which makes it look
    stronger than it is; :math:`b` is how the values answer in truth, seen with other noise (instrumental variables).

    Parameters
    ----------
    design
        (n, k).
    residual, weights
        (n,) as the regression left them, and was given them.
    answers
        (n, k): how each value answers to each coefficient; the design itself where it is exact.

    Returns
    -------
    (n, k).
    """
    design, answers, residual, weights = _contiguous(design, answers, residual, weights)
    score, bread = np.empty(design.shape), np.empty((design.shape[1],) * 2)
    normal.scores(design, answers, residual, weights, reach_of(residual, weights), bread, score)
    size = np.sqrt(np.abs(np.diag(bread)))  # columns in metres and in radians, in one matrix
    size[size == 0.0] = 1.0
    back = np.linalg.pinv(bread / size[:, np.newaxis] * size) * size[:, np.newaxis] / size
    normal.turned(score, np.vstack([back, np.zeros(len(back))]))
    return score


def weakest(design: Float) -> tuple[float, Float]:
    """Return how well the worst combination of columns is fixed, 0 to 1, and that combination.

    It is the smallest singular value of the columns, each scaled to a length of one: 1 where they are orthogonal, 0
    where one can be made of the others.
    """
    design = design[:: max(len(design) // _ENOUGH, 1)]
    size = np.sqrt((design**2).sum(axis=0))
    scaled = design / np.where(size > 0.0, size, 1.0)
    values, vectors = np.linalg.eigh(scaled.T @ scaled)
    return float(np.sqrt(max(values[0], 0.0))), np.asarray(vectors[:, 0])


def reach_of(residual: Float, weights: Float) -> float:
    """Return beyond what a residual, times the root of its weight, does not count; 0 where most are alike."""
    return BIWEIGHT * nmad(residual * np.sqrt(weights))


def _solved(gram: Float, right: Float) -> Float:
    """Solve normal equations whose unknowns differ in unit, and of which some may hang together."""
    size = np.sqrt(np.diag(gram))
    size[size == 0.0] = 1.0
    found = np.linalg.lstsq(gram / np.outer(size, size), right / size)[0]
    return np.asarray(found / size)


def _contiguous(*arrays: Float) -> tuple[Float, ...]:
    return tuple(np.ascontiguousarray(a, dtype=np.float64) for a in arrays)
