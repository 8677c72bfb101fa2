"""Symmetric matrices out of their bands."""

from __future__ import annotations

import numpy as np


def whole(band):
    """Return the matrix (size, size) of a band (size, width + 1) of what is on the main diagonal and below."""
    out = np.zeros((len(band), len(band)))
    for j, column in enumerate(band):
        number = min(len(column), len(band) - j)
        out[j : j + number, j] = out[j, j : j + number] = column[:number]
    return out
