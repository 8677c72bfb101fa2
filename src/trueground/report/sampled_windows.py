"""Windows spread over a raster: what is asked of them costs the same of a raster of any size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trueground.grid import Grid, Window

_SIDE = 256  # px
_WINDOWS = 120  # at most


def sampled_windows(grid: Grid) -> Sequence[Window]:
    """Return all of a small grid in windows, or some windows evenly spread over a large one."""
    windows = [b.core for b in grid.blocks(_SIDE)]
    chosen = np.unique(np.linspace(0, len(windows) - 1, _WINDOWS).astype(int))
    return [windows[k] for k in chosen]
