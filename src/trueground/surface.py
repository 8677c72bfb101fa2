"""What computed rasters of one band have in common: surfaces of real numbers, and codes in bytes."""

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


class ComputedCodes:
    """A raster of bytes that is computed when it is read: one band, 255 where there is nothing to say."""

    @property
    def count(self) -> int:
        """One band."""
        return 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always uint8."""
        return np.dtype(np.uint8)

    @property
    def nodata(self) -> float:
        """Always 255."""
        return 255.0
