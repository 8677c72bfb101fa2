"""First meeting of a line of sight with the bilinear surface of a height field."""

from __future__ import annotations

import math

import numpy as np

from trueground.kernels import kernel

HIT, OUTSIDE, HOLE, MISSED = 0, 2, 3, 4  # as in trueground.status


@kernel
def first_root(a, b, c):
    """Smallest s in [0, 1] where a s^2 + b s + c is not above zero; NaN if there is none.

    Of the two ways to write a root, the one that adds numbers of equal sign.
    """
    if c <= 0.0:
        return 0.0
    ends_below = a + b + c <= 0.0
    discriminant = b * b - 4.0 * a * c
    if ends_below:  # one crossing, whatever round-off says of the discriminant
        root = math.sqrt(max(discriminant, 0.0))
        s = 2.0 * c / (root - b) if b < 0.0 else (root + b) / (-2.0 * a)
        return min(max(s, 0.0), 1.0)
    if b < 0.0 and -b < 2.0 * a and discriminant >= 0.0:  # down and up again within the cell
        return 2.0 * c / (math.sqrt(discriminant) - b)
    return np.nan


@kernel
def first_crossing(dem, row0, col0, rows, cols, heights, status, where):
    """Trace polylines, given from above to below, through the cells between a DEM's cell centres.

    Every cell that a line passes is visited in order, and inside the bilinear patch is met exactly:
    along a straight piece the height above it is a quadratic in the parameter, which is set up anew
    at each cell's edge, so that nothing cancels.

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
            if not math.isfinite(r + dr + c + dc + h + dh):
                continue
            # Enter the window, and never walk through the emptiness around it.
            t, leave = 0.0, 1.0
            for x, dx, size in ((r, dr, height - 1.0), (c, dc, width - 1.0)):
                if dx == 0.0:
                    if not 0.0 <= x <= size:
                        leave = -1.0
                else:
                    t = max(t, min(-x / dx, (size - x) / dx))
                    leave = min(leave, max(-x / dx, (size - x) / dx))
            if leave <= t:  # passes by, or touches a corner
                if above:  # left the DEM before it met the surface
                    done = True
                    break
                continue
            i = int(math.floor(r + t * dr))
            j = int(math.floor(c + t * dc))
            if dr < 0.0 and r + t * dr == i:
                i -= 1
            if dc < 0.0 and c + t * dc == j:
                j -= 1
            i = min(max(i, 0), height - 1 if dr == 0.0 else max(height - 2, 0))
            j = min(max(j, 0), width - 1 if dc == 0.0 else max(width - 2, 0))
            while True:
                tr = (i + (1 if dr > 0.0 else 0) - r) / dr if dr != 0.0 else np.inf
                tc = (j + (1 if dc > 0.0 else 0) - c) / dc if dc != 0.0 else np.inf
                stop = max(min(tr, tc, leave), t)
                u = min(max(r + t * dr - i, 0.0), 1.0)
                v = min(max(c + t * dc - j, 0.0), 1.0)
                # Along a cell's border its far nodes carry no weight: they may be missing.
                below = i if dr == 0.0 and u == 0.0 else min(i + 1, height - 1)
                right = j if dc == 0.0 and v == 0.0 else min(j + 1, width - 1)
                # float64 before anything is subtracted: float32 would lose micrometres
                z = np.float64(dem[i, j])
                zr = np.float64(dem[below, j]) - z
                zc = np.float64(dem[i, right]) - z
                zrc = np.float64(dem[below, right]) - z - zr - zc
                step = stop - t
                if step > 0.0:  # not a cell that the line only touches at its corner
                    f0 = h + t * dh - (z + zr * u + zc * v + zrc * u * v)
                    f1 = step * (dh - (zr * dr + zc * dc + zrc * (u * dc + v * dr)))
                    f2 = -zrc * dr * dc * step * step
                    if f0 + f1 + f2 != f0 + f1 + f2:
                        status[p] = HOLE
                        done = True
                        break
                    if not above and f0 < 0.0:  # came in from the side, below the surface
                        done = True
                        break
                    above = True
                    root = first_root(f2, f1, f0)
                    if root == root:
                        status[p] = HIT
                        where[p] = s + t + root * step
                        done = True
                        break
                t = stop
                if stop >= leave:
                    break
                if tr <= stop:
                    i += 1 if dr > 0.0 else -1
                if tc <= stop:
                    j += 1 if dc > 0.0 else -1
                if not (0 <= i < height and 0 <= j < width):
                    break
            if done:
                break
            if above and leave < 1.0:
                done = True
                break
        if above and not done:
            status[p] = MISSED
