"""Rivers that carve a landscape: the implicit stream-power law of the synthetic terrain."""

from __future__ import annotations

import math

import numpy as np

from trueground.kernels import kernel


@kernel
def receivers(height, cell, chance, receiver, distance):
    """Neighbour that each cell drains to (flat index); itself in a pit and in the last row.

    The steepest of eight after each slope is multiplied by a number of `chance` (8, n) in its turn:
    without it valleys run along the axes and diagonals of the grid.
    """
    rows, cols = height.shape
    for i in range(rows):
        for j in range(cols):
            at = i * cols + j
            receiver[at] = at
            distance[at] = cell
            if i == rows - 1:
                continue
            steepest = 0.0
            for k in range(9):
                di, dj = k // 3 - 1, k % 3 - 1
                if k == 4 or not (0 <= i + di < rows and 0 <= j + dj < cols):
                    continue
                way = cell * math.sqrt(float(di * di + dj * dj))
                slope = (height[i, j] - height[i + di, j + dj]) / way
                slope *= chance[k if k < 4 else k - 1, at]
                if slope > steepest:
                    steepest = slope
                    receiver[at] = (i + di) * cols + j + dj
                    distance[at] = way


@kernel
def drainage(order, receiver, area):
    """Accumulate upstream area; `order` lists the cells from the lowest to the highest."""
    for k in range(order.size - 1, -1, -1):
        at = order[k]
        if receiver[at] != at:
            area[receiver[at]] += area[at]


@kernel
def carve(height, order, receiver, distance, area, strength, exponent):
    """Erode by one implicit step, dh/dt = -K A^m dh/dx, from the lowest cell to the highest.

    `strength` is K times the step of time. Braun and Willett, Geomorphology 180-181, 2013, equation
    22, doi 10.1016/j.geomorph.2012.10.008.
    """
    for k in range(order.size):
        at = order[k]
        to = receiver[at]
        if to != at:
            f = strength * area[at] ** exponent / distance[at]
            height[at] = (height[at] + f * height[to]) / (1.0 + f)


@kernel
def fill(height, drop, water):
    """Raise pits until every cell drains to the last row, falling by `drop` a cell: into `water`.

    Sweeps in turning directions until nothing changes: Planchon and Darboux, Catena 46, 2002, doi
    10.1016/S0341-8162(01)00164-3.
    """
    rows, cols = height.shape
    water[:] = np.inf
    water[rows - 1] = height[rows - 1]
    changed = True
    turn = 0
    while changed:
        changed = False
        for p in range(rows - 1):
            i = p if turn % 2 == 0 else rows - 2 - p
            for q in range(cols):
                j = q if turn % 4 < 2 else cols - 1 - q
                if water[i, j] <= height[i, j]:
                    continue
                lowest = np.inf
                for r in range(max(i - 1, 0), min(i + 2, rows)):
                    for c in range(max(j - 1, 0), min(j + 2, cols)):
                        if r != i or c != j:
                            lowest = min(lowest, water[r, c])
                level = max(height[i, j], lowest + drop)
                if level < water[i, j]:
                    water[i, j] = level
                    changed = True
        turn += 1
