"""Alignment in height alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from trueground.coreg.medians import median_influence, weighted_median
from trueground.coreg.rigid.method import Seen
from trueground.coreg.rigid.stepping import SteppingMethod
from trueground.coreg.sampled import require_choice

Float = NDArray[np.float64]
Statistic = Literal["median", "mean"]


@dataclass(frozen=True, kw_only=True)
class VerticalShift(SteppingMethod):
    """Shift the moving DEM by the median of reference - moving.

    Examples
    --------
    >>> import numpy as np
    >>> from affine import Affine
    >>> from trueground.grid import Grid
    >>> from trueground.raster import ArrayRaster
    >>> grid = Grid(crs=None, transform=Affine(10, 0, 0, 0, -10, 0), shape=(50, 50))
    >>> high = ArrayRaster(array=np.full((50, 50), 102.5, dtype=np.float32), grid=grid)
    >>> low = ArrayRaster(array=np.full((50, 50), 100.0, dtype=np.float32), grid=grid)
    >>> VerticalShift().fit(high, low).shift_z
    2.5
    """

    statistic: Statistic = "median"
    """What of the differences is taken: their median or their mean, weighted where weights are given."""

    name: ClassVar[str] = "vertical-shift"
    least_samples: ClassVar[int] = 1
    needs_slopes: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("statistic", self.statistic, get_args(Statistic))

    @property
    def unknowns(self) -> tuple[int]:
        """The height alone."""
        return (2,)

    def _step(self, seen: Seen) -> Float:
        step = np.zeros(7)
        step[2] = (
            weighted_median(seen.dh, seen.weight)
            if self.statistic == "median"
            else np.average(seen.dh, weights=seen.weight)
        )
        return step

    def _influence(self, seen: Seen, rise: tuple[Float, Float]) -> Float:  # noqa: ARG002 (no slope matters)
        if self.statistic == "mean":
            mean = np.average(seen.dh, weights=seen.weight)
            share = seen.weight / seen.weight.sum()
            return np.asarray(share * (seen.dh - mean))[:, np.newaxis]
        middle = weighted_median(seen.dh, seen.weight)
        together = np.zeros(seen.dh.size, dtype=np.intp)
        return median_influence(seen.dh - middle, together, seen.weight)[:, np.newaxis]
