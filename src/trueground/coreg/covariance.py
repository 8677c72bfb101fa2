"""Covariance of an estimate from what each sample contributes to it, however the samples depend on each other."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
    (k, k) covariance; None where the samples fill fewer than 8 squares, an eighth of the area's side wide.

    References
    ----------
    Conley (1999), Journal of Econometrics 92, 1-45, doi:10.1016/S0304-4076(98)00084-0. Politis & Romano (1995),
    Journal of Time Series Analysis 16, 67-103, doi:10.1111/j.1467-9892.1995.tb00223.x. Lepski (1991), Theory of
    Probability & Its Applications 35, 454-466, doi:10.1137/1135065.
    """
    cell = _cells(x, y)
    if cell is None or np.unique(_square(cell)).size < _LEAST:
        return None
    every = -(-len(influence) // _ENOUGH)
    shares = _Shares.of(influence[::every], cell[::every])
    sums = np.stack([np.bincount(cell, part, _SIDE**2) for part in influence.T])
    found = _reaching(shares.back @ sums, shares.share)
    return np.asarray(shares.root @ found @ shares.root.T)


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
    cell = _cells(x, y)
    if cell is None:
        return None
    number = int(group.max()) + 1

    def sums(square: NDArray[np.intp]) -> Float:
        filled, row = np.unique(square, return_inverse=True)
        whole = np.bincount(row * number + group, influence, minlength=filled.size * number)
        return np.asarray(whole, dtype=np.float64).reshape(filled.size, number)

    small, large = sums(_square(cell, _COARSE // 2)), sums(_square(cell))
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


class _Shares(NamedTuple):
    """Where an estimate has its weight, in units in which its covariance would be 1, were its samples independent."""

    root: Float
    """(k, m): to the parameters, from m <= k units."""
    back: Float
    """(m, k)"""
    share: Float
    """(m, m, cells), which add up to 1."""

    @classmethod
    def of(cls, influence: Float, cell: NDArray[np.intp]) -> _Shares:
        """Add up products of influences in each cell."""
        whole = influence.T @ influence
        size = np.sqrt(np.diag(whole))
        used = np.where(size > 0.0, size, 1.0)
        values, vectors = np.linalg.eigh(whole / np.outer(used, used))
        some = values > 1e-12 * max(values[-1], 1e-300)
        length, ways = np.sqrt(values[some]), vectors[:, some]
        root, back = used[:, np.newaxis] * ways * length, (ways / length / used[:, np.newaxis]).T
        unit = back @ influence.T
        share = np.empty((len(unit), len(unit), _SIDE**2))
        for i, one in enumerate(unit):
            for j, other in enumerate(unit[: i + 1]):
                share[i, j] = share[j, i] = np.bincount(cell, one * other, _SIDE**2)
        return cls(root, back, share)


def _reaching(sums: Float, share: Float) -> Float:
    """Return the covariance of sums (m, cells) of influences, as far as they are correlated."""
    kernels, squares = _kernels()
    count = len(sums)
    if count == 0:
        return np.zeros((0, 0))
    waves, shares = _waves(sums), _waves(share)
    products = (waves[:, np.newaxis] * waves.conj()).real
    found = (kernels @ products.reshape(count**2, -1).T).reshape(-1, count, count)
    power = (np.abs(shares) ** 2).sum(axis=(0, 1))
    kept = 1.0 - kernels @ power / count  # of the variances
    size = np.trace(found, axis1=1, axis2=2) / np.maximum(kept, 1.0 - _MOST_LOST)
    chosen = _shortest(size, np.sqrt(np.maximum(2.0 * squares @ power, 0.0)) / count)
    lost = np.tensordot(shares * kernels[chosen], shares.conj(), axes=((1, 2), (1, 2))).real
    values, vectors = np.linalg.eigh(lost)
    made_good = (vectors / np.sqrt(np.maximum(1.0 - values, 1.0 - _MOST_LOST))) @ vectors.T
    return np.asarray(made_good @ _at_least(found[chosen], found[0]) @ made_good)


def _shortest(size: Float, noise: Float) -> int:
    """Return the first of some sizes from which no later one differs by more than the noise (m, m) of both allows."""
    for one in range(size.size):
        other = size[one + 1 :]
        allowed = _BEYOND * noise[one, one + 1 :] * np.maximum(other, size[one])
        if (np.abs(other - size[one]) <= allowed).all():
            return one
    return size.size - 1


def _at_least(found: Float, least: Float) -> Float:
    """Return a covariance, or a part of the least where noise would make it less than that in some direction."""
    values, vectors = np.linalg.eigh(least)
    root = vectors * np.sqrt(np.maximum(values, 0.0))  # least = root root'
    back = np.linalg.pinv(root)
    ratio, ways = np.linalg.eigh(back @ ((found + found.T) / 2.0) @ back.T)
    turned = root @ ways
    return np.asarray((turned * np.maximum(ratio, _FLOOR)) @ turned.T)


def _waves(values: Float) -> NDArray[np.complex128]:
    """Return what waves values (..., cells) are made of, (..., waves): products at a lag are products of waves."""
    from scipy.fft import rfft2

    seen = rfft2(values.reshape(*values.shape[:-1], _SIDE, _SIDE), (_PADDED, _PADDED))
    return np.asarray(seen.reshape(*values.shape[:-1], -1))


@cache
def _kernels() -> tuple[Float, Float]:
    """Return the waves of the kernels (reaches, waves) and of their squared differences (reaches, reaches, waves).

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
        from scipy.fft import rfft2

        return np.asarray(rfft2(of).real.reshape(*of.shape[:-2], -1) * per_wave)

    return waves(kernels), waves(squares)


def _cells(x: Float, y: Float) -> NDArray[np.intp] | None:
    """Return the numbers of the lattice's cells in which places lie; None where all are one place."""
    west, south = float(x.min()), float(y.min())
    side = max(float(x.max()) - west, float(y.max()) - south) / _SIDE
    if not side > 0.0:
        return None
    col = np.minimum(((x - west) / side).astype(np.intp), _SIDE - 1)
    row = np.minimum(((y - south) / side).astype(np.intp), _SIDE - 1)
    return row * _SIDE + col


def _square(cell: NDArray[np.intp], side: int = _COARSE) -> NDArray[np.intp]:
    """Return the numbers of the squares of so many cells in which cells lie."""
    row, col = np.divmod(cell, _SIDE)
    return np.asarray(row // side * (_SIDE // side) + col // side)


def _products(sums: Float) -> Float:
    """Add up the outer products of the squares' sums."""
    return np.asarray(sums.T @ sums * (len(sums) / (len(sums) - 1.0)))
