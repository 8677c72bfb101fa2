"""Regressions on functions that reach a few neighbours only: of their symmetric matrices a band is not 0.

A band (size, width + 1) holds of each column what stands on the main diagonal and below it, from there down.
"""

from __future__ import annotations

import numpy as np

from trueground.kernels import fused

PADDING = 3  # zeros after each column of a root


@fused
def normal(columns, design, weights, values, band, right):
    """Add to a normal matrix and its right side what values (n,) of some weights (n,) say.

    A value sees functions `columns` (n, m), in ascending order, by as much as `design` (n, m) says.
    """
    for p in range(values.size):
        for a in range(columns.shape[1]):
            share = weights[p] * design[p, a]
            below = band[columns[p, a]]
            right[columns[p, a]] += share * values[p]
            for b in range(a, columns.shape[1]):
                below[columns[p, b] - columns[p, a]] += share * design[p, b]


@fused
def root(known, bending, stiffness, out):
    """Fill the Cholesky root of `known + stiffness bending`, and return the sum of the logarithms of its diagonal.

    `bending` may be the narrower band; `out` is wider than `known` by `PADDING`. What has no root gives NaN or
    -inf.
    Four columns at a time are taken off those that follow, which are loaded and stored once for all four.
    """
    size, width = known.shape[0], np.uintp(known.shape[1] - 1)
    for j in range(size):
        column = out[j]
        for t in range(known.shape[1]):
            column[t] = known[j, t]
        for t in range(bending.shape[1]):
            column[t] += stiffness * bending[j, t]
        for t in range(known.shape[1], out.shape[1]):
            column[t] = 0.0
    logarithms = 0.0
    for first in range(0, size, 4):
        last = min(first + 4, size)
        for j in range(first, last):
            column = out[j]
            for i in range(max(first, j - known.shape[1] + 1), j):
                _take(out[i], np.uintp(j - i), width, column)
            diagonal = np.sqrt(column[0])  # NaN of what is negative
            logarithms += np.log(diagonal)
            for t in range(known.shape[1]):
                column[t] /= diagonal
            column[0] = diagonal
        if last == size:
            break
        one, two, three, four = out[first], out[first + 1], out[first + 2], out[first + 3]
        for j in range(last, min(last + known.shape[1] - 1, size)):
            column = out[j]
            a = np.uintp(j - first)
            b, c, d = a - np.uintp(1), a - np.uintp(2), a - np.uintp(3)
            by_one, by_two, by_three, by_four = one[a], two[b], three[c], four[d]
            for t in range(width + np.uintp(1) - d):
                column[t] -= (
                    by_one * one[a + t]
                    + by_two * two[b + t]
                    + by_three * three[c + t]
                    + by_four * four[d + t]
                )
    return logarithms


@fused
def _take(before, at, width, column):
    """Take off a column what one before it, by `at`, has in common with it."""
    factor = before[at]
    for t in range(width + np.uintp(1) - at):
        column[t] -= factor * before[at + t]


@fused
def forward(lower, right, out):
    """Fill the solution of `lower out = right`, and return the sum of its squares."""
    size, width = lower.shape[0], lower.shape[1] - PADDING
    squares = 0.0
    for j in range(size):
        out[j] = right[j]
    for j in range(size):
        value = out[j] / lower[j, 0]
        out[j] = value
        squares += value * value
        column, rest = lower[j], out[j:]
        for t in range(1, min(width, size - j)):
            rest[t] -= value * column[t]
    return squares


@fused
def backward(lower, out):
    """Replace `out` by the solution of `lower^T x = out`."""
    size, width = lower.shape[0], lower.shape[1] - PADDING
    for j in range(size - 1, -1, -1):
        column, rest = lower[j], out[j:]
        value = rest[0]
        for t in range(1, min(width, size - j)):
            value -= column[t] * rest[t]
        out[j] = value / column[0]


@fused
def inverse(lower, out):
    """Fill the band of the inverse of a matrix, out of its root, from the last column to the first.

    An entry within the band needs only others within it (Takahashi et al. 1973; Erisman & Tinney 1975,
    doi:10.1145/360680.360704).
    """
    size, width = out.shape
    reach = width - 1
    both = np.zeros((size, 2 * width - 1))  # what stands left of the main diagonal, and right
    found = np.empty(width)
    for j in range(size - 1, -1, -1):
        column, diagonal = lower[j], lower[j, 0]
        number = min(reach, size - 1 - j)
        for t in range(width):
            found[t] = 0.0
        for q in range(1, number + 1):
            factor = column[q]
            beside = both[j + q, reach - q :]
            for t in range(1, width):
                found[t] -= factor * beside[t]
        value = 1.0 / diagonal
        for t in range(1, number + 1):
            found[t] /= diagonal
            value -= column[t] * found[t]
            out[j, t] = both[j, reach + t] = both[j + t, reach - t] = found[t]
        for t in range(number + 1, width):
            out[j, t] = 0.0
        out[j, 0] = both[j, reach] = value / diagonal


@fused
def forms(columns, design, band, out):
    """Fill `out` (n,) with the quadratic forms of a band that rows of a design make: see `normal`."""
    for p in range(out.size):
        total = 0.0
        for a in range(columns.shape[1]):
            below = band[columns[p, a]]
            beside = 0.5 * design[p, a] * below[0]
            for b in range(a + 1, columns.shape[1]):
                beside += design[p, b] * below[columns[p, b] - columns[p, a]]
            total += 2.0 * design[p, a] * beside
        out[p] = total
