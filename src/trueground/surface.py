"""What computed surfaces have in common: one band of float32, NaN where there is nothing."""

from __future__ import annotations

from typing import Any

import numpy as np


class ComputedSurface:
    """A raster of real numbers that is computed when it is read; of one band, where it does not say otherwise."""

    @property
    def count(self) -> int:
        """One band."""
        return 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always float32."""
        return np.dtype(np.float32)

    @property
    def nodata(self) -> float:
        """Always NaN."""
        return float("nan")
