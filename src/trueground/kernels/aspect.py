"""Which way slopes face."""

from __future__ import annotations

import math

import numpy as np

from trueground.kernels import kernel


@kernel
def directions(slope_x, slope_y, count, steepness, number):
    """Fill the tangent of each slope, and the bin, of `count` of a full turn from west, of the way it rises."""
    for i in range(slope_x.size):
        x, y = slope_x[i], slope_y[i]
        steepness[i] = math.sqrt(x * x + y * y)
        turn = math.atan2(np.float32(y), np.float32(x)) * np.float32(0.5 / np.pi) + np.float32(0.5)
        number[i] = min(int(turn * np.float32(count)), count - 1)
