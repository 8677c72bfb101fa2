"""What rasters have in common: computed surfaces of real numbers, codes in bytes, bands of another raster."""

from __future__ import annotations

from typing import Any

import numpy as np

from trueground.shown import Shown


class ComputedSurface(Shown):
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


class ComputedCodes(Shown):
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


class OfSource(Shown):
    """A raster whose bands are those of another, its `source`."""

    __slots__ = ()
    source: Any

    @property
    def count(self) -> int:
        """Number of bands."""
        return int(self.source.count)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        found: np.dtype[Any] = self.source.dtype
        return found

    @property
    def nodata(self) -> float | None:
        """Value that stands for no data; NaN for real numbers."""
        found: float | None = self.source.nodata
        return found
