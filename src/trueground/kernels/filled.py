"""Where a raster has values."""

from __future__ import annotations

import numpy as np

from trueground.kernels import kernel


@kernel
def counted(values, row0, col0, rows, cols):
    """Count the finite values in each row and column of a window of `values` that begins at (row0, col0).

    `rows` and `cols`, as many as the window has, are filled. Returns how many there are in all.
    """
    cols[:] = 0
    total = 0
    for i in range(rows.size):
        line = values[row0 + i, col0 : col0 + cols.size]
        number = 0
        for j in range(line.size):
            known = abs(line[j]) < np.inf
            cols[j] += known
            number += known
        rows[i] = number
        total += number
    return total
