"""Numbers that look like chance and belong to a place: the same in every block and on every machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def jitter(x: Float, y: Float) -> Float:
    """Return (2, n) numbers, even in [-0.5, 0.5), of the coordinates (n,) alone.

    Their bits are mixed by SplitMix64: Steele et al. (2014), OOPSLA, 453-472, doi:10.1145/2660193.2660195.
    """
    state = np.ascontiguousarray(x, dtype=np.float64).view(np.uint64) * _GOLDEN
    state = _mixed(state) ^ np.ascontiguousarray(y, dtype=np.float64).view(np.uint64)
    out = np.empty((2, state.size))
    for numbers in out:
        state = state + _GOLDEN
        numbers[:] = (_mixed(state) >> np.uint64(11)) * 2.0**-53 - 0.5
    return out


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * _MIX[0]
    state = (state ^ (state >> np.uint64(27))) * _MIX[1]
    return state ^ (state >> np.uint64(31))
