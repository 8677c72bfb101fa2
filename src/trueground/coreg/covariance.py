"""Covariance of an estimate from what each sample contributes to it, however the samples depend on each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
_SIDE = 16  # small clusters along the longer side of the area; large ones are two by two of them
_FLOOR = 0.5  # of the large squares' covariance: less than that is noise
_LEAST = 8  # large clusters, below which nothing is said


def clustered(influence: Float, x: Float, y: Float) -> Float | None:
    r"""Return the covariance of an estimate whose samples are correlated over an unknown distance.

    An estimate moves by the sum of the influences of its samples. Sums over squares of ground, far wider than the
    samples are correlated, are independent of each other, so that their products add up to the covariance
    :math:`V_b` (cluster-robust, Liang & Zeger 1986). What is correlated across the squares' borders is lost, in
    proportion to :math:`1/b`: squares of twice the side lose half of it, and

    .. math:: V = V_{2b} + (V_{2b} - V_b)

    has lost none in first order. Where errors hang together over more than a tenth of the area's side, much is lost
    even so: what is told is then too small. That is the flat-top kernel of Politis & Romano, in space (Conley 1999).

    Parameters
    ----------
    influence
        (n, k): what each sample adds to the error of each parameter, in the parameter's unit.
    x, y
        (n,) places of the samples.

    Returns
    -------
    (k, k) covariance; None where the samples fill fewer than 8 squares.

    References
    ----------
    Liang & Zeger (1986), Biometrika 73, 13-22, doi:10.1093/biomet/73.1.13. Politis & Romano (1995), Journal of Time
    Series Analysis 16, 67-103, doi:10.1111/j.1467-9892.1995.tb00223.x. Conley (1999), Journal of Econometrics 92,
    1-45, doi:10.1016/S0304-4076(98)00084-0.
    """
    squares = _squares(x, y)
    if squares is None:
        return None
    small, large = (_sums(influence, s) for s in squares)
    if min(len(small), len(large)) < _LEAST:
        return None
    return _extrapolated(_products(small), _products(large))


def clustered_in_groups(  # noqa: PLR0917 (as `clustered`)
    influence: Float, group: NDArray[np.intp], x: Float, y: Float
) -> Float | None:
    """Return the covariance of estimates each of which is made from a group of samples of its own.

    As `clustered`, where a sample has an influence on one parameter only: that of its group. There may be more groups
    than squares, so that each variance is extrapolated by itself, and the correlations are those of the large squares.

    Parameters
    ----------
    influence
        (n,): what each sample adds to the error of its group's parameter.
    group
        (n,) numbers of groups, from 0.
    x, y
        (n,) places of the samples.

    Returns
    -------
    (groups, groups) covariance; None where the samples fill fewer than 8 squares.
    """
    squares = _squares(x, y)
    if squares is None:
        return None
    number = int(group.max()) + 1

    def sums(square: NDArray[np.intp]) -> Float:
        filled, row = np.unique(square, return_inverse=True)
        whole = np.bincount(row * number + group, influence, minlength=filled.size * number)
        return np.asarray(whole, dtype=np.float64).reshape(filled.size, number)

    small, large = (sums(s) for s in squares)
    if min(len(small), len(large)) < _LEAST:
        return None
    whole, part = _products(large), np.diag(_products(small))
    had = np.diag(whole)
    growth = np.maximum(2.0 - np.divide(part, had, out=np.ones(number), where=had > 0.0), _FLOOR)
    return np.asarray(whole * np.sqrt(np.outer(growth, growth)))


def effective_number(influence: Float, covariance: Float) -> float:
    """Return how many independent samples would fix the parameters as well as these, on average over the parameters."""
    alone = (influence**2).sum(axis=0)
    used = alone > 0.0
    if not used.any():
        return float("nan")
    return float(len(influence) * np.mean(alone[used] / np.diag(covariance)[used]))


def _extrapolated(small: Float, large: Float) -> Float:
    """Return twice the one less the other, or half the large where noise would make it less than that."""
    values, vectors = np.linalg.eigh(large)
    root = vectors * np.sqrt(np.maximum(values, 0.0))  # large = root root'
    back = np.linalg.pinv(root)
    ratio, ways = np.linalg.eigh(2.0 * back @ large @ back.T - back @ small @ back.T)
    turned = root @ ways
    return np.asarray((turned * np.maximum(ratio, _FLOOR)) @ turned.T)


def _squares(x: Float, y: Float) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Return numbers of the small and of the large squares in which places lie; None where all are one place."""
    west, south = float(x.min()), float(y.min())
    side = max(float(x.max()) - west, float(y.max()) - south) / _SIDE
    if not side > 0.0:
        return None
    col = np.minimum(((x - west) / side).astype(np.intp), _SIDE - 1)
    row = np.minimum(((y - south) / side).astype(np.intp), _SIDE - 1)
    return row * _SIDE + col, (row // 2) * _SIDE + col // 2


def _sums(influence: Float, square: NDArray[np.intp]) -> Float:
    """Add up influences in each square that holds a sample."""
    filled = np.bincount(square) > 0
    return np.stack([np.bincount(square, weights=column)[filled] for column in influence.T], axis=1)


def _products(sums: Float) -> Float:
    """Add up the outer products of the squares' sums."""
    return np.asarray(sums.T @ sums * (len(sums) / (len(sums) - 1.0)))
