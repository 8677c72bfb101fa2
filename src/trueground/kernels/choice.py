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
def drawn(values, top, left, height, width, keep, row0, col0, seed, share, rows, cols):
    """Draw a share of the finite pixels of a window, and fill in row and column of each.

    The window begins at (top, left) of `values`, and at (row0, col0) of the raster. `keep` (0, 0), or as large, tells
    which may be drawn. Returns how many there are, also beyond the room there is for them.
    """
    start = GOLDEN * np.uint64(seed + 1)
    most = np.uint64(min(math.ceil(min(share, 1.0) * WHOLE), WHOLE))  # as below the share itself
    count = 0
    chances = np.empty(width, dtype=np.uint64)
    for i in range(height):
        for j in range(chances.size):
            chances[j] = _chance(row0 + i, col0 + j, start)
        for j in range(chances.size):
            if chances[j] >= most:
                continue
            if not abs(values[top + i, left + j]) < np.inf or (keep.size and not keep[i, j]):
                continue
            if count < rows.size:
                rows[count], cols[count] = i, j
            count += 1
    return count


@kernel
def taken(values, top, left, rows, cols, heights, down, along):
    """Fill in heights of pixels, and by how much they rise along rows and columns [per px]; NaN beside the edge.

    Rows and columns count from (top, left) of `values`.
    """
    height, width = values.shape
    for k in range(rows.size):
        i, j = top + rows[k], left + cols[k]
        heights[k] = values[i, j]
        down[k] = along[k] = np.nan
        if 0 < i < height - 1:
            down[k] = (np.float64(values[i + 1, j]) - np.float64(values[i - 1, j])) / 2.0
        if 0 < j < width - 1:
            along[k] = (np.float64(values[i, j + 1]) - np.float64(values[i, j - 1])) / 2.0
