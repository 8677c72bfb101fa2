"""Medians of cells that do not count alike, and what each cell contributes to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trueground.kernels import medians as kernel
from trueground.stats import NMAD_FACTOR

Float = NDArray[np.float64]
_NEAR = 0.5  # NMADs from the median within which the density of values is counted


def weighted_median(values: Float, weights: Float) -> float:
    """Return the value with half of the weight on either side.

    Parameters
    ----------
    values, weights
        (n,) finite numbers; weights are not negative.
    """
    if values.size == 0:
        return float("nan")
    if weights.min() == weights.max():
        return float(np.median(values))
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    half = below[-1] / 2.0
    at = int(np.searchsorted(below, half))
    if below[at] == half and at + 1 < values.size:
        return float(values[order[at : at + 2]].mean())
    return float(values[order[at]])


def group_medians(values: Float, group: NDArray[np.integer], weights: Float) -> Float:
    """Return the median of each group.

    Parameters
    ----------
    values, weights
        (n,) finite numbers.
    group
        (n,) numbers of groups, from 0, none of them empty.
    """
    number = int(group.max()) + 1
    if weights.min() < weights.max():
        order = np.argsort(group, kind="stable")
        ends = np.cumsum(np.bincount(group, minlength=number))[:-1]
        parts = zip(np.split(values[order], ends), np.split(weights[order], ends), strict=True)
        return np.array([weighted_median(v, w) for v, w in parts])
    medians = np.empty(number)
    kernel.grouped(values, group, medians, np.empty(0))
    return medians


def _group_nmads(values: Float, group: NDArray[np.integer]) -> Float:
    """Return the NMAD of each group."""
    medians, spreads = np.empty((2, int(group.max()) + 1))
    kernel.grouped(values, group, medians, spreads)
    return NMAD_FACTOR * spreads


def median_influence(residual: Float, group: NDArray[np.integer], weights: Float) -> Float:
    r"""Return what each value adds to the error of the median of its group.

    It is :math:`w_i \, \mathrm{sign}(r_i) / (2 f \sum w)`, with the density :math:`f` of the residuals at the median
    counted near it: Hampel et al. (1986), Robust Statistics, section 2.3, doi:10.1002/9781118186435.

    Parameters
    ----------
    residual
        (n,) values less the median of their group.
    group
        (n,) numbers of groups, from 0.
    weights
        (n,).
    """
    number = int(group.max()) + 1
    width = _NEAR * _group_nmads(residual, group)
    near = np.abs(residual) <= width[group]
    counted = np.bincount(group, weights * near, minlength=number)
    with np.errstate(divide="ignore", invalid="ignore"):  # all values alike: the median is exact
        share = np.where(counted > 0.0, width / counted, 0.0)
    out: Float = weights * np.sign(residual) * share[group]
    return out
