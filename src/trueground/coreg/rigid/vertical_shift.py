"""Alignment in height alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trueground.coreg.base import Alignment
from trueground.coreg.medians import median_influence, weighted_median, weighted_quantile
from trueground.coreg.pairs import Pair
from trueground.coreg.rigid.method import Seen
from trueground.coreg.rigid.stepping import SteppingMethod
from trueground.engine import Progress
from trueground.errors import InputError

Float = NDArray[np.float64]
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)")
_ENOUGH = 100_000  # differences that tell what those of a size add
_GROUPS = 50  # of sizes


@dataclass(frozen=True, kw_only=True)
class VerticalShift(SteppingMethod):
    r"""Shift the moving DEM by the median of reference - moving, or by another statistic of it.

    The standard error is made of the influence of each difference on the statistic: in closed form for the median and
    the mean. For others it is what leaving out a fiftieth of the differences, those of about one size, changes: with
    the share :math:`q` of them, :math:`(T - T_{-q}) (1 - q) / q` (Tukey's sensitivity curve; Hampel et al. 1986, Robust
    Statistics, section 2.1, doi:10.1002/9781118186435).

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
    >>> VerticalShift(statistic=np.max).fit(high, low).shift_z
    2.5
    """

    statistic: str | Callable[[Float], float] = "median"
    """What of the differences is taken: `median`, `mean` or a percentile such as `p10`, weighted where weights are
    given; or a function from differences (n,) [m] to a number that moves with them."""

    name: ClassVar[str] = "vertical-shift"
    least_samples: ClassVar[int] = 1
    needs_slopes: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if callable(self.statistic) or self.statistic in {"median", "mean"}:
            return
        if not 0.0 < _level(self.statistic) < 1.0:
            msg = (
                f"statistic {self.statistic!r}: must be median, mean, a percentile such as p10 (above 0, below 100), "
                "or a function"
            )
            raise InputError(msg)

    @property
    def unknowns(self) -> tuple[int]:
        """The height alone."""
        return (2,)

    def fit_pair(
        self, pair: Pair, *, initial: Alignment | None = None, progress: Progress | None = None
    ) -> Alignment:
        """Find the shift of a pair that has been sampled already."""
        found = super().fit_pair(pair, initial=initial, progress=progress)
        if not callable(self.statistic):
            return found
        name = getattr(self.statistic, "__qualname__", repr(self.statistic))
        return replace(found, parameters={**found.parameters, "statistic": name})

    def _step(self, seen: Seen) -> Float:
        step = np.zeros(7)
        step[2] = self._of(seen.dh, seen.weight)
        return step

    def _influence(self, seen: Seen, rise: tuple[Float, Float]) -> Float:  # noqa: ARG002 (no slope matters)
        if self.statistic == "mean":
            mean = np.average(seen.dh, weights=seen.weight)
            share = seen.weight / seen.weight.sum()
            return np.asarray(share * (seen.dh - mean))[:, np.newaxis]
        if self.statistic != "median":
            return self._sensitivity(seen)[:, np.newaxis]
        middle = weighted_median(seen.dh, seen.weight)
        together = np.zeros(seen.dh.size, dtype=np.intp)
        return median_influence(seen.dh - middle, together, seen.weight)[:, np.newaxis]

    def _of(self, dh: Float, weight: Float) -> float:
        """Return the statistic of differences.

        Raises
        ------
        InputError
            Where a function is given and the differences do not count alike, or it returns no number.
        """
        if self.statistic == "median":
            return weighted_median(dh, weight)
        if self.statistic == "mean":
            return float(np.average(dh, weights=weight))
        if not callable(self.statistic):
            return weighted_quantile(dh, weight, _level(self.statistic))
        if weight.min() < weight.max():
            msg = "weights and a function as statistic: it does not know of them; take median, mean or a percentile"
            raise InputError(msg)
        found = np.asarray(self.statistic(dh), dtype=np.float64)
        if found.shape != () or not np.isfinite(found):
            msg = f"the function given as statistic returned {found}: must be one finite number"
            raise InputError(msg)
        return float(found)

    def _sensitivity(self, seen: Seen) -> Float:
        """Return what each difference adds to the error of the statistic, (n,)."""
        every = -(-seen.dh.size // _ENOUGH)
        dh, weight = seen.dh[::every], seen.weight[::every]
        edges = np.unique(np.quantile(dh, np.arange(1, _GROUPS) / _GROUPS))
        group = np.searchsorted(edges, dh)
        whole, total = self._of(dh, weight), weight.sum()
        effect = np.zeros(edges.size + 1)
        for number in range(effect.size):
            rest = group != number
            if rest.any() and not rest.all():
                share = 1.0 - weight[rest].sum() / total
                effect[number] = (whole - self._of(dh[rest], weight[rest])) * (1.0 - share) / share
        influence = effect[np.searchsorted(edges, seen.dh)]
        share = seen.weight / seen.weight.sum()
        return np.asarray(share * (influence - share @ influence))


def _level(statistic: str) -> float:
    """Return the share of a percentile's name, 0.1 for `p10`; NaN where it is none."""
    named = _PERCENTILE.fullmatch(str(statistic))
    return float(named[1]) / 100.0 if named else float("nan")
