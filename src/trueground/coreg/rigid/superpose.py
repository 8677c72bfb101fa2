"""The motion that brings points onto others, in closed form."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueground.coreg.design import Motion

Float = NDArray[np.float64]


class Moments(NamedTuple):
    """Weighted means of points `q` and of those that they belong to, `p`, and of their products."""

    weight: float
    """Sum of the weights."""
    q: Float
    p: Float
    """(3,) means."""
    pq: Float
    """(3, 3) mean of p q^T, less the product of the means."""
    qq: float
    """Mean square of q, less that of its mean."""


def moments(q: Float, p: Float, weights: Float) -> Moments:
    """Sum up points q, p (3, n) with weights (n,)."""
    total = float(weights.sum())
    mean_q, mean_p = q @ weights / total, p @ weights / total
    q, p = q - mean_q[:, np.newaxis], p - mean_p[:, np.newaxis]
    return Moments(
        total, mean_q, mean_p, (p * weights) @ q.T / total,
        float(np.einsum("ij,ij,j->", q, q, weights)) / total,
    )  # fmt: skip


def superpose(sums: Moments, *, motion: Motion = "rigid") -> Float:
    r"""Return the motion (7,) that brings q onto p with least squares: shift, rotation vector [rad], scale - 1.

    With the singular values of the covariance :math:`\langle p q^T \rangle = U S V^T`, the rotation is
    :math:`R = U D V^T`, :math:`D = \mathrm{diag}(1, 1, \det U V^T)`, and the scale
    :math:`\mathrm{tr}(S D) / \langle |q|^2 \rangle`.

    References
    ----------
    Kabsch (1976), Acta Cryst. A32, 922-923, doi:10.1107/S0567739476001873. Umeyama (1991), IEEE Trans. PAMI 13,
    376-380, doi:10.1109/34.88573.

    Examples
    --------
    >>> q = np.array([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 3.0]])
    >>> superpose(moments(q, q + [[1.0], [2.0], [3.0]], np.ones(4))).round(9) + 0.0
    array([1., 2., 3., 0., 0., 0., 0.])
    """
    out = np.zeros(7)
    linear = np.eye(3)
    if motion != "translation":
        from scipy.spatial.transform import Rotation

        u, s, vt = np.linalg.svd(sums.pq)
        signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
        linear = (u * signs) @ vt
        out[3:6] = Rotation.from_matrix(linear).as_rotvec()
        if motion == "similarity":
            out[6] = float(s @ signs) / sums.qq - 1.0
            linear = linear * (1.0 + out[6])
    out[:3] = sums.p - linear @ sums.q
    return out
