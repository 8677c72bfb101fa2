"""Motions of space: a rotation, a scale and a shift, as a 4 x 4 matrix about a centroid.

A matrix with linear part `R` (3 x 3) and last column `t`, about a centroid `c`, brings a point `p`
to `R (p - c) + t + c`. The centroid keeps numbers small: coordinates of DEMs count from far away,
and a rotation about that origin asks for a shift of kilometres to undo it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]
_STILL = np.eye(3)
_STILL_LINES = tuple(map(tuple, _STILL.tolist()))


def compose(  # noqa: PLR0917 (two motions)
    first: ArrayLike, first_centroid: ArrayLike, second: ArrayLike, second_centroid: ArrayLike
) -> Float:
    r"""Return the matrix, about the first's centroid, of a motion and then another.

    :math:`R = R_2 R_1` and :math:`t = R_2 t_1 + t_2 + (R_2 - 1)(c_1 - c_2)`.

    Examples
    --------
    >>> turn, shift = small([0, 0, 0, 0, 0, 0.1, 0]), small([1, 2, 3, 0, 0, 0, 0])
    >>> compose(turn, [0, 0, 0], shift, [5, 5, 5])[:3, 3]
    array([1., 2., 3.])
    """
    one, two = _matrix(first), about(second, second_centroid, first_centroid)
    return two @ one


def invert(matrix: ArrayLike, centroid: ArrayLike | None = None) -> Float:  # noqa: ARG001 (says about what)
    r"""Return the matrix that undoes a motion, about the same centroid: the same numbers about any.

    :math:`R^{-1}` and :math:`-R^{-1} t`.
    """
    m = _matrix(matrix)
    out = np.eye(4)
    out[:3, :3] = np.linalg.inv(m[:3, :3])
    out[:3, 3] = -out[:3, :3] @ m[:3, 3]
    return out


def about(matrix: ArrayLike, old: ArrayLike, new: ArrayLike) -> Float:
    r"""Return the matrix of the same motion about another centroid.

    :math:`t' = t + (R - 1)(c' - c)`. About the origin of the CRS, (0, 0, 0), it can be applied
    without a centroid. What is lost then is round-off: parts of a rotation matrix hold 16 digits,
    so that points 8,000 km from the origin move within 5e-9 m of where they do about a centroid
    among them. In float32 it would be half a metre.
    """
    out = _matrix(matrix).copy()
    out[:3, 3] += _less_one(out) @ (_point(new) - _point(old))
    return out


def transform_points(  # noqa: PLR0917 (a point is three)
    matrix: ArrayLike, centroid: ArrayLike, x: ArrayLike, y: ArrayLike, z: ArrayLike
) -> tuple[Float, Float, Float]:
    """Return where a motion brings points; x, y, z are broadcast.

    The way is added to the place, so that a point that does not move keeps its coordinates to the
    last digit.
    """
    m, c = _matrix(matrix), _point(centroid)
    place = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (x, y, z)))
    u, v, w = (p - middle for p, middle in zip(place, c, strict=True))
    moved = [
        p + (line[0] * u + line[1] * v + line[2] * w + shift)
        for p, line, shift in zip(place, _less_one(m), m[:3, 3], strict=True)
    ]
    return moved[0], moved[1], moved[2]


def small(step: ArrayLike) -> Float:
    r"""Return the matrix of seven numbers: shift (3), rotation vector (3) [rad], scale less one.

    The rotation, by the vector's length :math:`\theta` about its direction, is Rodrigues':
    :math:`1 + K \sin\theta / \theta + K^2 (1 - \cos\theta) / \theta^2` with the cross product
    :math:`K p = \omega \times p`.
    """
    parts = np.asarray(step, dtype=np.float64)
    matrix = np.eye(4)
    matrix[:3, 3] = parts[:3]
    if not parts[3:].any():
        return matrix
    a, b, c = parts[3:6]
    cross = np.array([[0.0, -c, b], [c, 0.0, -a], [-b, a, 0.0]])
    angle = float(np.sqrt(a * a + b * b + c * c)) / np.pi  # as numpy's sinc takes it
    turn = np.eye(3) + np.sinc(angle) * cross + 0.5 * np.sinc(angle / 2.0) ** 2 * (cross @ cross)
    matrix[:3, :3] = (1.0 + parts[6]) * turn
    return matrix


def scale(matrix: ArrayLike) -> float:
    """Return what a motion multiplies lengths by."""
    if is_translation(matrix):
        return 1.0
    return float(np.cbrt(np.linalg.det(_matrix(matrix)[:3, :3])))


def rotations(matrix: ArrayLike) -> tuple[float, float, float]:
    """Return angles [degrees] about the x, y and z axis through the centroid, applied in this order."""
    if is_translation(matrix):
        return 0.0, 0.0, 0.0
    r = _matrix(matrix)[:3, :3] / scale(matrix)
    about_x = np.arctan2(r[2, 1], r[2, 2])
    about_y = -np.arcsin(np.clip(r[2, 0], -1.0, 1.0))
    about_z = np.arctan2(r[1, 0], r[0, 0])
    return float(np.degrees(about_x)), float(np.degrees(about_y)), float(np.degrees(about_z))


def is_translation(matrix: ArrayLike) -> bool:
    """Tell whether a motion shifts and does nothing else."""
    # The lines of results are tuples already.
    lines = matrix if isinstance(matrix, tuple) else map(tuple, np.asarray(matrix).tolist())
    return tuple(tuple(line[:3]) for line in lines)[:3] == _STILL_LINES


def _matrix(matrix: ArrayLike) -> Float:
    return np.asarray(matrix, dtype=np.float64)


def _point(point: ArrayLike) -> Float:
    return np.asarray(point, dtype=np.float64)


def _less_one(matrix: Float) -> Float:
    """Return the linear part less that of standing still."""
    return matrix[:3, :3] - _STILL
