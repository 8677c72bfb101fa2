"""The direction along which differences vary, and across which they do not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trueground.kernels import profile

Float = NDArray[np.float64]
_COARSE = 50_000  # cells that are looked at in all directions
_FINE = 300_000  # and close to the best of them
_MOST_NODES = 256
_FEWEST_NODES = 16
_PIXELS = 4.0  # between two nodes, at least
_CLOSE = 1e-4  # rad


def best_direction(  # noqa: PLR0917 (cells)
    x: Float, y: Float, values: Float, weights: Float, *, pixel: float
) -> tuple[float, float]:
    """Return the bearing along which a curve explains most of the values' variance, and the share that it explains.

    All directions are tried first, in steps by which the ends of the area move by one node of the curve, then those
    between the neighbours of the best one. Nothing is left to chance: the same values give the same direction.

    Parameters
    ----------
    x, y
        (n,) places about the middle of the area [m].
    values
        (n,) without blunders.
    weights
        (n,).
    pixel
        Distance between neighbouring cells [m]: a curve has no nodes closer than 4 of them.

    Returns
    -------
    bearing
        Degrees clockwise from north, from 0 below 180.
    explained
        Share of the variance.
    """
    from scipy.optimize import minimize_scalar

    reach = float(np.hypot(x, y).max()) or 1.0
    number = int(np.clip(2.0 * reach / (_PIXELS * pixel), _FEWEST_NODES, _MOST_NODES))
    drawn = np.random.default_rng(0).random(x.size)  # a row of every so many would alias with rows
    about = values - np.average(values, weights=weights)
    few, many = (
        [np.ascontiguousarray(v[drawn * x.size < most]) for v in (x, y, about, weights)]
        for most in (_COARSE, _FINE)
    )
    step = 1.0 / number
    turns = np.arange(0.0, np.pi, step)
    shares = [_explained(few, turn, reach=reach, number=number) for turn in turns]
    best = float(turns[int(np.argmax(shares))])
    found = minimize_scalar(
        lambda turn: -_explained(many, float(turn), reach=reach, number=number),
        bounds=(best - step, best + step), method="bounded", options={"xatol": _CLOSE},
    )  # fmt: skip
    total = float((many[3] * many[2] ** 2).sum())
    share = -float(found.fun) / total if total > 0.0 else 0.0
    return float(np.degrees(found.x)) % 180.0, share


def _explained(cells: list[Float], turn: float, *, reach: float, number: int) -> float:
    """Return the part of the sum of weights x values^2 that means along a direction explain.

    Cells are x, y, values and weights.
    Each value counts for the two nodes next to it, as much as it is near: then it changes smoothly with the
    direction.
    """
    counts, sums = np.empty((2, number))
    scale = 0.5 * (number - 1.0) / reach
    profile.along(*cells, scale * np.sin(turn), scale * np.cos(turn), counts, sums)
    used = counts > 0.0
    return float((sums[used] ** 2 / counts[used]).sum())
