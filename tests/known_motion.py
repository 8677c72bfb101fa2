"""Known rigid motions of known terrain, and terrain that fixes none."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from known_terrain import ORIGIN, height
from trueground.raster import ArrayRaster

UNFIXED = {
    "flat": lambda x, y: 100.0 + 0.0 * (x + y),
    "one slope": lambda x, y: 100.0 + 0.3 * (y - ORIGIN[1]) + 0.0 * x,
    "one sine": lambda x, y: 100.0 + 50.0 * np.sin((x - ORIGIN[0]) / 200.0) + 0.0 * y,
}
"""Surfaces that a horizontal shift leaves as they are, at least one way."""


def steep(x, y):
    """Terrain with slopes of 30 degrees, the median."""
    return 3.0 * height(x, y)


def moved_away(on, centroid, shift, degrees, scale=1.0):
    """Make the DEM that a motion about a centroid brings onto the truth."""
    linear = scale * Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    x, y = np.broadcast_arrays(*on.xy(*on.window.pixel_centres()))
    z = height(x, y)
    for _ in range(30):  # the point (x, y, z) of the moving surface comes to lie on the true one
        p = np.stack([x, y, z]) - np.reshape(centroid, (3, 1, 1))
        at = np.einsum("ij,j...->i...", linear, p) + np.reshape(np.add(centroid, shift), (3, 1, 1))
        z = z + (height(at[0], at[1]) - at[2]) / linear[2, 2]
    return ArrayRaster(array=z.astype(np.float32), grid=on)


def centre(on):
    west, south, east, north = on.bounds
    return (west + east) / 2.0, (south + north) / 2.0


def about(alignment, point):
    """Where a motion brings a point."""
    matrix, c = np.asarray(alignment.matrix), np.asarray(alignment.centroid)
    return matrix[:3, :3] @ (np.asarray(point) - c) + matrix[:3, 3] + c


def shift_of(alignment):
    return np.array([alignment.shift_x, alignment.shift_y, alignment.shift_z])
