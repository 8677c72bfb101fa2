"""The natural cubic spline that is as smooth as the scatter of what it goes through allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
_LEAST_LOG, _MOST_LOG = (
    -12.0,
    12.0,
)  # of the smoothness, in natural logarithms about where both parts weigh alike


def smoother(nodes: Float, values: Float, weights: Float) -> Float:
    r"""Return the matrix that turns values at nodes into those of a smoothing spline.

    The spline minimises :math:`\sum_i w_i (v_i - s(u_i))^2 + \lambda \int s''(u)^2 du`. Its values at the nodes are
    :math:`(1 + \lambda W^{-1} K)^{-1} v` with :math:`K = Q R^{-1} Q^T` of second differences :math:`Q` and the Gram
    matrix :math:`R` of their hat functions, and :math:`\lambda` is that of the least generalised cross-validation.

    Parameters
    ----------
    nodes
        (n,) rising numbers, from 5 of them.
    values, weights
        (n,); weights are 1 / variance, but for a factor.

    Returns
    -------
    (n, n).

    References
    ----------
    Green & Silverman (1994): Nonparametric regression and generalized linear models, sections 2.1.2 and 3.3,
    doi:10.1201/b15710. Craven & Wahba (1979), Numerische Mathematik 31, 377-403, doi:10.1007/BF01404567.
    """
    from scipy.optimize import minimize_scalar

    root = np.sqrt(weights / weights.mean())
    # In units of W^1/2 the penalty is symmetric: one decomposition serves all lambdas.
    penalty, turned = np.linalg.eigh(_penalty(nodes) / np.outer(root, root))
    penalty = np.maximum(penalty, 0.0)
    part = turned.T @ (root * values)
    middle = -float(
        np.log(np.median(penalty[2:]))
    )  # the first two are straight lines, and cost nothing

    def score(log: float) -> float:
        lost = 1.0 - 1.0 / (1.0 + np.exp(log) * penalty)
        return float(((lost * part) ** 2).sum() / lost.mean() ** 2)

    logs = middle + np.linspace(_LEAST_LOG, _MOST_LOG, 49)
    best = float(logs[int(np.argmin([score(log) for log in logs]))])
    step = float(logs[1] - logs[0])
    found = minimize_scalar(score, bounds=(best - step, best + step), method="bounded")
    kept = 1.0 / (1.0 + np.exp(float(found.x)) * penalty)
    return np.asarray((turned * kept) @ turned.T * root / root[:, np.newaxis])


def _penalty(nodes: Float) -> Float:
    """Return the matrix of which v' K v is the integral of the squared second derivative."""
    step = np.diff(nodes) / np.mean(np.diff(nodes))
    number = nodes.size
    second = np.zeros((number, number - 2))
    gram = np.zeros((number - 2, number - 2))
    inner = np.arange(number - 2)
    second[inner, inner] = 1.0 / step[:-1]
    second[inner + 1, inner] = -1.0 / step[:-1] - 1.0 / step[1:]
    second[inner + 2, inner] = 1.0 / step[1:]
    gram[inner, inner] = (step[:-1] + step[1:]) / 3.0
    gram[inner[1:], inner[:-1]] = gram[inner[:-1], inner[1:]] = step[1:-1] / 6.0
    return np.asarray(second @ np.linalg.solve(gram, second.T))
