"""How widely differences scatter, by statistics that a shift can minimise, and what each of them adds."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trueground.coreg.medians import weighted_median
from trueground.stats import NMAD_FACTOR

Float = NDArray[np.float64]
Spread = Literal["nmad", "mean-absolute", "std"]
_NEAR = 0.2  # of the median deviation, within which the density of deviations is counted


def spread(dh: Float, weights: Float, statistic: Spread) -> float:
    """Return NMAD, mean absolute deviation from the median, or standard deviation of differences.

    Parameters
    ----------
    dh, weights
        (n,) finite numbers; weights are not negative.
    """
    if statistic == "std":
        return float(
            np.sqrt(np.average((dh - np.average(dh, weights=weights)) ** 2, weights=weights))
        )
    deviation = np.abs(dh - weighted_median(dh, weights))
    if statistic == "nmad":
        return NMAD_FACTOR * weighted_median(deviation, weights)
    return float(np.average(deviation, weights=weights))


def square_influence(dh: Float, weights: Float, statistic: Spread) -> Float:
    r"""Return what each difference adds to the error of the square of its spread, (n,).

    For the NMAD :math:`S = c M`, with the median :math:`M` of the deviations :math:`d` and their density :math:`f`
    there, it is :math:`2 S c \, w (\mathbf{1}[d > M] - 1/2) / (f \sum w)`: Hampel et al. (1986), Robust Statistics,
    section 2.3, doi:10.1002/9781118186435, for differences as frequent above their median as below.
    """
    share = weights / weights.sum()
    if statistic == "std":
        square = (dh - np.average(dh, weights=weights)) ** 2
        return np.asarray(share * (square - square @ share))
    deviation = np.abs(dh - weighted_median(dh, weights))
    if statistic == "mean-absolute":
        mean = deviation @ share
        return np.asarray(2.0 * mean * share * (deviation - mean))
    middle = weighted_median(deviation, weights)
    near = np.abs(deviation - middle) <= _NEAR * middle
    density = share @ near / (2.0 * _NEAR * middle) if middle > 0.0 else np.inf
    return np.asarray(
        2.0 * NMAD_FACTOR**2 * middle * share * ((deviation > middle) - 0.5) / density
    )
