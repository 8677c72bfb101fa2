"""One line of sight, followed down to the first point of a bilinear surface.

Lines of sight are cubics in `g`, which runs from -1 at the top to 1 at the bottom; rows and columns count from the
centre of the window's first pixel, so that a cell lies between four whole numbers.
"""

from __future__ import annotations

import math

import numpy as np

from trueground.kernels import fused, inlined
from trueground.kernels.pyramid import BASE

HIT, OUTSIDE, HOLE, MISSED = 0, 2, 3, 4  # as in trueground.status
GRAZE = 1e-6  # m; entering a cell less than this below its surface is round-off
SAG = 1e-5  # px of the DEM by which a line of sight may leave its chord
MOST_PIECES = 4096  # of a line of sight within a cell
CURVES = 8  # numbers of a line of sight: row and column, each a cubic


@inlined
def value(a, k, p, g):
    """Evaluate the cubic at `g`."""
    return a[k, p] + g * (a[k + 1, p] + g * (a[k + 2, p] + g * a[k + 3, p]))


@inlined
def slope(a, k, p, g):
    """Differentiate the cubic at `g`."""
    return a[k + 1, p] + g * (2.0 * a[k + 2, p] + 3.0 * g * a[k + 3, p])


@fused
def turn(a, k, p, g):
    """Where, beyond `g`, the cubic turns back; infinity where it never does."""
    c2, c1, c0 = 3.0 * a[k + 3, p], 2.0 * a[k + 2, p], a[k + 1, p]
    if abs(c0) > abs(c1) + abs(c2):  # not between -1 and 1
        return np.inf
    inside = c1 * c1 - 4.0 * c2 * c0
    if inside < 0.0 or (c1 == 0.0 and c2 == 0.0):
        return np.inf
    q = -0.5 * (c1 + math.copysign(math.sqrt(inside), c1))
    one = c0 / q if q != 0.0 else np.inf
    two = q / c2 if c2 != 0.0 else np.inf
    low, high = min(one, two), max(one, two)
    if low > g + 1e-9:
        return low
    return high if high > g + 1e-9 else np.inf


@fused
def reach(a, k, p, border, g, limit, forward):
    """Where in [g, limit], on which it does not turn back, the cubic reaches a border; infinity where it does not."""
    ahead = border - value(a, k, p, g)
    rest = border - value(a, k, p, limit)
    if not forward:
        ahead, rest = -ahead, -rest
    if rest >= ahead:  # it stands still
        return np.inf
    if ahead <= 0.0:
        return g
    if rest > 0.0:
        return np.inf
    low, high = g, limit
    at = g + ahead / (ahead - rest) * (limit - g)  # lines of sight are almost straight
    for _ in range(60):
        off = border - value(a, k, p, at)
        if not forward:
            off = -off
        if abs(off) < 1e-11:
            break
        if off > 0.0:
            low = at
        else:
            high = at
        rate = slope(a, k, p, at)
        step = off / (rate if forward else -rate)
        at += step
        if not low < at < high:
            at = 0.5 * (low + high)
    return at


@fused
def first_root(a, b, c):
    """Smallest t in [0, 1] where a t^2 + b t + c becomes <= 0, given that it is >= 0 at 0; NaN if there is none."""
    end = a + b + c
    if abs(a) <= 1e-14 * (abs(b) + abs(c)):
        return np.nan if end > 0.0 else min(max(-c / b, 0.0), 1.0) if b < 0.0 else 0.0
    inside = b * b - 4.0 * a * c
    if inside >= 0.0:
        q = -0.5 * (b + math.copysign(math.sqrt(inside), b))
        one = q / a
        two = c / q if q != 0.0 else one
        t = min(one, two) if a > 0.0 else max(one, two)
        if 0.0 <= t <= 1.0:
            return t
    return np.nan if end > 0.0 else 1.0


@fused
def walk(dem, maxima, starts, widths, a, p, middle, half, first_level):
    """Follow one line of sight down to the surface.

    Blocks that it passes above their highest node are skipped whole; in every other cell the bilinear patch is met
    exactly: along a piece that is straight to 1e-5 px the height above it is a quadratic. A hole is crossed where the
    line comes out above the surface again; one that comes out below it, or ends there, is lost.

    Returns the status and `g`.
    """
    rows, cols = dem.shape[0] - 1, dem.shape[1] - 1
    g = -1.0
    r, c = value(a, 0, p, g), value(a, 4, p, g)
    came = OUTSIDE
    if not (0.0 <= r <= rows and 0.0 <= c <= cols):  # enter from the side
        if not (r == r and c == c):
            return OUTSIDE, g
        if r < 0.0:
            g = max(g, reach(a, 0, p, 0.0, -1.0, 1.0, True))
        elif r > rows:
            g = max(g, reach(a, 0, p, float(rows), -1.0, 1.0, False))
        if c < 0.0:
            g = max(g, reach(a, 4, p, 0.0, -1.0, 1.0, True))
        elif c > cols:
            g = max(g, reach(a, 4, p, float(cols), -1.0, 1.0, False))
        if not g <= 1.0:
            return OUTSIDE, g
        r, c = value(a, 0, p, g), value(a, 4, p, g)
        if not (-1e-9 <= r <= rows + 1e-9 and -1e-9 <= c <= cols + 1e-9):
            return OUTSIDE, g
    limit = min(
        turn(a, 0, p, g), turn(a, 4, p, g), 1.0
    )  # up to there neither row nor column turns back
    bend = max(abs(a[2, p]) + 3.0 * abs(a[3, p]), abs(a[6, p]) + 3.0 * abs(a[7, p]))
    down = slope(a, 0, p, 0.5 * (g + limit)) > 0.0
    right = slope(a, 4, p, 0.5 * (g + limit)) > 0.0
    i, j = int(math.floor(r)), int(math.floor(c))
    if not down and r == i:
        i -= 1
    if not right and c == j:
        j -= 1
    i, j = min(max(i, 0), rows - 1), min(max(j, 0), cols - 1)
    level = first_level
    top = starts.size - 1
    while True:
        size = 1 if level < 0 else BASE << level
        bi, bj = i // size, j // size
        row_border = min((bi + 1) * size, rows) if down else bi * size
        col_border = min((bj + 1) * size, cols) if right else bj * size
        by_row = reach(a, 0, p, float(row_border), g, limit, down)
        by_col = reach(a, 4, p, float(col_border), g, limit, right)
        out = max(min(by_row, by_col, limit), g)
        if level >= 0:
            highest = maxima[starts[level] + bi * widths[level] + bj]
            if middle - half * out <= highest:
                level -= 1
                at = (
                    middle - highest
                ) / half - 1e-12  # down to there the line is above the whole block
                if at > g:
                    g = at
                    came = HIT
                    i = min(
                        max(int(math.floor(value(a, 0, p, g))), bi * size),
                        min(bi * size + size, rows) - 1,
                    )
                    j = min(
                        max(int(math.floor(value(a, 4, p, g))), bj * size),
                        min(bj * size + size, cols) - 1,
                    )
                continue
            came = HOLE if highest == -np.inf else HIT
        else:
            z = np.float64(dem[i, j])
            zr = np.float64(dem[i + 1, j]) - z
            zc = np.float64(dem[i, j + 1]) - z
            zrc = np.float64(dem[i + 1, j + 1]) - z - zr - zc
            # A piece is straight to within SAG: it sags by a quarter of the second difference.
            sag = 0.25 * bend * (out - g) ** 2
            pieces = 1 if sag <= SAG else min(int(math.sqrt(sag / SAG)) + 1, MOST_PIECES)
            start = g
            u, v = value(a, 0, p, start) - i, value(a, 4, p, start) - j
            for n in range(1, pieces + 1):
                stop = out if n == pieces else g + (out - g) * n / pieces
                du, dv = value(a, 0, p, stop) - i - u, value(a, 4, p, stop) - j - v
                above = middle - half * start - (z + zr * u + zc * v + zrc * u * v)
                if above != above:
                    came = HOLE
                    break
                if above < 0.0:
                    if came == OUTSIDE:
                        return OUTSIDE, start
                    return (HIT if above > -GRAZE or came == HIT else HOLE), start
                linear = -half * (stop - start) - (zr * du + zc * dv + zrc * (u * dv + v * du))
                t = first_root(-zrc * du * dv, linear, above)
                if t == t:
                    return HIT, start + t * (stop - start)
                came = HIT
                start = stop
                u += du
                v += dv
        if out >= 1.0:
            return (HOLE if came == HOLE else MISSED), out
        if out >= limit:
            g = out
            limit = min(turn(a, 0, p, g), turn(a, 4, p, g), 1.0)
            down = slope(a, 0, p, 0.5 * (g + limit)) > 0.0
            right = slope(a, 4, p, 0.5 * (g + limit)) > 0.0
            continue
        if by_row <= by_col:
            j = min(
                max(int(math.floor(value(a, 4, p, out))), bj * size),
                min(bj * size + size, cols) - 1,
            )
            i = row_border if down else row_border - 1
        else:
            i = min(
                max(int(math.floor(value(a, 0, p, out))), bi * size),
                min(bi * size + size, rows) - 1,
            )
            j = col_border if right else col_border - 1
        if i < 0 or j < 0 or i >= rows or j >= cols:
            return OUTSIDE, out
        g = out
        level = min(level + 1, top)


@inlined
def patch_at(dem, r, c):
    """Height, its derivatives by row and column, and the mixed one, of the bilinear patch that holds a position."""
    i = min(max(int(r), 0), dem.shape[0] - 2)
    j = min(max(int(c), 0), dem.shape[1] - 2)
    z = np.float64(dem[i, j])
    zr = np.float64(dem[i + 1, j]) - z
    zc = np.float64(dem[i, j + 1]) - z
    zrc = np.float64(dem[i + 1, j + 1]) - z - zr - zc
    u, v = r - i, c - j
    return z + zr * u + zc * v + zrc * u * v, zr + zrc * v, zc + zrc * u, zrc


@fused
def settle(dem, a, p, middle, half, g, dr, dc):
    """Polish a hit on a line of sight that is displaced by (dr, dc): Newton's method in the cell where it is."""
    best = g
    for _ in range(3):
        z, zr, zc, _ = patch_at(dem, value(a, 0, p, best) + dr, value(a, 4, p, best) + dc)
        off = middle - half * best - z
        rate = half + zr * slope(a, 0, p, best) + zc * slope(a, 4, p, best)
        step = off / rate
        if not abs(step) < 1e-2:  # a crease, a graze, a hole: what was met stands
            return best
        best += step
        if abs(step) * half < 1e-9:
            break
    return best
