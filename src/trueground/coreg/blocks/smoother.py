"""A penalised regression of scattered values, whose bending is weighed by the values themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from trueground.coreg.blocks.bases import Basis

Float = NDArray[np.float64]
_STIFFNESS = np.logspace(-8.0, 6.0, 29)  # of the sheet, that are tried, in units of the mean weight
_TELLING = 8  # degrees of freedom that tell how far values scatter
_AT_FIRST = 4  # every so many-th of them, and those beside the best


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothed:
    """What a regression found."""

    coefficients: Float
    """(size,)."""
    covariance: Float
    """(size, size); empty where it was not asked for."""
    scale: float
    """How many times the stated errors the values scatter about it."""
    stiffness: int
    """Which of the stiffnesses that are tried was the likeliest."""

    @classmethod
    def of(  # noqa: PLR0917 (values, and what they are regressed on)
        cls,
        basis: Basis,
        design: Float,
        values: Float,
        errors: Float,
        *,
        near: int | None = None,
        with_covariance: bool = True,
    ) -> Smoothed:
        r"""Regress values (n,) with standard errors (n,) on a basis, of which each sees a row of the design (n, size).

        The weight :math:`\lambda` of the penalty is that which makes the values most likely (restricted maximum
        likelihood: Wood 2011, doi:10.1111/j.1467-9868.2010.00749.x), and the covariance is that of the same Bayesian
        model, :math:`\phi (B^T W B + \lambda P)^{-1}`, whose intervals hold on average over the area (Nychka 1988,
        doi:10.1080/01621459.1988.10478711). :math:`\phi` is the scatter that the stated errors do not explain. Most of
        these values may have been looked at already, with others: `near` is the stiffness that was found then.
        """
        penalty = basis.penalty()
        weights = errors**-2.0
        weights = weights / weights.mean()
        solution, inverse, spread, chosen = _likeliest(
            design, penalty, values, weights, basis.free, near, with_covariance=with_covariance
        )
        stated = float(np.mean(errors**-2.0)) ** -0.5
        # Few values that happen to lie close do not tell that all are better than they say.
        free = max(values.size - basis.free, 0)
        lack = max(_TELLING - free, 0)
        spread = max(spread, (free * spread + lack * stated**2) / (free + lack))
        return cls(
            coefficients=solution, covariance=inverse * spread,
            scale=float(np.sqrt(spread)) / stated, stiffness=chosen,
        )  # fmt: skip


def _likeliest(  # noqa: PLR0917
    design: Float,
    penalty: Float,
    values: Float,
    weights: Float,
    free: int,
    near: int | None,
    *,
    with_covariance: bool,
) -> tuple[Float, Float, float, int]:
    """Return solution, inverse of the normal matrix and variance of unit weight, at the likeliest stiffness, and that.

    Splines reach a few neighbours: of the matrix, a band alone is not 0.
    """
    from scipy.linalg import cho_solve_banded, cholesky_banded
    from scipy.sparse import csr_array

    seen = csr_array(design * np.sqrt(weights)[:, np.newaxis])
    gram = np.asarray((seen.T @ seen).toarray())
    right = design.T @ (weights * values)
    energy = float(weights @ values**2)
    number = max(float(values.size - free), 1.0)
    if not penalty.any():
        inverse = np.asarray(np.linalg.pinv(gram, hermitian=True), dtype=np.float64)
        spread = max(energy - float(right @ inverse @ right), 0.0) / number
        return inverse @ right, inverse, spread, 0
    unit = float(np.trace(gram) / np.trace(penalty))
    known, bending = _banded(_firm(gram, 1e-10), _firm(penalty, 1e-12))

    def tried(k: int) -> tuple[float, float, Float, Float]:
        """Return deviance, but for what all stiffnesses share, variance of unit weight, root and solution."""
        stiffness = unit * float(_STIFFNESS[k])
        root = cholesky_banded(known + stiffness * bending, lower=True, check_finite=False)
        solution = cho_solve_banded((root, True), right, check_finite=False)
        spread = max(energy - float(right @ solution), 1e-12 * energy + 1e-300) / number
        deviance = number * math.log(spread) + 2.0 * float(np.log(root[0]).sum())
        return deviance - (len(gram) - free) * math.log(stiffness), spread, root, solution

    tries = cache(tried)
    if near is None:
        near = min(range(0, _STIFFNESS.size, _AT_FIRST), key=lambda k: tries(k)[0])
        chosen = min(_beside(near, _AT_FIRST - 1), key=lambda k: tries(k)[0])
    else:
        chosen = near
        while (better := min(_beside(chosen, 1), key=lambda k: tries(k)[0])) != chosen:
            chosen = better
    _, spread, root, solution = tries(chosen)
    ones = np.eye(len(gram)) if with_covariance else np.empty((0, 0))
    inverse = cho_solve_banded((root, True), ones) if with_covariance else ones
    return solution, inverse, spread, chosen


def _beside(near: int, reach: int) -> range:
    return range(max(near - reach, 0), min(near + reach + 1, _STIFFNESS.size))


def _banded(*matrices: Float) -> list[Float]:
    """Return symmetric matrices as their diagonals, from the main one down, so many as any of them fills."""
    rows, cols = np.nonzero(np.any([m != 0.0 for m in matrices], axis=0))
    width, size = int((rows - cols).max()), len(matrices[0])
    out = []
    for matrix in matrices:
        band = np.zeros((width + 1, size))
        for k in range(width + 1):
            band[k, : size - k] = np.diagonal(matrix, -k)
        out.append(band)
    return out


def _firm(matrix: Float, by: float) -> Float:
    """Return a matrix that has an inverse in the numbers of a computer: a constant along is one across as well."""
    out = matrix.copy()
    out[np.diag_indices_from(out)] += by * float(np.trace(out)) / len(out)
    return out
