"""Blocks whose shift nothing beside them bears out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trueground.stats import NMAD_FACTOR

Float = NDArray[np.float64]
_AROUND = 12  # neighbours that are looked at
_LEAST = 5
_BORNE_OUT = 2  # neighbours that agree within the standard errors: enough
_FAR = 5.0  # spreads from the neighbours' median


def outliers(places: tuple[Float, Float], shifts: Float, errors: Float) -> NDArray[np.bool_]:
    """Tell which blocks lie far off their neighbours, in x, y or z.

    Far is five times the spread of the neighbours (their NMAD: a slope or a bump is in it) and of the standard errors,
    unless two neighbours agree with the block. One wrong block among good ones is found; where half of the neighbours
    are wrong, nothing tells which half.

    Parameters
    ----------
    places
        x and y (n,) [m].
    shifts, errors
        (n, 3) [m].

    Returns
    -------
    (n,) booleans; none where there are fewer than 6 blocks.
    """
    from scipy.spatial import cKDTree

    number = len(shifts)
    if number <= _LEAST:
        return np.zeros(number, dtype=bool)
    points = np.column_stack(places)
    near = np.asarray(cKDTree(points).query(points, k=min(_AROUND + 1, number))[1])
    around = shifts[near[:, 1:]]
    middle = np.median(around, axis=1)
    spread = NMAD_FACTOR * np.median(np.abs(around - middle[:, np.newaxis]), axis=1)
    scatter = np.sqrt(spread**2 + errors**2 + np.median(errors[near[:, 1:]], axis=1) ** 2)
    far = np.abs(shifts - middle) > _FAR * scatter
    alone = np.hypot(errors[:, np.newaxis], errors[near[:, 1:]])
    agree = (np.abs(around - shifts[:, np.newaxis]) <= _FAR * alone).sum(axis=1)
    return np.asarray((far & (agree < _BORNE_OUT)).any(axis=1))
