"""Robust statistics of a raster by streaming: exact, and independent of block size and order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from trueground.engine import Engine, Progress, Threads, reduce_blocks
from trueground.errors import InputError
from trueground.grid import Window
from trueground.kernels import medians
from trueground.raster import Raster
from trueground.vectors import usable

NMAD_FACTOR = 1.4826
"""Makes the median absolute deviation of normal errors their standard deviation."""

_BLOCK = 1024  # px
_HALF_KEY = 1 << 16


def nmad(values: NDArray[np.floating]) -> float:
    """Return the NMAD of finite values, 1.4826 median |v - median v|; NaN where there are none.

    References
    ----------
    Hoehle & Hoehle (2009), ISPRS J. Photogramm. 64, 398-406, eq. (5),
    doi:10.1016/j.isprsjprs.2009.02.003.
    """
    return float(NMAD_FACTOR * medians.spread(values.ravel())[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Figures of a difference of heights, in its units (metres).

    Examples
    --------
    >>> from trueground.samples import small_raster
    >>> raster = small_raster()
    >>> from trueground import statistics
    >>> found = statistics(raster)
    >>> found.count, found.median, found.mean
    (12, 5.5, 5.5)
    """

    count: int
    """Number of cells with data."""
    median: float
    """Half of the cells are lower."""
    nmad: float
    """1.4826 times the median absolute deviation from the median."""
    mean: float
    """Arithmetic mean; one blunder moves it."""
    std: float
    """Standard deviation about the mean (division by the count)."""
    rmse: float
    """Root of the mean square."""
    le90: float
    """90th percentile of the absolute value."""

    def to_dict(self) -> dict[str, float]:
        """Return a plain dictionary."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Moments:
    """Count, mean and sum of squared deviations, combined as by Chan, Golub & LeVeque (1983)."""

    count: int
    mean: float
    squares: float

    @classmethod
    def of(cls, values: NDArray[np.float32]) -> _Moments:
        if values.size == 0:
            return cls(0, 0.0, 0.0)
        mean = float(np.mean(values, dtype=np.float64))
        return cls(values.size, mean, float(np.sum((values.astype(np.float64) - mean) ** 2)))

    def __add__(self, other: _Moments) -> _Moments:
        count = self.count + other.count
        if count == 0:
            return self
        step = other.mean - self.mean
        squares = self.squares + other.squares + step**2 * self.count * other.count / count
        return _Moments(count, self.mean + step * other.count / count, squares)


def statistics(
    raster: Raster,
    *,
    valid: Raster | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Statistics:
    """Return count, median, NMAD, mean, standard deviation, RMSE and LE90 of a raster's first band.

    Median and quantiles are exact order statistics of the float32 values, found by counting the
    upper and then the lower half of their bits: four passes over the raster, with memory that does
    not grow.

    Parameters
    ----------
    raster
        Raster of real numbers, such as a `Difference`.
    valid
        Mask on the same grid; cells where it is 0 or has no data are left out.
    engine
        Where blocks are read; threads on all processors by default.
    progress
        Called with blocks done and their total, over all passes.

    Raises
    ------
    InputError
        Where the mask lies on another grid.

    Examples
    --------
    >>> from trueground.samples import small_raster
    >>> raster = small_raster()
    >>> from trueground import statistics
    >>> round(statistics(raster).nmad, 3)
    4.448
    """
    if valid is not None and valid.grid != raster.grid:
        msg = (
            f"the mask lies on {valid.grid} and the raster on {raster.grid}: "
            "bring it there with warp.on_grid"
        )
        raise InputError(msg)
    windows = [b.core for b in raster.grid.blocks(_BLOCK)]
    use = engine or Threads()
    passes = [0]

    def values_of(window: Window) -> NDArray[np.float32]:
        values = raster.read(window)[0]
        keep = np.isfinite(values)
        if valid is not None:
            keep &= usable(valid, window)
        out: NDArray[np.float32] = values[keep].astype(np.float32)
        return out

    def step(done: int, total: int) -> None:
        if progress is not None:
            progress(passes[0] * total + done, 4 * total)
        if done == total:
            passes[0] += 1

    def run(partial: Callable[[NDArray[np.float32]], NDArray[np.int64]]) -> NDArray[np.int64]:
        total = reduce_blocks(use, lambda w: partial(values_of(w)), np.add, windows, progress=step)
        return np.zeros(0, dtype=np.int64) if total is None else total

    first = reduce_blocks(
        use,
        lambda w: _first_pass(values_of(w)),
        lambda a, b: (a[0] + b[0], a[1] + b[1]),
        windows,
        progress=step,
    )
    moments, upper = (
        (_Moments(0, 0.0, 0.0), np.zeros((2, _HALF_KEY), dtype=np.int64))
        if first is None
        else first
    )
    if moments.count == 0:
        nan = float("nan")
        return Statistics(count=0, median=nan, nmad=nan, mean=nan, std=nan, rmse=nan, le90=nan)
    middle, far = _quantile_ranks(moments.count, 0.5), _quantile_ranks(moments.count, 0.9)
    bins_middle, bins_far = _bins(upper[0], middle), _bins(upper[1], far)
    lower = run(
        lambda v: np.concatenate(
            [_lower_counts(v, bins_middle), _lower_counts(np.abs(v), bins_far)]
        )
    )
    cut = len(bins_middle)
    median = _interpolate(
        moments.count, 0.5, _select(upper[0], bins_middle, lower[:cut], ranks=middle)
    )
    le90 = _interpolate(moments.count, 0.9, _select(upper[1], bins_far, lower[cut:], ranks=far))

    def deviation(values: NDArray[np.float32]) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):  # beyond float32: infinite
            return np.abs(values.astype(np.float64) - median).astype(np.float32)

    upper = run(lambda v: _upper_counts(deviation(v)))
    bins = _bins(upper, middle)
    lower = run(lambda v: _lower_counts(deviation(v), bins))
    mad = _interpolate(moments.count, 0.5, _select(upper, bins, lower, ranks=middle))
    variance = moments.squares / moments.count
    return Statistics(
        count=moments.count,
        median=median,
        nmad=NMAD_FACTOR * mad,
        mean=moments.mean,
        std=float(np.sqrt(variance)),
        rmse=float(np.sqrt(variance + moments.mean**2)),
        le90=le90,
    )


def _keys(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Map float32 to integers of the same order."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))


def _from_key(key: int) -> float:
    bits = np.array([key], dtype=np.uint32)
    bits = np.where(bits >> 31, bits & np.uint32(0x7FFFFFFF), ~bits)
    return float(bits.view(np.float32)[0])


def _upper_counts(values: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.bincount(_keys(values) >> 16, minlength=_HALF_KEY)


def _lower_counts(values: NDArray[np.float32], bins: Sequence[int]) -> NDArray[np.int64]:
    keys = _keys(values)
    upper = keys >> 16
    return np.stack([np.bincount(keys[upper == b] & 0xFFFF, minlength=_HALF_KEY) for b in bins])


def _first_pass(values: NDArray[np.float32]) -> tuple[_Moments, NDArray[np.int64]]:
    return _Moments.of(values), np.stack([_upper_counts(values), _upper_counts(np.abs(values))])


def _quantile_ranks(count: int, share: float) -> list[int]:
    position = (count - 1) * share
    return sorted({int(np.floor(position)), int(np.ceil(position))})


def _bins(counts: NDArray[np.int64], ranks: Sequence[int]) -> list[int]:
    cumulated = np.cumsum(counts)
    return sorted({int(np.searchsorted(cumulated, rank, side="right")) for rank in ranks})


def _select(
    upper: NDArray[np.int64], bins: Sequence[int], lower: NDArray[np.int64], *, ranks: Sequence[int]
) -> list[float]:
    """Return the values of the given ranks from the counts of their upper and lower halves."""
    cumulated = np.cumsum(upper)
    found = []
    for rank in ranks:
        b = int(np.searchsorted(cumulated, rank, side="right"))
        before = int(cumulated[b]) - int(upper[b])
        within = np.cumsum(lower[bins.index(b)])
        found.append(
            _from_key((b << 16) | int(np.searchsorted(within, rank - before, side="right")))
        )
    return found


def _interpolate(count: int, share: float, values: Sequence[float]) -> float:
    """Interpolate between two order statistics, as numpy does to the last bit."""
    position = (count - 1) * share
    low, high = values[0], values[-1]
    if share == 0.5:
        return (low + high) / 2.0
    if low == high:  # also where both are infinite
        return low
    t = float(position - np.floor(position))
    return high - (high - low) * (1.0 - t) if t >= 0.5 else low + (high - low) * t
