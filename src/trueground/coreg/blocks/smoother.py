"""A penalised regression of scattered values, whose bending is weighed by the values themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueground.coreg.blocks.bases import Basis

Float = NDArray[np.float64]
_STIFFNESS = np.logspace(-8.0, 6.0, 29)  # of the sheet, that are tried, in units of the mean weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothed:
    """What a regression found."""

    coefficients: Float
    """(size,)."""
    covariance: Float
    """(size, size)."""
    scale: float
    """How many times the stated errors the values scatter about it."""

    @classmethod
    def of(  # noqa: PLR0917 (values, and what they are regressed on)
        cls, basis: Basis, design: Float, values: Float, errors: Float
    ) -> Smoothed:
        r"""Regress values (n,) with standard errors (n,) on a basis, of which each sees a row of the design (n, size).

        The weight :math:`\lambda` of the penalty is that which makes the values most likely (restricted maximum
        likelihood: Wood 2011, doi:10.1111/j.1467-9868.2010.00749.x), and the covariance is that of the same Bayesian
        model, :math:`\phi (B^T W B + \lambda P)^{-1}`, whose intervals hold on average over the area (Nychka 1988,
        doi:10.1080/01621459.1988.10478711). :math:`\phi` is the scatter that the stated errors do not explain.
        """
        penalty = basis.penalty()
        weights = errors**-2.0
        weights = weights / weights.mean()
        solution, inverse, spread = _likeliest(design, penalty, values, weights, basis.free)
        stated = float(np.mean(errors**-2.0)) ** -0.5
        return cls(
            coefficients=solution, covariance=inverse * spread,
            scale=float(np.sqrt(spread)) / stated,
        )  # fmt: skip


def _likeliest(  # noqa: PLR0917
    design: Float, penalty: Float, values: Float, weights: Float, free: int
) -> tuple[Float, Float, float]:
    """Return solution, inverse of the normal matrix and variance of unit weight, at the likeliest stiffness."""
    gram = (design * weights[:, np.newaxis]).T @ design
    right = design.T @ (weights * values)
    energy = float(weights @ values**2)
    number = max(float(values.size - free), 1.0)
    if not penalty.any():
        inverse = np.asarray(np.linalg.pinv(gram, hermitian=True), dtype=np.float64)
        return inverse @ right, inverse, max(energy - float(right @ inverse @ right), 0.0) / number
    unit = float(np.trace(gram) / np.trace(penalty))
    # gram + stiffness penalty = R (1 + (stiffness - unit) M) R' with M diagonal: one look for all stiffnesses.
    root = np.linalg.cholesky(_firm(gram + unit * penalty))
    back = np.linalg.inv(root)
    bends, ways = np.linalg.eigh(back @ penalty @ back.T)
    bends = np.clip(bends, 0.0, 1.0 / unit)
    half = (ways.T @ (back @ right)) ** 2
    stiffness = _STIFFNESS[:, np.newaxis] * unit
    sizes = 1.0 + (stiffness - unit) * bends
    spread = np.maximum(energy - (half / sizes).sum(axis=1), 1e-12 * energy + 1e-300) / number
    deviance = number * np.log(spread) + np.log(sizes).sum(axis=1)
    deviance -= (len(gram) - free) * np.log(stiffness[:, 0])
    best = int(np.argmin(deviance))
    turned = back.T @ ways
    inverse = (turned / sizes[best]) @ turned.T
    return inverse @ right, inverse, float(spread[best])


def _firm(matrix: Float) -> Float:
    """Return a matrix that has an inverse in the numbers of a computer."""
    out = matrix.copy()
    out[np.diag_indices_from(out)] += 1e-10 * float(np.trace(out)) / len(out)
    return out
