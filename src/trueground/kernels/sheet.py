"""Sums of bicubic B-splines."""

from __future__ import annotations

import numpy as np

from trueground.kernels import inlined, kernel


@inlined
def _pieces(t, cells):
    """Return the first of the four cubic B-splines that are not 0 at a place from 0 to 1, and all four."""
    place = min(max(t, 0.0), 1.0) * cells
    first = min(int(place), cells - 1)
    w = place - first
    return (
        first,
        (1.0 - w) ** 3 / 6.0,
        (3.0 * w**3 - 6.0 * w**2 + 4.0) / 6.0,
        (-3.0 * w**3 + 3.0 * w**2 + 3.0 * w + 1.0) / 6.0,
        w**3 / 6.0,
    )


@kernel
def sums(u, v, along, across, coefficients, out):
    """Fill `out` (k, n) with sums of the splines of a sheet of `along` x `across` cells at places of the unit square.

    `coefficients` (k, (along + 3) (across + 3)) are those of each sum.
    """
    width = across + 3
    for p in range(u.size):
        i, a0, a1, a2, a3 = _pieces(u[p], along)
        j, b0, b1, b2, b3 = _pieces(v[p], across)
        for k in range(out.shape[0]):
            line = coefficients[k]
            total = 0.0
            at = np.uintp(i * width + j)
            for a in (a0, a1, a2, a3):
                total += a * (
                    b0 * line[at]
                    + b1 * line[at + np.uintp(1)]
                    + b2 * line[at + np.uintp(2)]
                    + b3 * line[at + np.uintp(3)]
                )
                at += np.uintp(width)
            out[k, p] = total
