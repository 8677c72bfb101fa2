"""Covariance of an estimate from what each sample contributes to it, however the samples depend on each other."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from trueground.kernels import clusters, symmetric

Float = NDArray[np.float64]
_SIDE = 32  # cells of the lattice along the longer side of the area
_REACHES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)  # cells
_PADDED = 48  # cells, so that lags of the farthest reach do not meet round the back
_BEYOND = 1.2  # standard errors by which a farther reach must differ to be taken
_FLOOR = 0.5  # of the covariance that no reach adds to: less than that is noise
_MOST_LOST = 0.7  # of a variance, to the fit: more is not made good
_ENOUGH = 50_000  # samples that tell where the estimate has its weight
_COARSE = 4  # cells along the squares of which there must be
_LEAST = 8  # at least, below which nothing is said


def clustered(influence: Float, x: Float, y: Float) -> Float | None:
    r"""Return the covariance of an estimate whose samples are correlated over an unknown distance.

    An estimate moves by the sum of the influences of its samples. They are added up in the cells of a lattice,
    :math:`s_c`, and

    .. math:: V_b = \sum_{c,d} K(|c - d| / b) \, s_c s_d^T, \quad K(u) = \min(1, \max(0, 2 - 2 u))

    is the covariance where nothing is correlated farther than half the reach :math:`b` (Conley 1999, with the flat-top
    kernel of Politis & Romano 1995, which has no bias of first order). The shortest reach is taken from which no
    farther one differs significantly, on average over the parameters (Lepski 1991).

    The residuals have lost what the fit took: their influences add up to nothing. Were samples independent, a fit of
    least squares would take :math:`q_c s` from a cell, where :math:`s` is the sum of all true influences and
    :math:`q_c` the cell's share of its covariance, :math:`\sum q_c = 1` in units of it; :math:`V_b` falls short by
    :math:`\sum_{c,d} K q_c q_d`, which is made good.

    Measured over 300 realisations of noise (`benchmarks/covariance.py`): standard errors of motions are 0.83 to 1.09 of
    the scatter where there are more than 200 independent samples; with 50 they are still 0.85, with 25 0.67.

    Parameters
    ----------
    influence
        (n, k): what each sample adds to the error of each parameter, in the parameter's unit.
    x, y
        (n,) places of the samples.

    Returns
    -------
    (k, k) covariance; None where the samples fill fewer than 8 squares, an eighth of the area's side wide, or where an
    influence is not a finite number.

    References
    ----------
    Conley (1999), Journal of Econometrics 92, 1-45, doi:10.1016/S0304-4076(98)00084-0. Politis & Romano (1995),
    Journal of Time Series Analysis 16, 67-103, doi:10.1111/j.1467-9892.1995.tb00223.x. Lepski (1991), Theory of
    Probability & Its Applications 35, 454-466, doi:10.1137/1135065.
    """
    cell, squares = _cells(x, y)
    if squares < _LEAST:
        return None
    size = influence.shape[1]
    root, back, out = np.empty((3, size, size))
    sums = np.empty((size + size * (size + 1) // 2, _SIDE, _SIDE))
    every, influence = -(-len(influence) // _ENOUGH), np.ascontiguousarray(influence)
    units = clusters.gathered(influence, cell, every, root, back, sums.reshape(len(sums), -1))
    if units < 0:
        return None
    found = np.empty((units, units))
    if units:
        used = units + units * (units + 1) // 2
        # Products at a lag are products of waves.
        waves = np.fft.rfft2(sums[:used], (_PADDED, _PADDED)).reshape(used, -1)
        clusters.reaching(waves, units, *_kernels(), _BEYOND, _MOST_LOST, _FLOOR, found)
    symmetric.between(root[:, :units], found, out)
    return out


def clustered_in_groups(  # noqa: PLR0917 (as `clustered`)
    influence: Float, group: NDArray[np.intp], x: Float, y: Float
) -> Float | None:
    """Return the covariance of estimates each of which is made from a group of samples of its own.

    As `clustered`, where a sample has an influence on one parameter only: that of its group. There may be more groups
    than squares of ground. Sums over squares add up to covariances, less what is correlated across their borders: of
    squares of twice the side half as much is lost, so that the variance grows by as much again. Each variance grows by
    itself, and the correlations are those of the large squares.

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
    cell, squares = _cells(x, y)
    if squares < _LEAST:
        return None
    number = int(group.max()) + 1

    def sums(square: NDArray[np.intp]) -> Float:
        filled, row = np.unique(square, return_inverse=True)
        whole = np.bincount(row * number + group, influence, minlength=filled.size * number)
        return np.asarray(whole, dtype=np.float64).reshape(filled.size, number)

    small, large = sums(_square(cell, _COARSE // 2)), sums(_square(cell))
    whole, part = _products(large), np.diag(_products(small))
    had = np.diag(whole)
    growth = np.maximum(2.0 - np.divide(part, had, out=np.ones(number), where=had > 0.0), _FLOOR)
    return np.asarray(whole * np.sqrt(np.outer(growth, growth)))


def effective_number(influence: Float, covariance: Float) -> float:
    """Return how many independent samples would fix the parameters as well as these, on average over the parameters."""
    alone = np.einsum("ij,ij->j", influence, influence)
    used = alone > 0.0
    if not used.any():
        return float("nan")
    return float(len(influence) * np.mean(alone[used] / np.diag(covariance)[used]))


@cache
def _kernels() -> tuple[Float, Float]:
    """Return the waves of the kernels (waves, reaches) and of their squared differences (reaches, reaches, waves).

    Sums over all lags are sums over these waves, the products of two others taken at each.
    """
    step = np.minimum(np.arange(_PADDED), _PADDED - np.arange(_PADDED))
    lag = np.hypot(step[:, np.newaxis], step)
    kernels = np.stack([np.clip(2.0 - 2.0 * lag / b, 0.0, 1.0) for b in _REACHES])
    half = _PADDED // 2
    twice = np.where(np.arange(half + 1) % half == 0, 1.0, 2.0)  # waves back are those forth
    per_wave = np.tile(twice, _PADDED) / _PADDED**2
    squares = (kernels[:, np.newaxis] - kernels) ** 2

    def waves(of: Float) -> Float:
        return np.asarray(np.fft.rfft2(of).real.reshape(*of.shape[:-2], -1) * per_wave)

    return np.ascontiguousarray(waves(kernels).T), waves(squares)


def _cells(x: Float, y: Float) -> tuple[NDArray[np.intp], int]:
    """Return the numbers of the lattice's cells in which places lie, and how many squares hold any; 0 for one place."""
    cell = np.empty(x.size, dtype=np.intp)
    return cell, clusters.cells(x, y, _SIDE, _COARSE, cell)


def _square(cell: NDArray[np.intp], side: int = _COARSE) -> NDArray[np.intp]:
    """Return the numbers of the squares of so many cells in which cells lie."""
    row, col = np.divmod(cell, _SIDE)
    return np.asarray(row // side * (_SIDE // side) + col // side)


def _products(sums: Float) -> Float:
    """Add up the outer products of the squares' sums."""
    return np.asarray(sums.T @ sums * (len(sums) / (len(sums) - 1.0)))
