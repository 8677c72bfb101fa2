"""Which points of the ground a sensor cannot see, because their line of sight meets the ground before.

Lines of sight are followed as in `rays.trace`, but only down to the point of ground that asks. For whole blocks of the
DEM it is found out beforehand that nothing can stand before their points; only in other blocks lines are followed.
"""

from __future__ import annotations

import numpy as np

from trueground.kernels import fused, inlined
from trueground.kernels.descent import CURVES, HIT, MISSED, SAG, patch_at, value, walk
from trueground.kernels.pyramid import ALMOST, BASE
from trueground.kernels.rays import curve

VISIBLE, HIDDEN, UNKNOWN = 0, 1, 255
BATCH = 64  # lines of sight that go together; their work stays in the first cache
HAIR = 1e-3  # m above its ground from which a point looks up: below what a height means, above all round-off
EDGE = 1e-2  # px of the DEM, by which a point on its edge may seem to lie beside it
SPARE = 1e-6  # px of the DEM, for round-off
MOST_BLOCKS = 64  # that are looked at for one
AFTER = 1e-7  # of half the way: across the border of a cell, for all round-off
NARROWINGS = 4  # of the ground that can stand between a point and the sensor
_OPEN, _PLACES = CURVES, CURVES + 1


@fused
def mark_shown(row, col, height, rows, cols, mask):
    """Set a mask to VISIBLE where there is a height, and an image position in the image; else to UNKNOWN."""
    for k in range(row.size):
        r, c, z = row[k], col[k], height[k]
        shown = (r >= 0.0) & (r <= rows) & (c >= 0.0) & (c <= cols) & (z == z)
        mask[k] = VISIBLE if shown else UNKNOWN


@fused
def mark_clear(dem, maxima, starts, widths, rates, half, clear):
    """Mark blocks of the DEM before whose points no ground stands.

    From a block lines climb towards the sensor until they are above all ground that they can pass. Where on this way
    the surface rises less than they do, their height above it grows all the way.

    Parameters
    ----------
    dem, maxima, starts, widths
        Heights of nodes [m], and their pyramid; a hole makes a block unclear.
    rates
        Least and greatest rows, least and greatest columns that a line goes in a unit of its parameter.
    half
        Metres that it falls.
    clear
        Out: 1 or 0 for each block of 4 x 4 cells.
    """
    rows, cols = dem.shape[0] - 1, dem.shape[1] - 1
    lowest = np.empty(clear.shape)
    steep = np.empty(clear.shape, dtype=np.uint8)
    down_low, down_high = np.float32(rates[0]), np.float32(rates[1])
    right_low, right_high = np.float32(rates[2]), np.float32(rates[3])
    for bi in range(clear.shape[0]):
        for bj in range(clear.shape[1]):
            r0, c0 = bi * BASE, bj * BASE
            r1, c1 = min(r0 + BASE, rows), min(c0 + BASE, cols)
            low, whole = np.float32(np.inf), True
            down, right = np.float32(0.0), np.float32(0.0)
            for r in range(r0, r1 + 1):
                for c in range(c0, c1 + 1):
                    z = dem[r, c]
                    whole &= z == z
                    low = z if z < low else low
            for r in range(r0, r1):
                for c in range(c0, c1 + 1):
                    step = dem[r, c] - dem[r + 1, c]
                    rise = max(step * down_low, step * down_high)
                    down = rise if rise > down else down
            for r in range(r0, r1 + 1):
                for c in range(c0, c1):
                    step = dem[r, c] - dem[r, c + 1]
                    rise = max(step * right_low, step * right_high)
                    right = rise if rise > right else right
            lowest[bi, bj] = low
            steep[bi, bj] = not (whole and down + right < ALMOST * half)
    for bi in range(clear.shape[0]):
        for bj in range(clear.shape[1]):
            clear[bi, bj] = 0
            if steep[bi, bj]:
                continue
            highest = np.float64(maxima[starts[starts.size - 1]])
            for _ in range(NARROWINGS):
                up = (highest - lowest[bi, bj]) / half
                r0 = bi * BASE + min(-up * rates[1], 0.0)
                r1 = bi * BASE + BASE + max(-up * rates[0], 0.0)
                c0 = bj * BASE + min(-up * rates[3], 0.0)
                c1 = bj * BASE + BASE + max(-up * rates[2], 0.0)
                near = highest_near(dem, maxima, starts, widths, r0, c0, r1, c1)
                if not near < highest:
                    break
                highest = near
            i0, i1 = block_of(r0, rows), block_of(r1, rows)
            j0, j1 = block_of(c0, cols), block_of(c1, cols)
            if (i1 - i0 + 1) * (j1 - j0 + 1) > MOST_BLOCKS:
                continue
            found = 1
            for i in range(i0, i1 + 1):
                for j in range(j0, j1 + 1):
                    if steep[i, j]:
                        found = 0
            clear[bi, bj] = found


@fused
def hide(q, dem, maxima, starts, widths, bulge, clear, lowest, box, claims, row, col, height, mask):
    """Mark the points of the ground whose line of sight meets a DEM window before them.

    Parameters
    ----------
    q
        Cubic polynomials (80) of the lines of sight, see `rays.trace`.
    dem, maxima, starts, widths
        Heights above the ellipsoid, and their pyramid.
    bulge
        How far a line leaves its chord at most [px of the DEM].
    clear
        Blocks before whose points no ground stands, see `mark_clear`.
    lowest
        Whether the heights of `box` reach down to all points; else lines to lower ones are followed to its bottom.
    box
        Middle and half size of row, column and height [px, px, m].
    claims
        First and end of rows, first and end of columns: other image positions are left alone.
    row, col, height
        Image positions and heights above the ellipsoid of points of the ground; NaN where there are none.
    mask
        Out: HIDDEN where a point is hidden; all else is left as it is.
    """
    w = np.empty((_PLACES, BATCH))
    path = np.empty((CURVES, 1))
    middle, half = box[4], box[5]
    per_row, per_col, per_half = 1.0 / box[1], 1.0 / box[3], 1.0 / box[5]
    rows, cols = dem.shape[0] - 1, dem.shape[1] - 1
    for first in range(0, row.size, BATCH):
        count = min(BATCH, row.size - first)
        some = 0
        for k in range(count):
            r, c, z = row[first + k], col[first + k], height[first + k]
            ours = (
                (r >= claims[0]) & (r < claims[1]) & (c >= claims[2]) & (c < claims[3]) & (z == z)
            )
            w[_OPEN, k] = ours
            some += ours
        if some == 0:
            continue
        for k in range(count):
            t = (row[first + k] - box[0]) * per_row
            s = (col[first + k] - box[2]) * per_col
            curve(q, 0, s, t, w, 0, k)
            curve(q, 20, s, t, w, 4, k)
        for k in range(count):
            own = (middle - height[first + k]) * per_half
            r, c = value(w, 0, k, own), value(w, 4, k, own)
            i, j = block_of(r, rows), block_of(c, cols)
            inside = (r >= -EDGE) & (r <= rows + EDGE) & (c >= -EDGE) & (c <= cols + EDGE)
            below = (own > 1.0) & (not lowest)
            w[_OPEN, k] *= below | (inside & (clear[i, j] == 0))
        for k in range(count):
            if w[_OPEN, k] > 0.0:
                z, end = height[first + k], np.inf if lowest else 1.0
                if shadowed(dem, maxima, starts, widths, bulge, w, k, middle, half, z, end, path):
                    mask[first + k] = HIDDEN


@fused
def shadowed(dem, maxima, starts, widths, bulge, w, k, middle, half, height, end, path):
    """Tell whether ground stands before a point on a line of sight at some height.

    The line is lifted until the point lies a hair above the surface, so that the ground which it lies on cannot hide
    it by round-off, nor by what positions are known to (1e-3 px); ground that turns away from the sensor still does.
    """
    own = min((middle - height) / half, end)
    r, c = value(w, 0, k, own), value(w, 4, k, own)
    lift = 0.0
    if own < end:
        lift = HAIR
        z, zr, zc, _ = patch_at(dem, r, c)
        if z == z:
            # Within a cell, pieces of the line are chords that may lie SAG beside it.
            lift += max(z - height, 0.0) + 2.0 * SAG * (abs(zr) + abs(zc))
    point = middle - half * own + lift
    highest = np.float64(maxima[starts[starts.size - 1]])
    start, spare = -1.0, bulge + SPARE
    for _ in range(NARROWINGS):
        if highest <= point:
            return False
        start = max((middle + lift - highest - HAIR) / half, -1.0)
        top_r, top_c = value(w, 0, k, start), value(w, 4, k, start)
        r0, r1 = min(r, top_r) - spare, max(r, top_r) + spare
        c0, c1 = min(c, top_c) - spare, max(c, top_c) + spare
        near = highest_near(dem, maxima, starts, widths, r0, c0, r1, c1)
        if not near < highest:
            break
        highest = near
    if highest <= point or not start < own:
        return False
    # The rest of the line, from above all ground that it can meet down to the point, as a line of its own.
    m, s = 0.5 * (start + own), 0.5 * (own - start)
    for b in (0, 4):
        c2, c3 = w[b + 2, k], w[b + 3, k]
        path[b, 0] = value(w, b, k, m)
        path[b + 1, 0] = s * (w[b + 1, k] + m * (2.0 * c2 + 3.0 * m * c3))
        path[b + 2, 0] = s * s * (c2 + 3.0 * m * c3)
        path[b + 3, 0] = s * s * s * c3
    far = max(abs(2.0 * path[1, 0]), abs(2.0 * path[5, 0]))
    level, size = -1, 1.5
    while level < starts.size - 1 and size < far:
        level += 1
        size = float(BASE << level)
    top = middle + lift - half * m
    status, g = walk(dem, maxima, starts, widths, path, 0, top, half * s, level)
    if status in (HIT, MISSED):
        return status == HIT
    # It came in from the side of the DEM, or out of a hole: below the surface it is in the ground, whatever was there.
    g += AFTER
    z, _, _, _ = patch_at(dem, value(path, 0, 0, g), value(path, 4, 0, g))
    return g < 1.0 and z > top - half * s * g


@inlined
def block_of(at, cells):
    """Block of 4 cells of a row or column, within the DEM."""
    return min(max(int(at), 0), cells - 1) // BASE


@fused
def highest_near(dem, maxima, starts, widths, r0, c0, r1, c1):
    """Highest node of the cells of a rectangle, or of some more: at most four blocks of the pyramid."""
    rows, cols = dem.shape[0] - 1, dem.shape[1] - 1
    low_r, high_r = block_of(r0, rows), block_of(r1, rows)
    low_c, high_c = block_of(c0, cols), block_of(c1, cols)
    level = 0
    while high_r - low_r > 1 or high_c - low_c > 1:
        low_r, low_c, high_r, high_c = low_r >> 1, low_c >> 1, high_r >> 1, high_c >> 1
        level += 1
    top = -np.inf
    for i in range(low_r, high_r + 1):
        for j in range(low_c, high_c + 1):
            top = max(top, maxima[starts[level] + i * widths[level] + j])
    return top
