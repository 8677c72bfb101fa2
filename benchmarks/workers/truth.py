"""What a result of a coregistration misses of the truth. numpy alone: it runs in any tool's Python."""

from pathlib import Path

import numpy as np

SHIFT = (37.3, -24.1, 2.2)  # m, of scenes_dem.py
PIXEL = 10.0  # m
SAMPLES = 500_000
MARGIN = 5  # px at the border, where a DEM has no neighbours
BIASES = ("vertical-shift", "deramp", "directional-bias", "terrain-bias")


def files(folder, method):
    """Return reference and moving DEM of a method."""
    moving = method if method in BIASES else "moving"
    return Path(folder) / "reference.tif", Path(folder) / f"{moving}.tif"


def missed(folder, method, result):
    """Return errors: of the shift, or of the correction that was added to each cell."""
    if method not in BIASES:
        x, y, z = (found - true for found, true in zip(result["shift"], SHIFT, strict=True))
        return {"px": float(np.hypot(x, y)) / PIXEL, "m": abs(z)}
    bias = np.load(Path(folder) / f"{method}.npy")
    inner = (slice(MARGIN, -MARGIN),) * 2
    error = (result["added"] - bias)[inner]
    return {"m": float(np.sqrt(np.nanmean(error.astype(np.float64) ** 2)))}
