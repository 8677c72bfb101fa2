"""The terms of RPC00B."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def cubic_terms(
    x: NDArray[np.float64], y: NDArray[np.float64], h: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (n, 20): the terms of a cubic in three variables in RPC00B's order, x the longitude and y the latitude."""
    terms = (np.ones_like(x), x, y, h, x * y, x * h, y * h, x * x, y * y, h * h, x * y * h, x**3, x * y * y,
             x * h * h, x * x * y, y**3, y * h * h, x * x * h, y * y * h, h**3)  # fmt: skip
    return np.stack(terms, axis=1)
