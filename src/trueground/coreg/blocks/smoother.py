"""A penalised regression of scattered values, whose bending is weighed by the values themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from trueground.coreg.blocks.bases import POLYNOMIALS, Basis, Design, below
from trueground.kernels import band

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
    """(size, ...) band of it, empty where it was not asked for: see `kernels.band`."""
    scale: float
    """How many times the stated errors the values scatter about it."""
    stiffness: int
    """Which of the stiffnesses that are tried was the likeliest."""

    @classmethod
    def of(  # noqa: PLR0917 (values, and what they are regressed on)
        cls,
        basis: Basis,
        design: Design,
        values: Float,
        errors: Float,
        *,
        near: int | None = None,
        with_covariance: bool = True,
    ) -> Smoothed:
        r"""Regress values (n,) with standard errors (n,) on a basis, of which each sees what the design says.

        The weight :math:`\lambda` of the penalty is that which makes the values most likely (restricted maximum
        likelihood: Wood 2011, doi:10.1111/j.1467-9868.2010.00749.x), and the covariance is that of the same Bayesian
        model, :math:`\phi (B^T W B + \lambda P)^{-1}`, whose intervals hold on average over the area (Nychka 1988,
        doi:10.1080/01621459.1988.10478711). :math:`\phi` is the scatter that the stated errors do not explain. Most of
        these values may have been looked at already, with others: `near` is the stiffness that was found then.
        """
        weights = errors**-2.0
        weights = weights / weights.mean()
        if basis.kind in POLYNOMIALS:
            solution, inverse, spread, chosen = _flat(design.shares, values, weights)
        else:
            solution, inverse, spread, chosen = _likeliest(
                basis, design, values, weights, near, with_covariance=with_covariance
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

    def variances(self, design: Design) -> Float:
        """Return those (n,) of what places see."""
        out = np.empty(len(design.shares))
        band.forms(np.ascontiguousarray(design.columns), design.shares, self.covariance, out)
        return out


def _flat(design: Float, values: Float, weights: Float) -> tuple[Float, Float, float, int]:
    """Return what `_likeliest` does, where nothing costs anything."""
    weighed = design.T * weights
    inverse = np.asarray(np.linalg.pinv(weighed @ design, hermitian=True), dtype=np.float64)
    right = weighed @ values
    left = float(weights @ values**2) - float(right @ inverse @ right)
    spread = max(left, 0.0) / max(values.size - len(right), 1)
    return inverse @ right, below(inverse, len(right) - 1), spread, 0


def _likeliest(  # noqa: PLR0917
    basis: Basis,
    design: Design,
    values: Float,
    weights: Float,
    near: int | None,
    *,
    with_covariance: bool,
) -> tuple[Float, Float, float, int]:
    """Return solution, inverse of the normal matrix and variance of unit weight, at the likeliest stiffness, and that.

    Splines reach a few neighbours: of the matrix, a band alone is not 0, nor needed of the inverse.
    """
    penalty = basis.penalty()
    gram = np.zeros((basis.size, max(design.reach, basis.reach) + 1))
    right = np.zeros(basis.size)
    band.normal(design.columns, design.shares, weights, values, gram, right)
    energy = float(weights @ values**2)
    number = max(float(values.size - basis.free), 1.0)
    unit = float(gram[:, 0].sum() / penalty[:, 0].sum())
    bending = penalty.copy()
    for matrix, by in ((gram, 1e-10), (bending, 1e-12)):
        # Without it there is no inverse in the numbers of a computer: a constant along is one across as well.
        matrix[:, 0] += by * matrix[:, 0].mean()

    root, solution = np.empty((basis.size, gram.shape[1] + band.PADDING)), np.empty(basis.size)

    def tried(k: int) -> tuple[float, float]:
        """Return deviance, but for what all share, and variance of unit weight; leave root and half the solution."""
        stiffness = unit * float(_STIFFNESS[k])
        logarithms = band.root(gram, bending, stiffness, root)
        if not math.isfinite(logarithms):
            msg = f"the normal matrix of {basis.size} splines is not positive definite"
            raise np.linalg.LinAlgError(msg)
        left = energy - band.forward(root, right, solution)
        spread = max(left, 1e-12 * energy + 1e-300) / number
        deviance = number * math.log(spread) + 2.0 * logarithms
        return deviance - (basis.size - basis.free) * math.log(stiffness), spread

    tries = cache(tried)
    if near is None:
        near = min(range(0, _STIFFNESS.size, _AT_FIRST), key=lambda k: tries(k)[0])
        chosen = min(_beside(near, _AT_FIRST - 1), key=lambda k: tries(k)[0])
    else:
        chosen = near
        while (better := min(_beside(chosen, 1), key=lambda k: tries(k)[0])) != chosen:
            chosen = better
    _, spread = tried(chosen)  # once more: to keep the roots of all would take much memory
    band.backward(root, solution)
    inverse = np.empty(gram.shape if with_covariance else (0, 0))
    if with_covariance:
        band.inverse(root, inverse)
    return solution, inverse, spread, chosen


def _beside(near: int, reach: int) -> range:
    return range(max(near - reach, 0), min(near + reach + 1, _STIFFNESS.size))
