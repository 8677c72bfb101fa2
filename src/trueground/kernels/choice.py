"""A number of chance for each pixel that depends on nothing but its row, its column and a seed."""

from __future__ import annotations

import math

import numpy as np

from trueground.kernels import inlined, kernel

# The finaliser of splitmix64: Steele, Lea & Flood (2014), doi:10.1145/2660193.2660195.
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
WHOLE = 9007199254740992.0  # 2^53
SECOND = np.uint64(0x94D049BB133111EB)


@inlined
def _chance(row, col, start):
    """Return a whole number below 2^53."""
    key = ((np.uint64(row) << np.uint64(32)) ^ np.uint64(col)) + start
    key = (key ^ (key >> np.uint64(30))) * FIRST
    key = (key ^ (key >> np.uint64(27))) * SECOND
    key = key ^ (key >> np.uint64(31))
    return key >> np.uint64(11)


@kernel
def uniform(row0, col0, seed, out):
    """Fill `out` (rows, cols), whose first pixel is (row0, col0), with numbers in [0, 1)."""
    start = GOLDEN * np.uint64(seed + 1)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = np.float64(_chance(row0 + i, col0 + j, start)) / WHOLE


@kernel
def drawn(values, keep, row0, col0, seed, share, rows, cols):
    """Draw a share of the finite pixels inside a border of one, and fill in row and column of each.

    `keep` (0, 0), or as large as the inside, tells which may be drawn. Returns how many there are, also beyond the
    room there is for them.
    """
    start = GOLDEN * np.uint64(seed + 1)
    most = np.uint64(min(math.ceil(min(share, 1.0) * WHOLE), WHOLE))  # as below the share itself
    count = 0
    chances = np.empty(values.shape[1] - 2, dtype=np.uint64)
    for i in range(values.shape[0] - 2):
        for j in range(chances.size):
            chances[j] = _chance(row0 + i, col0 + j, start)
        for j in range(chances.size):
            if chances[j] >= most:
                continue
            if not abs(values[i + 1, j + 1]) < np.inf or (keep.size and not keep[i, j]):
                continue
            if count < rows.size:
                rows[count], cols[count] = i, j
            count += 1
    return count
