"""How differences of heights answer to a small motion, by the gradient of the terrain."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trueground.errors import FitError

Float = NDArray[np.float64]
Motion = Literal["translation", "rigid", "similarity"]
UNKNOWNS: dict[Motion, int] = {"translation": 3, "rigid": 6, "similarity": 7}
"""How many numbers each kind of motion has: shift (3), rotation vector (3), scale - 1."""
_LEAST_RELIEF = 1e-4  # rise over run by which slopes must differ the weaker way


def gradient_design(slope_x: Float, slope_y: Float) -> Float:
    """Return (n, 3): how a difference answers to a shift in x, y and z."""
    return np.column_stack([-slope_x, -slope_y, np.ones(slope_x.size)])


def motion_design(  # noqa: PLR0917 (a point is three)
    x: Float, y: Float, z: Float, slope_x: Float, slope_y: Float, *, motion: Motion
) -> Float:
    r"""Return (n, 3, 6 or 7): how a difference answers to each part of a motion.

    A point :math:`p = (X, Y, Z)` about the centroid, moved by :math:`d = t + \omega \times p + \sigma p`, changes the
    height of the surface at a fixed place by :math:`d_z - g_x d_x - g_y d_y`, where :math:`g` is the gradient of the
    terrain.

    Parameters
    ----------
    x, y, z
        (n,) points about the centroid [m].
    slope_x, slope_y
        (n,) gradient [m per m].
    motion
        What is looked for.
    """
    design = np.empty((x.size, UNKNOWNS[motion]))
    design[:, 0], design[:, 1], design[:, 2] = -slope_x, -slope_y, 1.0
    if motion != "translation":
        design[:, 3], design[:, 4] = y + slope_y * z, -x - slope_x * z
        design[:, 5] = slope_x * y - slope_y * x
    if motion == "similarity":
        design[:, 6] = z - slope_x * x - slope_y * y
    return design


def require_two_ways(design: Float) -> None:
    """Raise where slopes do not differ in two directions.

    Raises
    ------
    FitError
        With how much they differ the weaker way.
    """
    slopes = design[:, :2] - design[:, :2].mean(axis=0)
    least = float(np.sqrt(np.linalg.eigvalsh(slopes.T @ slopes / len(slopes))[0]))
    if not least > _LEAST_RELIEF:
        msg = (
            f"slopes of the terrain differ by {least:.2g} only in one direction: it is flat, or all slopes face "
            "one way, and a shift that way leaves no trace; take a larger area or vertical-shift"
        )
        raise FitError(msg)
