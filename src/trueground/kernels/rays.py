"""First meeting of a line of sight with the bilinear surface of a height field."""

from __future__ import annotations

import math

import numpy as np

from trueground.kernels import kernel

HIT, OUTSIDE, HOLE, MISSED = 0, 2, 3, 4  # as in trueground.status
SLACK = 1e-12


@kernel
def first_root(a, b, c, start, stop):
    """Smallest t in [start, stop] where a t^2 + b t + c becomes <= 0, given that it is >= 0 at `start`; NaN if none."""
    at_stop = (a * stop + b) * stop + c
    if a == 0.0 or abs(a) * stop * stop < 1e-14 * (abs(b) * stop + abs(c)):
        if at_stop > 0.0 or b == 0.0:
            return stop if at_stop <= 0.0 else np.nan
        return min(max(-c / b, start), stop)
    discriminant = b * b - 4.0 * a * c
    if discriminant < 0.0:
        return stop if at_stop <= 0.0 else np.nan  # round-off at a grazing point
    q = -0.5 * (b + math.copysign(math.sqrt(discriminant), b))
    one = q / a
    two = c / q if q != 0.0 else one
    low, high = min(one, two), max(one, two)
    if a > 0.0:  # positive, negative between the roots, positive
        if start - SLACK <= low <= stop:
            return max(low, start)
    elif start - SLACK <= high <= stop:  # negative, positive between, negative
        return max(high, start)
    return stop if at_stop <= 0.0 else np.nan


@kernel
def first_crossing(dem, row0, col0, rows, cols, heights, status, where):
    """Trace polylines, given from above to below, through the cells between the centres of a DEM window.

    Every cell that a line passes is visited in order, and inside the bilinear patch is met exactly: along a straight piece
    the height above it is a quadratic in the parameter.

    Parameters
    ----------
    dem
        (height, width) window, NaN where there is no data.
    row0, col0
        First row and column of the window in the DEM.
    rows, cols, heights
        (points, nodes) pixel coordinates (corner-based) and heights of the polylines.
    status
        (points,) out.
    where
        (points,) out: node number plus fraction of the meeting point.
    """
    height, width = dem.shape
    for p in range(rows.shape[0]):
        status[p] = OUTSIDE
        where[p] = np.nan
        above = False
        done = False
        for s in range(rows.shape[1] - 1):
            r = rows[p, s] - 0.5 - row0
            c = cols[p, s] - 0.5 - col0
            h = heights[p, s]
            dr = rows[p, s + 1] - rows[p, s]
            dc = cols[p, s + 1] - cols[p, s]
            dh = heights[p, s + 1] - h
            if not (math.isfinite(r + dr) and math.isfinite(c + dc) and math.isfinite(r) and math.isfinite(c)):
                continue
            i = int(math.floor(r))
            j = int(math.floor(c))
            if dr < 0.0 and r == i:
                i -= 1
            if dc < 0.0 and c == j:
                j -= 1
            t = 0.0
            while True:
                tr = (i + (1 if dr > 0.0 else 0) - r) / dr if dr != 0.0 else np.inf
                tc = (j + (1 if dc > 0.0 else 0) - c) / dc if dc != 0.0 else np.inf
                stop = max(min(tr, tc, 1.0), t)
                if 0 <= i < height - 1 and 0 <= j < width - 1:
                    z = dem[i, j]
                    zr = dem[i + 1, j] - z
                    zc = dem[i, j + 1] - z
                    zrc = dem[i + 1, j + 1] - dem[i + 1, j] - zc
                    u = r - i
                    v = c - j
                    f0 = h - (z + zr * u + zc * v + zrc * u * v)
                    f1 = dh - (zr * dr + zc * dc + zrc * (u * dc + v * dr))
                    f2 = -zrc * dr * dc
                    f = f0 + t * (f1 + t * f2)
                    if f != f:
                        status[p] = HOLE
                        done = True
                        break
                    if not above and f < 0.0:  # came in from the side, below the surface
                        done = True
                        break
                    above = True
                    root = first_root(f2, f1, f0, t, stop)
                    if root == root:
                        status[p] = HIT
                        where[p] = s + root
                        done = True
                        break
                elif above:  # left the DEM before it met the surface
                    done = True
                    break
                if stop >= 1.0:
                    break
                t = stop
                if tr <= tc:
                    i += 1 if dr > 0.0 else -1
                else:
                    j += 1 if dc > 0.0 else -1
            if done:
                break
        if above and not done:
            status[p] = MISSED
