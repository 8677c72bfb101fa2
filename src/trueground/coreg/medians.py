"""Medians of cells that do not count alike, and what each cell contributes to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trueground.kernels import medians as kernel
from trueground.stats import NMAD_FACTOR

Float = NDArray[np.float64]
NEAR_MEDIAN = 0.3 * NMAD_FACTOR
"""Median distances from the median within which the density of values is counted: 0.3 NMADs."""


def weighted_median(values: Float, weights: Float) -> float:
    """Return the value with half of the weight on either side.

    Parameters
    ----------
    values, weights
        (n,) finite numbers; weights are not negative.
    """
    return weighted_quantile(values, weights, 0.5)


def weighted_quantile(values: Float, weights: Float, level: float) -> float:
    """Return the value with a share of the weight below it; NaN where there is none.

    Parameters
    ----------
    values, weights
        (n,) finite numbers; weights are not negative.
    level
        Share, above 0 and below 1.
    """
    if values.size == 0:
        return float("nan")
    if kernel.alike(weights):
        return float(kernel.middle(values) if level == 0.5 else np.quantile(values, level))
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    share = below[-1] * level
    at = int(np.searchsorted(below, share))
    if below[at] == share and at + 1 < values.size:
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
    if not kernel.alike(weights):
        order = np.argsort(group, kind="stable")
        ends = np.cumsum(np.bincount(group, minlength=number))[:-1]
        parts = zip(np.split(values[order], ends), np.split(weights[order], ends), strict=True)
        return np.array([weighted_median(v, w) for v, w in parts])
    medians = np.empty(number)
    kernel.grouped(values, group, medians, np.empty(0))
    return medians


def median_influence(residual: Float, group: NDArray[np.integer], weights: Float) -> Float:
    r"""Return what each value adds to the error of the median of its group.

    It is :math:`w_i \, \mathrm{sign}(r_i) / (2 f \sum w)`, with the density :math:`f` of the residuals at the median:
    Hampel et al. (1986), Robust Statistics, section 2.3, doi:10.1002/9781118186435. It is counted near it, in all
    groups together, each in units of its NMAD: one group's count is too small to divide by.

    Parameters
    ----------
    residual
        (n,) values less the median of their group.
    group
        (n,) numbers of groups, from 0.
    weights
        (n,).
    """
    out = np.empty(residual.size)
    kernel.influence(residual, group, weights, int(group.max()) + 1, NEAR_MEDIAN, out)
    return out
