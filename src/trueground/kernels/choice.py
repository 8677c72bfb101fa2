"""A number of chance for each pixel that depends on nothing but its row, its column and a seed."""

from __future__ import annotations

import numpy as np

from trueground.kernels import kernel

# The finaliser of splitmix64: Steele, Lea & Flood (2014), doi:10.1145/2660193.2660195.
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND = np.uint64(0x94D049BB133111EB)


@kernel
def uniform(row0, col0, seed, out):
    """Fill `out` (rows, cols), whose first pixel is (row0, col0), with numbers in [0, 1)."""
    start = GOLDEN * np.uint64(seed + 1)
    for i in range(out.shape[0]):
        high = np.uint64(row0 + i) << np.uint64(32)
        for j in range(out.shape[1]):
            key = (high ^ np.uint64(col0 + j)) + start
            key = (key ^ (key >> np.uint64(30))) * FIRST
            key = (key ^ (key >> np.uint64(27))) * SECOND
            key = key ^ (key >> np.uint64(31))
            out[i, j] = np.float64(key >> np.uint64(11)) / 9007199254740992.0  # 2^53
