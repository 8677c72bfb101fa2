"""The surface of a DEM that was turned: for a point of the plane, the height that lies above it then.

A point of the moving surface that comes to lie above a given place lies, before the motion, on a line: at pixel
(row, col) if its height is `base`, and `lean` pixels beside it for each metre above. The line is all but vertical.
Where it meets the surface is found by Newton's method on the patch below, which is one step for nearly all cells; where
the surface is very steep by a contraction. Each cell is solved by itself from its own neighbourhood, so that its value
depends neither on the window nor on other cells.
"""

from __future__ import annotations

import math

import numpy as np

from trueground.kernels import inlined, kernel
from trueground.kernels.lattice import quadratic_weights
from trueground.kernels.resample import _keys, _on_node, bilinear_cell, cubic_cell

NEAREST, BILINEAR, CUBIC = range(3)
LEFT = np.inf  # the window does not hold what is needed, though the raster may
UNKNOWN = -np.inf  # the lattice does not say where the point lies
MOST = 2048.0  # px that a height may move a point; more is no DEM, but a number that stands for no data
_ROUNDS = 50
_NEWTON = 10  # rounds, after which the plain contraction takes over
_STEEPEST = 0.1  # of the derivative; below, Newton's step is not to be trusted
_TOLERANCE = 1e-6  # px
# px; Newton's step within a patch errs by its square times the patch's twist [m/px^2]: below 1e-6 m.
_SMALL = 3e-4
# Cells of a lattice along which its map is straight: of the map's curvature in a cell, four millionths are left.
_STRAIGHT = 1e-3


@inlined
def _bilinear(source, row0, col0, rows, cols, r, c):
    """Value, slopes and place in the patch, as `resample.bilinear_cell`; slopes [m/px]."""
    height, width = source.shape
    if not (0.0 <= r <= rows - 1 and 0.0 <= c <= cols - 1):
        return np.nan, 0.0, 0.0, 0.0, 0.0
    i = int(math.floor(r))
    j = int(math.floor(c))
    fr = r - i
    fc = c - j
    i -= row0
    j -= col0
    below = i + 1 if fr > 0.0 else i
    right = j + 1 if fc > 0.0 else j
    if i < 0 or j < 0 or below >= height or right >= width:
        return LEFT, 0.0, 0.0, 0.0, 0.0
    upper, lower = source[np.uintp(i)], source[np.uintp(below)]
    z00, z01 = np.float64(upper[np.uintp(j)]), np.float64(upper[np.uintp(right)])
    z10, z11 = np.float64(lower[np.uintp(j)]), np.float64(lower[np.uintp(right)])
    top = z00 * (1.0 - fc) + z01 * fc
    bottom = z10 * (1.0 - fc) + z11 * fc
    along = (z01 - z00) * (1.0 - fr) + (z11 - z10) * fr
    value = top * (1.0 - fr) + bottom * fr
    value = value if abs(value) < np.inf else np.nan
    return value, bottom - top, along, fr, fc


@inlined
def _keys_slopes(t):
    """Slopes of the weights in `resample._keys`."""
    t2 = t * t
    return (
        -1.5 * t2 + 2.0 * t - 0.5,
        4.5 * t2 - 5.0 * t,
        -4.5 * t2 + 4.0 * t + 0.5,
        1.5 * t2 - t,
    )


@inlined
def _cubic(source, row0, col0, rows, cols, r, c):
    """Value, slopes and place in the patch, as `resample.cubic`."""
    if not (1.0 <= r < rows - 2 and 1.0 <= c < cols - 2):
        return _bilinear(source, row0, col0, rows, cols, r, c)
    height, width = source.shape
    i = int(math.floor(r))
    j = int(math.floor(c))
    fr = r - i
    fc = c - j
    i -= row0 + 1
    j -= col0 + 1
    if i < 0 or j < 0 or i + 3 >= height or j + 3 >= width:
        return LEFT, 0.0, 0.0, 0.0, 0.0
    wr, wc = _keys(fr), _keys(fc)
    sr, sc = _keys_slopes(fr), _keys_slopes(fc)
    value = down = along = 0.0
    for m in range(4):
        line = slope = 0.0
        for n in range(4):
            z = np.float64(source[np.uintp(i + m), np.uintp(j + n)])
            line += wc[n] * z
            slope += sc[n] * z
        value += wr[m] * line
        down += sr[m] * line
        along += wr[m] * slope
    if not abs(value) < np.inf:
        return _bilinear(source, row0, col0, rows, cols, r, c)
    return value, down, along, fr, fc


@inlined
def _patch(source, row0, col0, rows, cols, kind, row, col):
    """Value, slopes along rows and columns and place in the patch of the surface at a point."""
    if kind == BILINEAR:
        return _bilinear(source, row0, col0, rows, cols, _on_node(row - 0.5), _on_node(col - 0.5))
    if kind == CUBIC:
        return _cubic(source, row0, col0, rows, cols, _on_node(row - 0.5), _on_node(col - 0.5))
    if not (0.0 <= row < rows and 0.0 <= col < cols):
        return np.nan, 0.0, 0.0, 0.0, 0.0
    i = int(math.floor(row)) - row0
    j = int(math.floor(col)) - col0
    if i < 0 or j < 0 or i >= source.shape[0] or j >= source.shape[1]:
        return LEFT, 0.0, 0.0, 0.0, 0.0
    value = np.float64(source[i, j])
    return value if abs(value) < np.inf else np.nan, 0.0, 0.0, 0.0, 0.0


@inlined
def _nearby(source, row0, col0, rows, cols, base, row, col):
    """Height above `base` of the node nearest to a point, or of one beside it; NaN where there is none."""
    if not (abs(row) < 1e9 and abs(col) < 1e9):
        return np.nan
    i = min(max(int(math.floor(row)), 0), rows - 1)
    j = min(max(int(math.floor(col)), 0), cols - 1)
    height, width = source.shape
    if i < row0 or j < col0 or i >= row0 + height or j >= col0 + width:
        return LEFT
    value = np.float64(source[np.uintp(i - row0), np.uintp(j - col0)])
    if abs(value) < np.inf:
        return value - base
    for m in range(max(i - 1, 0), min(i + 2, rows)):
        for n in range(max(j - 1, 0), min(j + 2, cols)):
            if m < row0 or n < col0 or m >= row0 + height or n >= col0 + width:
                return LEFT
            value = np.float64(source[m - row0, n - col0])
            if abs(value) < np.inf:
                return value - base
    return np.nan


@inlined
def _improve(off, patch, lean_row, lean_col, k):
    """Step of the height that closes a gap `off`, and whether nothing is left to do after it."""
    _, down, along, fr, fc = patch
    slope = 1.0 + lean_row * down + lean_col * along
    newton = k < _NEWTON and slope > _STEEPEST
    step = off / slope if newton else off
    move = max(abs(lean_row), abs(lean_col)) * abs(step)
    done = move <= _TOLERANCE
    if not done and newton and move <= _SMALL and fr > 0.0 and fc > 0.0:
        fr -= lean_row * step
        fc -= lean_col * step
        done = 0.0 <= fr <= 1.0 and 0.0 <= fc <= 1.0
    return step, done


@inlined
def _meet(source, row0, col0, rows, cols, kind, base, row, col, lean_row, lean_col):
    """Height above `base` at which a line meets the surface; NaN where there is none, or LEFT."""
    reach = max(abs(lean_row), abs(lean_col))
    h = _nearby(source, row0, col0, rows, cols, base, row, col) if reach > 0.0 else 0.0
    for k in range(_ROUNDS):
        if not abs(h) * reach <= MOST:
            return LEFT if h == LEFT else np.nan
        patch = _patch(source, row0, col0, rows, cols, kind, row - lean_row * h, col - lean_col * h)
        if not abs(patch[0]) < np.inf:
            return patch[0]
        step, done = _improve(patch[0] - base - h, patch, lean_row, lean_col, k)
        h += step
        if done:
            return h
    return np.nan


@kernel
def over_window(
    source, row0, col0, rows, cols, kind, base, lean_row, lean_col, place, gain, row, col, out
):
    """Heights of the moved surface at the pixels of a window that begins at (row, col).

    `place` (3, 3) gives row and column of the source and the plane's height as 1, row, col of a pixel's centre times
    its lines. Returns how many pixels need more of the source than `source`, which begins at (row0, col0) and is a
    part of `rows` x `cols`; they are NaN.
    """
    left = 0
    for i in range(out.shape[0]):
        y = row + i + 0.5
        for j in range(out.shape[1]):
            x = col + j + 0.5
            at_row = place[0, 0] + place[0, 1] * y + place[0, 2] * x
            at_col = place[1, 0] + place[1, 1] * y + place[1, 2] * x
            h = _meet(
                source, row0, col0, rows, cols, kind, base, at_row, at_col, lean_row, lean_col
            )
            left += h == LEFT
            flat = place[2, 0] + place[2, 1] * y + place[2, 2] * x
            out[i, j] = flat + gain * h if abs(h) < np.inf else np.nan
    return left


@kernel
def shifted(source, row0, col0, kind, transform, place, moved, up, x, y, out):
    """Heights at points (x, y) of a surface that a shift brings from `place` (x, y) to `moved`; NaN for none.

    `transform` are the six numbers of the affine transform from column and row of the source to x and y.
    """
    a, b, c, d, e, f = transform
    area = a * e - b * d
    for k in range(x.size):
        # What is large cancels first.
        u, v = x[k] - moved[0] + (place[0] - c), y[k] - moved[1] + (place[1] - f)
        row, col = (a * v - d * u) / area, (e * u - b * v) / area
        if kind == CUBIC:
            height = cubic_cell(source, row0, col0, row, col)
        else:
            height = bilinear_cell(source, row0, col0, row, col)
        out[k] = height + up if abs(height) < np.inf else np.nan


@kernel
def at_points(
    source, row0, col0, rows, cols, kind, base, lean_row, lean_col, place, gain, u, v, out
):
    """Heights of the moved surface at points (u, v): the same, with 1, u, v for 1, row, col.

    `out` is LEFT where more of the source is needed.
    """
    for k in range(u.size):
        at_row = place[0, 0] + place[0, 1] * u[k] + place[0, 2] * v[k]
        at_col = place[1, 0] + place[1, 1] * u[k] + place[1, 2] * v[k]
        h = _meet(source, row0, col0, rows, cols, kind, base, at_row, at_col, lean_row, lean_col)
        out[k] = place[2, 0] + place[2, 1] * u[k] + place[2, 2] * v[k] + gain * h


@inlined
def _slopes(t):
    """Slopes of quadratic Lagrange weights."""
    return 4.0 * t - 3.0, 4.0 - 8.0 * t, 4.0 * t - 1.0


@inlined
def _through(nodes, good, first_i, first_j, step, x, y):
    """Row and column of a place in the plane by a lattice, and their derivatives by x and by y."""
    tx, ty = x / step, y / step
    if not (abs(tx) < 1e15 and abs(ty) < 1e15):
        return np.nan, 0.0, 0.0, 0.0, 0.0, 0.0
    j = int(math.floor(tx))
    i = int(math.floor(ty))
    fx, fy = tx - j, ty - i
    i -= first_i
    j -= first_j
    if i < 0 or j < 0 or i >= good.shape[0] or j >= good.shape[1] or not good[i, j]:
        return UNKNOWN, 0.0, 0.0, 0.0, 0.0, 0.0
    wx, wy = quadratic_weights(fx), quadratic_weights(fy)
    sx, sy = _slopes(fx), _slopes(fy)
    row = col = row_x = row_y = col_x = col_y = 0.0
    for m in range(3):
        line_r = line_c = slope_r = slope_c = 0.0
        for n in range(3):
            r, c = nodes[0, 2 * i + m, 2 * j + n], nodes[1, 2 * i + m, 2 * j + n]
            line_r += wx[n] * r
            line_c += wx[n] * c
            slope_r += sx[n] * r
            slope_c += sx[n] * c
        row += wy[m] * line_r
        col += wy[m] * line_c
        row_x += wy[m] * slope_r
        col_x += wy[m] * slope_c
        row_y += sy[m] * line_r
        col_y += sy[m] * line_c
    return row, col, row_x / step, row_y / step, col_x / step, col_y / step


@kernel
def pixels_through_lattice(place, net, first_i, first_j, step, good, u, v, row, col):
    """Row and column of points (u, v), as in `through_lattice`; not finite where the lattice does not hold."""
    for p in range(u.size):
        x = place[0, 0] + place[0, 1] * u[p] + place[0, 2] * v[p]
        y = place[1, 0] + place[1, 1] * u[p] + place[1, 2] * v[p]
        at = _through(net, good, first_i, first_j, step, x, y)
        row[p], col[p] = at[0], at[1]


@kernel
def through_lattice(
    source,
    row0,
    col0,
    rows,
    cols,
    kind,
    base,
    lean_x,
    lean_y,
    place,
    gain,
    net,
    first_i,
    first_j,
    step,
    good,
    u,
    v,
    out,
):
    """Heights of the moved surface at points (u, v) by a lattice of the pixels of a plane.

    `place` (3, 3) gives x and y in the plane, and its height, as 1, u, v times its lines; a line of points leads by
    `lean_x`, `lean_y` in the plane for each metre above `base`. `net` (2, n, m) holds row and column of the source at
    every half cell of the lattice, whose cells are `step` wide, lie at multiples of it and begin at (`first_i`,
    `first_j`); `good` tells which hold. `out` is LEFT where more of the source is needed, UNKNOWN where the lattice
    does not hold.
    """
    reach = max(abs(lean_x), abs(lean_y))
    for p in range(u.size):
        x = place[0, 0] + place[0, 1] * u[p] + place[0, 2] * v[p]
        y = place[1, 0] + place[1, 1] * u[p] + place[1, 2] * v[p]
        h = 0.0
        out[p] = np.nan
        for _ in range(_ROUNDS):
            # The line in pixels is straight but for little: taken as such from where it met the surface last.
            at = _through(net, good, first_i, first_j, step, x - lean_x * h, y - lean_y * h)
            if not abs(at[0]) < np.inf:
                out[p] = at[0]
                break
            lean_row = at[2] * lean_x + at[3] * lean_y
            lean_col = at[4] * lean_x + at[5] * lean_y
            row, col = at[0] + lean_row * h, at[1] + lean_col * h
            met = _meet(source, row0, col0, rows, cols, kind, base, row, col, lean_row, lean_col)
            if not abs(met) < np.inf:
                out[p] = met
                break
            far = reach * abs(met - h)
            h = met
            if far <= _STRAIGHT * step:
                out[p] = place[2, 0] + place[2, 1] * u[p] + place[2, 2] * v[p] + gain * h
                break
