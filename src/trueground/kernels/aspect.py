"""Which way slopes face, and what differences of heights over them tell of a shift."""

from __future__ import annotations

import math

import numpy as np

from trueground.kernels import kernel, medians
from trueground.kernels.symmetric import eigen, made_of


@kernel
def directions(slope_x, slope_y, count, steepness, number):
    """Fill the tangent of each slope, and the bin, of `count` of a full turn from west, of the way it rises."""
    for i in range(slope_x.size):
        x, y = slope_x[i], slope_y[i]
        steepness[i] = math.sqrt(x * x + y * y)
        turn = math.atan2(np.float32(y), np.float32(x)) * np.float32(0.5 / np.pi) + np.float32(0.5)
        number[i] = min(int(turn * np.float32(count)), count - 1)


@kernel
def binned(slopes, bins, count, flattest, use, steepness, number, solve):
    """Leave out slopes that are too flat to face anywhere, and number the bins that are filled from 0.

    Filled in are which slopes are left, their tangents, the number of the bin of each, and, for each filled bin,
    `solve` (2, count): from medians to the shift, by least squares of a cosine and a constant. Returns how many slopes
    and bins there are, and the least and the greatest eigenvalue of the normal equations.
    """
    size = filled = 0
    rank = np.full(count, -1)
    for i in range(slopes.size):
        if slopes[i] > flattest:
            use[size], steepness[size], number[size] = i, slopes[i], bins[i]
            rank[bins[i]] = 0
            size += 1
    design, gram = np.empty((3, count)), np.zeros((3, 3))
    for k in range(count):
        if rank[k] == 0:
            rank[k] = filled
            angle = ((k + 0.5) / count - 0.5) * 2.0 * np.pi
            design[0, filled], design[1, filled] = -math.cos(angle), -math.sin(angle)
            design[2, filled] = 1.0
            filled += 1
    for i in range(size):
        number[i] = rank[number[i]]
    for k in range(filled):
        for a in range(3):
            for b in range(3):
                gram[a, b] += design[a, k] * design[b, k]
    values, ways, back = np.empty(3), np.empty((3, 3)), np.empty((3, 3))
    eigen(gram, values, ways)
    made_of(ways, 1.0 / values, back)
    for k in range(filled):
        for a in range(2):
            solve[a, k] = (
                back[a, 0] * design[0, k] + back[a, 1] * design[1, k] + back[a, 2] * design[2, k]
            )
    return size, filled, values[0], values[2]


@kernel
def _pseudo_inverse(matrix):
    """Invert a matrix (2, 2) in place; Moore and Penrose's inverse where it has none."""
    a, b, c, d = matrix[0, 0], matrix[0, 1], matrix[1, 0], matrix[1, 1]
    area = a * d - b * c
    whole = a * a + b * b + c * c + d * d
    if abs(area) > 1e-15 * whole:
        matrix[0, 0], matrix[0, 1], matrix[1, 0], matrix[1, 1] = (
            d / area, -b / area, -c / area, a / area,
        )  # fmt: skip
    else:
        whole = max(whole, 1e-300)
        matrix[0, 0], matrix[0, 1], matrix[1, 0], matrix[1, 1] = (
            a / whole, c / whole, b / whole, d / whole,
        )  # fmt: skip


@kernel
def _answers(use, steepness, number, rise_x, rise_y, solve, back, hang):
    """Fill `back` (2, bins): from medians to the shift, as they answer to one, and `hang` (2, 2).

    They answer by the mean, in each bin, of what the differences in it do. Steep cells lie as much denser about the
    median as they are steeper, and count accordingly. `hang` holds what a wrong middle adds to the shift in x and y,
    and what a wrong place adds to the middle.
    """
    bins = back.shape[1]
    sums = np.zeros((5, bins))  # steepness, rises of those known; number and steepness of all
    for i in range(use.size):
        k = number[i]
        x, y = rise_x[use[i]], rise_y[use[i]]
        sums[3, k] += 1.0
        sums[4, k] += steepness[i]
        if abs(x) < np.inf and abs(y) < np.inf:
            sums[0, k] += steepness[i]
            sums[1, k] += x
            sums[2, k] += y
    cross = np.zeros((2, 2))
    for k in range(bins):
        if sums[0, k] > 0.0:
            for a in range(2):
                for b in range(2):
                    cross[a, b] -= solve[a, k] * sums[1 + b, k] / sums[0, k]
    _pseudo_inverse(cross)
    known = 0
    hang[:] = 0.0
    for k in range(bins):
        for a in range(2):
            back[a, k] = cross[a, 0] * solve[0, k] + cross[a, 1] * solve[1, k]
            hang[0, a] += back[a, k] * sums[3, k] / sums[4, k]
    for i in range(rise_x.size):
        if abs(rise_x[i]) < np.inf and abs(rise_y[i]) < np.inf:
            known += 1
            hang[1, 0] -= rise_x[i]
            hang[1, 1] -= rise_y[i]
    hang[1] /= max(known, 1)


@kernel
def influence(
    left, weights, scaled, some_weights, use, steepness, number, rise_x, rise_y, solve, near, out
):
    """Fill `out` (n, 3) with what each cell adds to the error of a shift in x, y and z by bins of directions.

    `left` and `scaled` are differences less their median, and over the tangent of the slope less the median of their
    bin; those with a slope are of the cells `use`. Rises of the other DEM that are NaN are not known. `near` is as in
    `medians.influence`.
    """
    bins = solve.shape[1]
    back, hang = np.empty((2, bins)), np.empty((2, 2))
    _answers(use, steepness, number, rise_x, rise_y, solve, back, hang)
    score, up = np.empty(scaled.size), np.empty(left.size)
    medians.influence(scaled, number, some_weights, bins, near, score)
    medians.influence(left, np.zeros(left.size, dtype=np.int16), weights, 1, near, up)
    out[:] = 0.0
    for i in range(use.size):
        out[use[i], 0] = back[0, number[i]] * score[i]
        out[use[i], 1] = back[1, number[i]] * score[i]
    # A wrong middle is in all bins; a wrong place has another middle.
    rest = 1.0 - hang[0, 0] * hang[1, 0] - hang[0, 1] * hang[1, 1]
    for i in range(left.size):
        z = (up[i] - hang[1, 0] * out[i, 0] - hang[1, 1] * out[i, 1]) / rest
        out[i, 0] -= hang[0, 0] * z
        out[i, 1] -= hang[0, 1] * z
        out[i, 2] = z


@kernel
def in_common(slope_x, slope_y, rise_x, rise_y):
    """Compare slopes and rises at the same places, which are NaN where they are not known.

    Returns how many are known, their covariance in the direction in which it is least, the product of their standard
    deviations there, and that direction.
    """
    mean, number = np.zeros(4), 0
    for step in range(2):
        sums = np.zeros((4, 4))
        for i in range(slope_x.size):
            one = (
                slope_x[i] - mean[0],
                slope_y[i] - mean[1],
                rise_x[i] - mean[2],
                rise_y[i] - mean[3],
            )
            if not (abs(one[2]) < np.inf and abs(one[3]) < np.inf):
                continue
            if step == 0:
                number += 1
                for a in range(4):
                    sums[0, a] += one[a]
            else:
                for a in range(4):
                    for b in range(4):
                        sums[a, b] += one[a] * one[b]
        sums /= max(number, 1)
        if step == 0:
            mean[:] = sums[0]
    both, values, ways = np.empty((2, 2)), np.empty(2), np.empty((2, 2))
    for a in range(2):
        for b in range(2):
            both[a, b] = (sums[a, 2 + b] + sums[b, 2 + a]) / 2.0
    eigen(both, values, ways)
    x, y = ways[0, 0], ways[1, 0]
    first = x * x * sums[0, 0] + 2.0 * x * y * sums[0, 1] + y * y * sums[1, 1]
    second = x * x * sums[2, 2] + 2.0 * x * y * sums[2, 3] + y * y * sums[3, 3]
    return number, values[0], math.sqrt(max(first, 0.0) * max(second, 0.0)), x, y
