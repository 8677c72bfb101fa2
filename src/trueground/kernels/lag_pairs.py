"""All pairs of some points, counted by their distance and by how much their values differ."""

from __future__ import annotations

import math

import numpy as np

from trueground.kernels import inlined, kernel

STEPS = 64
"""Classes of differences in an octave: 1.6 % wide at most."""
OCTAVES = 40
LOWEST = -24
"""Power of two below which differences are of the first class, with zero."""
CLASSES = STEPS * OCTAVES

_MANTISSA = 52  # bits of a double
_BIAS = 1023  # of its exponent
_STEP_BITS = 6  # of the mantissa, that tell the class
_FIRST = (_BIAS + LOWEST) * STEPS


@inlined
def _difference_class(size):
    # The leading bits of a positive double count the steps of its octaves.
    place = (np.float64(size).view(np.int64) >> (_MANTISSA - _STEP_BITS)) - _FIRST
    return min(max(place, 0), CLASSES - 1)


@kernel
def accumulate(points, values, first, scale, counts, sums):
    """Add all pairs of points to the bins of their distance, two of which make an octave.

    Parameters
    ----------
    points
        (n, 3) metres.
    values
        (n,)
    first
        Lower edge of the first bin, metres; bin k reaches from first 2^(k/2) to first 2^((k+1)/2).
        A pair beyond the bins is not counted.
    scale
        Unit of the classes of |difference|.
    counts
        (bins, CLASSES) int64, number of pairs: added to.
    sums
        (bins, 2) of distance and squared difference: added to.
    """
    bins = counts.shape[0]
    per_square, per_scale = 1.0 / (first * first), 1.0 / scale
    for i in range(values.size):
        x, y, z, value = points[i, 0], points[i, 1], points[i, 2], values[i]
        for j in range(i):
            dx, dy, dz = x - points[j, 0], y - points[j, 1], z - points[j, 2]
            square = dx * dx + dy * dy + dz * dz
            # Half octaves of the distance are octaves of its square: the exponent.
            place = (np.float64(square * per_square).view(np.int64) >> _MANTISSA) - _BIAS
            if place < 0 or place >= bins:
                continue
            difference = value - values[j]
            counts[place, _difference_class(abs(difference) * per_scale)] += 1
            sums[place, 0] += math.sqrt(square)
            sums[place, 1] += difference * difference
