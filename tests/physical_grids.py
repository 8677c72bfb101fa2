"""The manufacturers' physical models: ground positions of a lattice of image points at several heights."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

# Grid, and the RPC of the same image.
GRIDS = {
    "ventoux left": ("ventoux/GRID_PHR1B_P_201308051042194_SEN_690908101-001.tif", "ventoux/left_image.geom"),
    "ventoux right": ("ventoux/GRID_PHR1B_P_201308051042523_SEN_690908101-002.tif", "ventoux/right_image.geom"),
    "2018": ("phr_2018/GRID_P1BP--2018122638935449CP.tif", "phr_2018/PHRDIMAP_P1BP--2018122638935449CP.XML"),
    "2017": ("phr_2017/GRID_P1BP--2017092838284574CP.tif", "phr_2017/RPC_P1BP--2017092838284574CP.XML"),
}  # fmt: skip


def physical_grid(folder: Path, name: str) -> tuple[np.ndarray, ...]:
    """Return row, col, lon, lat, height, each (levels, rows, columns)."""
    import rasterio

    with rasterio.open(folder / GRIDS[name][0]) as grid:
        bands = grid.read()
        tags = {**grid.tags(), **grid.tags(ns="GTiff")}
        t = grid.transform
    altitudes = {
        int(match[1]): float(value)
        for key, value in tags.items()
        if (match := re.fullmatch(r"(?:LG_)?ALTITUDE_B(\d+)", key))
    }
    heights = np.array([altitudes[2 * k] for k in range(len(bands) // 2)])
    # The transform's origin is the first node (see the data's README), corner-based.
    row = t.f + t.e * np.arange(bands.shape[1])
    col = t.c + t.a * np.arange(bands.shape[2])
    height, row, col = np.meshgrid(heights, row, col, indexing="ij")
    return row, col, bands[0::2], bands[1::2], height
