"""First meeting of curved lines of sight with the bilinear surface of a height field, for many image positions.

Positions go through in batches. What can be done to all of a batch alike is written without branches, so that it
vectorises; only lines over steep ground, holes and borders are followed one by one (`descent.walk`).
"""

from __future__ import annotations

import numpy as np

from trueground.kernels import fused, inlined
from trueground.kernels.descent import CURVES, HIT, patch_at, settle, slope, value, walk
from trueground.kernels.pyramid import BASE
from trueground.kernels.rational import (
    DIVERGED,
    HEIGHT_OFF,
    HEIGHT_SCALE,
    LAT_OFF,
    LAT_SCALE,
    LINE_OFF,
    LINE_SCALE,
    LONG_OFF,
    LONG_SCALE,
    SAMP_OFF,
    SAMP_SCALE,
    misfit,
    newton,
    polynomial,
    wrap,
)

BATCH = 64  # lines of sight that go together; their work stays in the first cache
MOST_SWEEPS = 12
SETTLED = 1e-7  # m, what the last step of Newton's method may leave
FARTHEST = 1e-2  # of the way down: a hit that would move further is not near what was linearised

# Places in the work array, after the two cubics.
_S, _T, _LINE, _SAMP = (
    CURVES,
    CURVES + 1,
    CURVES + 2,
    CURVES + 3,
)  # where in the piece and in the model
_G, _BY_ROW, _BY_COL, _OPEN = CURVES + 4, CURVES + 5, CURVES + 6, CURVES + 7
_EX, _EY, _X, _Y, _H, _OFF = (CURVES + 8 + n for n in range(6))
_R, _C, _TWIST, _PLACES = (CURVES + 14 + n for n in range(4))


@inlined
def curve(q, b, s, t, w, at, k):
    """Take from a cubic polynomial in (s, t, g) what it is in g at (s, t)."""
    w[at, k] = (
        q[b]
        + t * (q[b + 2] + t * (q[b + 8] + t * q[b + 15]))
        + s
        * (
            q[b + 1]
            + t * (q[b + 4] + t * q[b + 12])
            + s * (q[b + 7] + t * q[b + 14] + s * q[b + 11])
        )
    )
    w[at + 1, k] = (
        q[b + 3] + s * (q[b + 5] + s * q[b + 17]) + t * (q[b + 6] + s * q[b + 10] + t * q[b + 18])
    )
    w[at + 2, k] = q[b + 9] + s * q[b + 13] + t * q[b + 16]
    w[at + 3, k] = q[b + 19]


@inlined
def start_gently(dem, gentle, shift, bulge, w, k):
    """Tell whether a line of sight runs wholly over gentle ground inside the window."""
    r, c = value(w, 0, k, -1.0), value(w, 4, k, -1.0)
    end_r, end_c = value(w, 0, k, 1.0), value(w, 4, k, 1.0)
    rows, cols = dem.shape[0] - 1 - bulge, dem.shape[1] - 1 - bulge
    inside = (
        (min(r, end_r) >= bulge)
        & (max(r, end_r) <= rows)
        & (min(c, end_c) >= bulge)
        & (max(c, end_c) <= cols)
    )
    i = min(max(int(r), 0) >> shift, gentle.shape[0] - 1)
    j = min(max(int(c), 0) >> shift, gentle.shape[1] - 1)
    return inside & (gentle[i, j] == 1)


@fused
def sweep(dem, middle, half, bulge, w, count):
    """Take one step of Newton's method down each line of sight; count those that have not settled.

    A line has settled when what the step leaves is known to be small: it stayed in one cell, where the height above
    ground is a quadratic. How a hit moves with its line, by row and by column, is left in `_BY_ROW` and `_BY_COL`.
    """
    for k in range(count):
        g = w[_G, k]
        r, c = value(w, 0, k, g), value(w, 4, k, g)
        z, zr, zc, zrc = patch_at(dem, r, c)
        per_rate = 1.0 / (half + zr * slope(w, 0, k, g) + zc * slope(w, 4, k, g))
        after = min(max(g + (middle - half * g - z) * per_rate, -1.0), 1.0)
        w[_G, k] = after
        w[_BY_ROW, k] = -zr * per_rate
        w[_BY_COL, k] = -zc * per_rate
        w[_R, k], w[_C, k] = r, c
        w[_OFF, k] = 3.0 * bulge * (abs(zr) + abs(zc)) * (after - g) ** 2
        w[_TWIST, k] = zrc
    for k in range(count):
        r, c = w[_R, k], w[_C, k]
        next_r, next_c = value(w, 0, k, w[_G, k]), value(w, 4, k, w[_G, k])
        off = w[_OFF, k] + abs(w[_TWIST, k] * (next_r - r) * (next_c - c))
        same_cell = (int(r) == int(next_r)) & (int(c) == int(next_c))
        held_back = abs(w[_G, k]) >= 1.0  # at an end of the line, which need not be on the ground
        w[_OFF, k] = off if same_cell and not held_back else np.inf
    left = 0
    for k in range(count):
        left += (w[_OFF, k] > SETTLED) & (w[_OPEN, k] > 0.0)
    return left


@fused
def trace(
    model, q, dem, maxima, starts, widths, gentle, shift, bulge, box, jacobian, rounds, tolerance, row, col,
    lon, lat, height, status, residual,
):  # fmt: skip
    """Find the first point of a DEM window that each image position sees.

    Parameters
    ----------
    model
        The RPC, see `rational`.
    q
        Four cubic polynomials (80) in the image position and `g`, normalised to `box`: row and column in the window,
        and longitude and latitude in the model's own units.
    dem, maxima, starts, widths
        Heights above the ellipsoid, and their pyramid.
    gentle, shift
        Blocks above which a line meets the surface once, see `pyramid.mark_gentle`; 1 << shift cells make their edge.
    bulge
        How far a line leaves its chord at most [px of the DEM].
    box
        Middle and half size of row, column and height [px, px, m].
    jacobian
        Rows and columns of the window by normalised longitude and latitude.
    rounds
        How often a hit is polished: once, where the cubics are close.
    tolerance
        How far from its image position a hit may project [px]; one that is further off has diverged.
    row, col
        Image positions, counted as the model does.
    lon, lat, height, status
        Out.
    residual
        Out: how far from its image position a hit projects [px].
    """
    w = np.empty((_PLACES, BATCH))
    middle, half = box[4], box[5]
    per_row, per_col = 1.0 / box[1], 1.0 / box[3]
    per_line, per_samp = 1.0 / model[LINE_SCALE], 1.0 / model[SAMP_SCALE]
    per_height = 1.0 / model[HEIGHT_SCALE]
    long_off, long_scale = model[LONG_OFF], model[LONG_SCALE]
    lat_off, lat_scale = model[LAT_OFF], model[LAT_SCALE]
    w[_G] = 0.0
    for first in range(0, row.size, BATCH):
        count = min(BATCH, row.size - first)
        for k in range(count):
            t = (row[first + k] - box[0]) * per_row
            s = (col[first + k] - box[2]) * per_col
            w[_T, k], w[_S, k] = t, s
            w[_LINE, k] = (row[first + k] - model[LINE_OFF]) * per_line
            w[_SAMP, k] = (col[first + k] - model[SAMP_OFF]) * per_samp
            curve(q, 0, s, t, w, 0, k)
            curve(q, 20, s, t, w, 4, k)
        some = 0
        for k in range(count):
            w[_OPEN, k] = start_gently(dem, gentle, shift, bulge, w, k)
            some += w[_OPEN, k] > 0.0
        if some:
            for _ in range(MOST_SWEEPS):
                if sweep(dem, middle, half, bulge, w, count) == 0:
                    break
        for k in range(count):
            status[first + k] = HIT
            if not (w[_OPEN, k] > 0.0 and w[_OFF, k] <= SETTLED):
                status[first + k] = alone(dem, maxima, starts, widths, w, k, middle, half)
        for k in range(count):
            w[_EX, k] = w[_EY, k] = 0.0
        for _ in range(rounds):
            for k in range(count):
                g = w[_G, k]
                x = polynomial(q, 40, w[_S, k], w[_T, k], g)
                y = polynomial(q, 60, w[_S, k], w[_T, k], g)
                h = (middle - half * g - model[HEIGHT_OFF]) * per_height
                nx, ny, _, _ = newton(
                    model, w[_LINE, k], w[_SAMP, k], x + w[_EX, k], y + w[_EY, k], h
                )
                w[_EX, k], w[_EY, k] = nx - x, ny - y
            if rounds == 1:
                for k in range(count):
                    dr = jacobian[0, 0] * w[_EX, k] + jacobian[0, 1] * w[_EY, k]
                    dc = jacobian[1, 0] * w[_EX, k] + jacobian[1, 1] * w[_EY, k]
                    move = w[_BY_ROW, k] * dr + w[_BY_COL, k] * dc
                    w[_G, k] += move if abs(move) < FARTHEST else 0.0
            else:
                for k in range(count):
                    if status[first + k] == HIT:
                        dr = jacobian[0, 0] * w[_EX, k] + jacobian[0, 1] * w[_EY, k]
                        dc = jacobian[1, 0] * w[_EX, k] + jacobian[1, 1] * w[_EY, k]
                        w[_G, k] = settle(dem, w, k, middle, half, w[_G, k], dr, dc)
        for k in range(count):
            g = w[_G, k]
            z = middle - half * g
            x = polynomial(q, 40, w[_S, k], w[_T, k], g) + w[_EX, k]
            y = polynomial(q, 60, w[_S, k], w[_T, k], g) + w[_EY, k]
            w[_X, k], w[_Y, k], w[_H, k] = x, y, z
            h = (z - model[HEIGHT_OFF]) * per_height
            w[_OFF, k] = misfit(model, w[_LINE, k], w[_SAMP, k], x, y, h)
        for k in range(count):  # few arrays a loop: LLVM compares all pairs, or gives up
            lon[first + k] = wrap(w[_X, k] * long_scale + long_off)
            lat[first + k] = w[_Y, k] * lat_scale + lat_off
        for k in range(count):
            height[first + k] = w[_H, k]
            residual[first + k] = w[_OFF, k]
        for k in range(count):
            n = first + k
            if status[n] == HIT and not residual[n] <= tolerance:
                status[n] = DIVERGED
            if status[n] != HIT:
                lon[n] = lat[n] = height[n] = residual[n] = np.nan


@fused
def alone(dem, maxima, starts, widths, w, k, middle, half):
    """Follow one line of sight of a batch down by itself."""
    far = max(abs(2.0 * w[1, k]), abs(2.0 * w[5, k]))
    level = -1
    size = 1.5
    while level < starts.size - 1 and size < far:
        level += 1
        size = float(BASE << level)
    status, g = walk(dem, maxima, starts, widths, w, k, middle, half, level)
    w[_BY_ROW, k] = w[_BY_COL, k] = 0.0
    if status == HIT:
        g = settle(dem, w, k, middle, half, g, 0.0, 0.0)
        _, zr, zc, _ = patch_at(dem, value(w, 0, k, g), value(w, 4, k, g))
        rate = half + zr * slope(w, 0, k, g) + zc * slope(w, 4, k, g)
        w[_BY_ROW, k] = -zr / rate
        w[_BY_COL, k] = -zc / rate
    w[_G, k] = g
    return status
