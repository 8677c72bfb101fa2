"""First meetings of an RPC's lines of sight with a bilinear DEM, by brute force.

A line of sight is a list of ground points: the RPC's formulas, as the standard writes them, are inverted at one height
after the other, from above the highest ground to below the lowest, in steps of at most 1/20 of a DEM cell. The first
step that ends below the bilinear surface of the four float64 nodes around is bisected. Nothing here is shared with the
code under test: no cubics, no pyramid, no quadratics.

`march` is compiled, for millions of lines; `reference.march_plainly` is the same in numpy, to hold this one against.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numba import njit

HIT, OUTSIDE, HOLE, MISSED, DIVERGED = 0, 2, 3, 4, 5  # as in trueground.status
HOLE_AT_EDGE = (
    103  # in a hole until it leaves the DEM: whether that is a hole or outside is a matter of words
)
STEP = 1.0 / 20.0  # of a cell
FINE = 100  # steps within a step, where the clearance has a minimum that may hide a crossing
_BISECTED = 1e-9  # m of height
_BORDER = 1e-10  # m of height, to which the borders of holes and of the DEM are found

# WGS 84 and UTM; alpha: Krueger's series, Karney (2011), doi:10.1007/s00190-011-0445-3, equation 35, to n^6.
_F = 1.0 / 298.257223563
_N = _F / (2.0 - _F)
_RECTIFYING = 6378137.0 / (1.0 + _N) * (1.0 + _N**2 / 4.0 + _N**4 / 64.0 + _N**6 / 256.0)
_ECC = math.sqrt(_F * (2.0 - _F))
_A1 = (
    _N / 2 - 2 / 3 * _N**2 + 5 / 16 * _N**3 + 41 / 180 * _N**4
    - 127 / 288 * _N**5 + 7891 / 37800 * _N**6
)  # fmt: skip
_A2 = (
    13 / 48 * _N**2 - 3 / 5 * _N**3 + 557 / 1440 * _N**4
    + 281 / 630 * _N**5 - 1983433 / 1935360 * _N**6
)  # fmt: skip
_A3 = 61 / 240 * _N**3 - 103 / 140 * _N**4 + 15061 / 26880 * _N**5 + 167603 / 181440 * _N**6
_A4 = 49561 / 161280 * _N**4 - 179 / 168 * _N**5 + 6601661 / 7257600 * _N**6
_A5 = 34729 / 80640 * _N**5 - 3418889 / 1995840 * _N**6
_A6 = 212378941 / 319334400 * _N**6

_compiled = njit(nogil=True, cache=True, error_model="numpy")


class Marched(NamedTuple):
    """What the march found for each line of sight."""

    height: np.ndarray
    """Of the first meeting [m]; NaN where there is none."""
    status: np.ndarray
    """A status, or `HOLE_AT_EDGE`."""
    thin: np.ndarray
    """Whether the first meeting is so thin that steps of 1/20 of a cell pass over it."""


def numbers_of(rpc):
    """Return the 90 numbers of an RPC: offsets, scales, then the four polynomials."""
    names = [
        f"{n}_{k}" for k in ("off", "scale") for n in ("line", "samp", "lat", "long", "height")
    ]
    terms = [*rpc.line_num, *rpc.line_den, *rpc.samp_num, *rpc.samp_den]
    return np.array([*(getattr(rpc, n) for n in names), *terms])


def place_of(grid):
    """Return how longitude and latitude become node coordinates of a grid, in WGS 84 or UTM north: 7 numbers."""
    t = ~grid.transform
    zone = 0.0 if grid.crs.is_geographic else float(grid.crs.to_epsg() - 32600)
    return np.array([zone, t.a, t.b, t.c, t.d, t.e, t.f])


@_compiled
def _terms(c, k, x, y, h):
    """Value of a polynomial of RPC00B and its derivatives by longitude and latitude."""
    p = (
        c[k] + c[k + 1] * x + c[k + 2] * y + c[k + 3] * h + c[k + 4] * x * y + c[k + 5] * x * h + c[k + 6] * y * h
        + c[k + 7] * x * x + c[k + 8] * y * y + c[k + 9] * h * h + c[k + 10] * x * y * h + c[k + 11] * x * x * x
        + c[k + 12] * x * y * y + c[k + 13] * x * h * h + c[k + 14] * x * x * y + c[k + 15] * y * y * y
        + c[k + 16] * y * h * h + c[k + 17] * x * x * h + c[k + 18] * y * y * h + c[k + 19] * h * h * h
    )  # fmt: skip
    px = (
        c[k + 1] + c[k + 4] * y + c[k + 5] * h + 2 * c[k + 7] * x + c[k + 10] * y * h + 3 * c[k + 11] * x * x
        + c[k + 12] * y * y + c[k + 13] * h * h + 2 * c[k + 14] * x * y + 2 * c[k + 17] * x * h
    )  # fmt: skip
    py = (
        c[k + 2] + c[k + 4] * x + c[k + 6] * h + 2 * c[k + 8] * y + c[k + 10] * x * h + 2 * c[k + 12] * x * y
        + c[k + 14] * x * x + 3 * c[k + 15] * y * y + c[k + 16] * h * h + 2 * c[k + 18] * y * h
    )  # fmt: skip
    return p, px, py


@_compiled
def _on_line(m, line, samp, height, x, y):
    """Normalised longitude and latitude of an image position (normalised) at a height, from a guess; NaN if none."""
    h = (height - m[4]) / m[9]
    for _ in range(60):
        a, ax, ay = _terms(m, 10, x, y, h)
        b, bx, by = _terms(m, 30, x, y, h)
        c, cx, cy = _terms(m, 50, x, y, h)
        d, dx, dy = _terms(m, 70, x, y, h)
        f, g = a / b, c / d
        fx, fy = (ax - f * bx) / b, (ay - f * by) / b
        gx, gy = (cx - g * dx) / d, (cy - g * dy) / d
        det = fx * gy - fy * gx
        step_x = ((line - f) * gy - (samp - g) * fy) / det
        step_y = ((samp - g) * fx - (line - f) * gx) / det
        x += step_x
        y += step_y
        # The next step would be of the order of the square of this one.
        if abs(step_x) + abs(step_y) < 1e-9:
            return x, y
        if not abs(x) + abs(y) < 100.0:
            break
    return math.nan, math.nan


@_compiled
def _utm(zone, lon, lat):
    """Easting and northing [m] on the northern half, to nanometres."""
    lam, s = math.radians(lon - (6.0 * zone - 183.0)), math.sin(math.radians(lat))
    t = math.sinh(math.atanh(s) - _ECC * math.atanh(_ECC * s))
    xi, eta = (
        math.atan2(t, math.cos(lam)),
        math.atanh(math.sin(lam) / math.sqrt(1.0 + t * t)),
    )
    north, east = xi, eta
    for k, alpha in enumerate((_A1, _A2, _A3, _A4, _A5, _A6)):
        j = 2.0 * (k + 1)
        north += alpha * math.sin(j * xi) * math.cosh(j * eta)
        east += alpha * math.cos(j * xi) * math.sinh(j * eta)
    return 500_000.0 + 0.9996 * _RECTIFYING * east, 0.9996 * _RECTIFYING * north


@_compiled
def _node(m, p, x, y):
    """Row and column, counted from the first node, of normalised longitude and latitude."""
    e, n = x * m[8] + m[3], y * m[7] + m[2]
    if p[0] > 0.0:
        e, n = _utm(p[0], e, n)
    return p[4] * e + p[5] * n + p[6] - 0.5, p[1] * e + p[2] * n + p[3] - 0.5


@_compiled
def _kind(dem, i, j):
    """What a cell is: HIT where it has ground."""
    if i < 0 or j < 0 or i >= dem.shape[0] - 1 or j >= dem.shape[1] - 1:
        return OUTSIDE
    whole = dem[i, j] + dem[i, j + 1] + dem[i + 1, j] + dem[i + 1, j + 1]
    return HIT if whole == whole else HOLE  # noqa: PLR0124


@_compiled
def _clearance(dem, r, c, height):
    """Height above the bilinear surface; NaN over a hole and beside the DEM."""
    i, j = math.floor(r), math.floor(c)
    if _kind(dem, i, j) != HIT:
        return math.nan
    u, v = r - i, c - j
    top = np.float64(dem[i, j]) * (1.0 - v) + np.float64(dem[i, j + 1]) * v
    bottom = np.float64(dem[i + 1, j]) * (1.0 - v) + np.float64(dem[i + 1, j + 1]) * v
    return height - (top * (1.0 - u) + bottom * u)


@_compiled
def _border(dem, i, j, k, n):
    """Tell whether any cell around two cells is a hole or outside."""
    for a in range(min(i, k), max(i, k) + 1):
        for b in range(min(j, n), max(j, n) + 1):
            if _kind(dem, a, b) != HIT:
                return True
    return False


@_compiled
def _between(dem, box):
    """Lowest and highest node in a box of rows and columns, and whether it has ground everywhere; (0, 0) beside."""
    low, high, whole = np.inf, -np.inf, True
    if box[0] < 0 or box[2] < 0 or box[1] >= dem.shape[0] or box[3] >= dem.shape[1]:
        return 0.0, 0.0, False
    for a in range(box[0], box[1] + 1):
        for b in range(box[2], box[3] + 1):
            z = dem[a, b]
            if z == z:  # noqa: PLR0124
                low, high = min(low, z), max(high, z)
            else:
                whole = False
    return low, high, whole


@_compiled
def _narrowed(m, p, dem, line, samp, top, bottom, box):
    """Narrow the heights to those of all the nodes around the line; fill `box` with these nodes."""
    known = False
    for _ in range(4):
        x, y = _on_line(m, line, samp, top, 0.0, 0.0)
        r0, c0 = _node(m, p, x, y)
        x, y = _on_line(m, line, samp, bottom, 0.0, 0.0)
        r1, c1 = _node(m, p, x, y)
        if not abs(r0) + abs(c0) + abs(r1) + abs(c1) < 1e9:
            break
        spare = 2.0 + 0.02 * (abs(r1 - r0) + abs(c1 - c0))
        around = (
            math.floor(min(r0, r1) - spare), math.ceil(max(r0, r1) + spare),
            math.floor(min(c0, c1) - spare), math.ceil(max(c0, c1) + spare),
        )  # fmt: skip
        low, high, whole = _between(dem, around)
        if not high > low:
            break
        known = True
        for k in range(4):
            box[k] = around[k]
        before = top - bottom
        top = min(top, high + 1e-3)
        bottom = max(bottom, low - 1e-3) if whole else bottom
        if top - bottom > 0.8 * before:
            break
    return top, bottom, known


@_compiled
def _bisected(m, p, dem, line, samp, above, below, x, y, lift):
    """Height of a change of sign between a height above the surface and one below."""
    while above - below > _BISECTED:
        middle = 0.5 * (above + below)
        x, y = _on_line(m, line, samp, middle, x, y)
        r, c = _node(m, p, x, y)
        if _clearance(dem, r, c, middle) - lift <= 0.0:
            below = middle
        else:
            above = middle
    return below


@_compiled
def _march_one(  # noqa: PLR0911, PLR0912 (scalar code for the compiler)
    m, p, dem, line, samp, heights, step, longest, lift, box, known
):
    """March down one line; see `march`. Returns height, status, thinness, and whether it stayed within `box`."""
    top, bottom = heights
    x, y = _on_line(m, line, samp, top, 0.0, 0.0)
    r, c = _node(m, p, x, y)
    ex, ey = _on_line(m, line, samp, bottom, x, y)
    er, ec = _node(m, p, ex, ey)
    if not abs(r) + abs(c) + abs(er) + abs(ec) < 1e12:
        return math.nan, DIVERGED, False, True
    run = math.hypot(er - r, ec - c) / (top - bottom)  # cells a metre of height
    usual = min(longest, step / run) if run > 0.0 else longest
    if known:  # a minimum shows in three samples: none may be at the first
        top += 3.0 * usual
        x, y = _on_line(m, line, samp, top, x, y)
        r, c = _node(m, p, x, y)
    i, j = math.floor(r), math.floor(c)
    kind = _kind(dem, i, j)
    entered = kind != OUTSIDE
    z, now = top, _clearance(dem, r, c, top) - lift
    before, z_before = math.nan, top  # the sample before, in the surface too
    size = usual
    dx = dy = 0.0  # of normalised position a metre
    while z > bottom:
        size = min(size, z - bottom + _BORDER)
        lower = z - size
        nx, ny = _on_line(m, line, samp, lower, x + dx * size, y + dy * size)
        nr, nc = _node(m, p, nx, ny)
        if not abs(nr) + abs(nc) < 1e12:
            return math.nan, DIVERGED, False, True
        k, n = math.floor(nr), math.floor(nc)
        if size > _BORDER and (
            math.hypot(nr - r, nc - c) > 1.001 * step
            or ((k != i or n != j) and _border(dem, i, j, k, n))
        ):
            size *= 0.5
            continue
        if known and not (box[0] <= nr <= box[1] and box[2] <= nc <= box[3]):
            return math.nan, DIVERGED, False, False
        new = _kind(dem, k, n)
        then = _clearance(dem, nr, nc, lower) - lift
        if new == OUTSIDE and entered:
            return math.nan, (HOLE_AT_EDGE if kind == HOLE else OUTSIDE), False, True
        if new == HIT and kind == HIT:
            if (
                now < before and now <= then and now < (before - now) + (then - now)
            ):  # a minimum: look between the steps
                a, b = x, y
                for f in range(1, 2 * FINE + 1):
                    s = z_before + (lower - z_before) * f / (2 * FINE)
                    a, b = _on_line(m, line, samp, s, a, b)
                    fr, fc = _node(m, p, a, b)
                    if _clearance(dem, fr, fc, s) - lift <= 0.0:
                        last = z_before + (lower - z_before) * (f - 1) / (2 * FINE)
                        at = _bisected(m, p, dem, line, samp, last, s, a, b, lift)
                        return at, HIT, at > z or then > 0.0, True
            if then <= 0.0:
                return _bisected(m, p, dem, line, samp, z, lower, nx, ny, lift), HIT, False, True
            before, z_before = now, z
        elif new == HIT:
            if then < 0.0:
                return math.nan, kind, False, True
            before = math.nan
        if new != OUTSIDE:
            entered = True
        dx, dy = (nx - x) / size, (ny - y) / size
        x, y, r, c, i, j = nx, ny, nr, nc, k, n
        z, now, kind = lower, then, new
        size = min(2.0 * size, usual)
    if kind == HOLE:
        return math.nan, HOLE, False, True
    return math.nan, (MISSED if entered else OUTSIDE), False, True


@_compiled
def _march_many(m, p, dem, row, col, top, bottom, step, longest, lift, height, status, thin):
    box = np.zeros(4, dtype=np.int64)
    for k in range(row.size):
        line, samp = (row[k] - 0.5 - m[0]) / m[5], (col[k] - 0.5 - m[1]) / m[6]
        high, low, known = _narrowed(m, p, dem, line, samp, top + 1.0, bottom - 1.0, box)
        height[k], status[k], thin[k], stayed = _march_one(
            m, p, dem, line, samp, (high, low), step, longest, lift[k], box, known
        )
        if not stayed:  # a line that bends more than was thought: all heights
            height[k], status[k], thin[k], _ = _march_one(
                m, p, dem, line, samp, (top + 1.0, bottom - 1.0), step, longest, lift[k], box, False
            )


@_compiled
def _clearances(m, p, dem, row, col, height, out, steep):
    for k in range(row.size):
        line, samp = (row[k] - 0.5 - m[0]) / m[5], (col[k] - 0.5 - m[1]) / m[6]
        x, y = _on_line(m, line, samp, height[k], 0.0, 0.0)
        r, c = _node(m, p, x, y)
        out[k] = _clearance(dem, r, c, height[k])
        i, j = math.floor(r), math.floor(c)
        if _kind(dem, i, j) == HIT:
            a, b, d, e = dem[i, j], dem[i, j + 1], dem[i + 1, j], dem[i + 1, j + 1]
            steep[k] = max(abs(a - b), abs(d - e), abs(a - d), abs(b - e))


def march(rpc, grid, nodes, row, col, *, lift=0.0, step=STEP, workers=1):
    """Find the first point of a bilinear surface that image positions see.

    Parameters
    ----------
    rpc, grid, nodes
        The model; the grid of the surface, in WGS 84 or UTM north; its nodes [m above the ellipsoid], NaN for holes.
    row, col
        Image positions [px from the outer corner], vectors.
    lift
        What the surface is raised by [m], one number or one for each line.
    step
        Longest step [cells]; in height it is half a cell at most.
    workers
        Threads.
    """
    m, p = numbers_of(rpc), place_of(grid)
    metres = 111_000.0 if grid.crs.is_geographic else 1.0
    longest = 0.5 * metres * min(grid.resolution)
    ends = float(np.nanmax(nodes)), float(np.nanmin(nodes))
    found = Marched(
        np.empty(row.size), np.empty(row.size, dtype=np.int64), np.empty(row.size, dtype=np.bool_)
    )
    lift = np.broadcast_to(np.asarray(lift, dtype=np.float64), row.shape).copy()

    def part(which):
        _march_many(
            m, p, nodes, row[which], col[which], *ends, step, longest, lift[which], *(a[which] for a in found)
        )  # fmt: skip

    slices = [slice(k, k + 2000) for k in range(0, row.size, 2000)]
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(part, slices))
    return found


def clearances(rpc, grid, nodes, row, col, height):
    """Return heights above the surface of points on lines of sight, and the largest drop along an edge of the cell."""
    out, steep = np.full(row.size, np.nan), np.full(row.size, np.nan)
    _clearances(numbers_of(rpc), place_of(grid), nodes, row, col, height, out, steep)
    return out, steep
