"""The empirical variogram of a raster: how far its values differ with the distance between them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueground.engine import Engine, Progress, Threads
from trueground.errors import FitError, InputError
from trueground.grid import Grid, Window
from trueground.kernels import choice, lag_pairs
from trueground.projection import horizontal
from trueground.raster import Raster, as_float
from trueground.stats import nmad
from trueground.subsample import require_one_grid, subsample
from trueground.terrain import metres_per_unit
from trueground.vectors import usable

Float = NDArray[np.float64]
Estimator = Literal["dowd", "matheron"]

DOWD_FACTOR = 2.198
"""Makes the squared median of |differences| of normal values their mean square: 1 / 0.6745^2."""
RUNS = 10
"""Independent repetitions, whose scatter is the spread."""

_BINS_PER_OCTAVE = 2  # as `kernels.lag_pairs` has them
_SMALLEST_DISK = 6  # px, radius: all of its cells are taken
_LARGEST_DISK = 1024  # px
_GROWTH = 4  # of the radius, from one size of disks to the next
_GLOBAL_REACH = 64  # the scattered points alone serve lags down to this part of the longest
_DISKS = (120, 24)  # of a size, in each run: of small ones, of those that are wider
_SMALL = 100  # px, radius
_TOGETHER = 2000  # scattered cells of which all pairs are counted
_DISK_POINTS = 128
_LEAST_PAIRS = 200  # in a bin
_LEAST_RUNS = 5  # with pairs in a bin, for a spread
_LEAST_CELLS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Variogram:
    """Half the mean square of differences between cells, by the distance between them.

    Examples
    --------
    >>> from affine import Affine
    >>> from trueground.raster import ArrayRaster
    >>> noise = np.random.default_rng(0).normal(0.0, 2.0, (200, 200))
    >>> grid = Grid(crs=None, transform=Affine(10, 0, 0, 0, -10, 0), shape=(200, 200))
    >>> found = Variogram.of(ArrayRaster(array=noise, grid=grid))
    >>> round(found.lag[0]), round(found.semivariance[0])
    (10, 4)
    """

    lag: tuple[float, ...]
    """Mean distance of the pairs in a bin [m], rising."""
    semivariance: tuple[float, ...]
    """gamma of the bin [units of the raster, squared]."""
    spread: tuple[float, ...]
    """Standard error of it by the scatter of ten runs: of the choice of pairs, not of the field."""
    count: tuple[int, ...]
    """Pairs in the bin."""
    estimator: Estimator
    """`dowd` or `matheron`."""

    @classmethod
    def of(
        cls,
        raster: Raster,
        *,
        valid: Raster | None = None,
        estimator: Estimator = "dowd",
        samples: int = 100_000,
        longest: float | None = None,
        seed: int = 0,
        engine: Engine | None = None,
        progress: Progress | None = None,
        block_size: int = 1024,
    ) -> Variogram:
        """Estimate the variogram of a raster's first band from pairs of cells chosen by chance.

        Parameters
        ----------
        raster
            Raster of real numbers, such as a `Difference`.
        valid
            Mask on the same grid; cells where it is 0 or has no data are left out.
        estimator
            `dowd`, by medians, which blunders do not move; `matheron`, by means of squares.
        samples
            Cells scattered over the whole raster.
        longest
            Longest lag [m]; half the extent by default.
        seed
            Another one gives another choice of cells.
        engine, progress, block_size
            Where blocks of which size [px] are read, and what is told of the first pass.

        Raises
        ------
        InputError
            Where the longest lag is not positive, or the mask lies on another grid.
        FitError
            Where fewer than 100 cells have data.

        Notes
        -----
        Long lags come from cells scattered over the whole raster, shorter ones from cells within
        disks about some of them, each size of disk four times as wide as the last: every octave of
        lags has its pairs, as with the rings of Hugonnet et al. (2022), IEEE JSTARS 15, 6456-6472,
        doi:10.1109/JSTARS.2022.3188922. Cells are chosen by a hash of row and column, and the raster
        is read once and then in the windows of the disks: memory does not grow with it.

        Dowd (1984), in Verly et al., Geostatistics for natural resources characterization, 91-106:
        ``2 gamma = 2.198 median(|dz|)^2``; Matheron: ``2 gamma = mean(dz^2)``. Lags are metres: with
        a geographic CRS through the chord in space. A projection's own distortion is not undone.
        """
        if estimator not in get_args(Estimator):
            msg = (
                f"estimator {estimator!r} is not known; use one of {', '.join(get_args(Estimator))}"
            )
            raise InputError(msg)
        if longest is not None and not longest > 0.0:
            msg = f"longest lag {longest}: must be a positive number of metres"
            raise InputError(msg)
        source = as_float(raster)
        require_one_grid([source, *([] if valid is None else [valid])])
        use = engine or Threads()
        found = subsample(
            [source], samples, valid=valid, seed=seed, engine=use, progress=progress,
            block_size=block_size,
        )  # fmt: skip
        if found.rank.size < _LEAST_CELLS:
            msg = f"{found.rank.size} cells with data: a variogram needs at least {_LEAST_CELLS}"
            raise FitError(msg)
        values = found.values[0].astype(np.float64)
        pixel = _pixel(source.grid)
        reach = _half_extent(source.grid) if longest is None else longest
        pairs = _Pairs.none(pixel, reach, nmad(values) or float(np.std(values)) or 1.0)
        groups = RUNS * max(math.ceil(values.size / (RUNS * _TOGETHER)), 1)
        for group in range(groups):
            row, col = found.row[group::groups] + 0.5, found.col[group::groups] + 0.5
            at = ground_places(source.grid, row, col)
            pairs.add(group % RUNS, at, values[group::groups])
        centres = itertools.cycle(zip(found.row.tolist(), found.col.tolist(), strict=True))
        for level, radius in enumerate(_radii(reach / pixel)):
            disks = _Disks(source=source, valid=valid, radius=radius, seed=seed + 1 + level)
            chosen = list(itertools.islice(centres, RUNS * _DISKS[radius > _SMALL]))
            for i, (at, inside) in enumerate(disks.read(chosen, use)):
                pairs.add(i % RUNS, at, inside)
        return pairs.variogram(estimator)

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dictionary."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Variogram:
        """Return the variogram of such a dictionary."""
        fields: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**fields)


@dataclass(frozen=True, kw_only=True)
class _Disks:
    """Cells chosen within disks of one size."""

    source: Raster
    valid: Raster | None
    radius: int
    """Pixels."""
    seed: int

    def read(self, centres: list[tuple[int, int]], engine: Engine) -> Iterator[tuple[Float, Float]]:
        """Yield places and values of the cells chosen in each disk, in the order of the centres."""
        size = 2 * self.radius + 1
        windows = [Window(r - self.radius, c - self.radius, size, size) for r, c in centres]
        for _, found in engine.map(self._cells, windows):
            yield found

    def _cells(self, window: Window) -> tuple[Float, Float]:
        values = self.source.read(window)[0]
        chance = np.empty(window.shape)
        choice.uniform(window.row, window.col, self.seed, chance)
        offset = np.arange(-self.radius, self.radius + 1)
        keep = np.isfinite(values)
        keep &= offset[:, np.newaxis] ** 2 + offset**2 <= self.radius**2
        if self.valid is not None:
            keep &= usable(self.valid, window)
        row, col = np.nonzero(keep)
        if row.size > _DISK_POINTS:
            lowest = np.argpartition(chance[row, col], _DISK_POINTS - 1)[:_DISK_POINTS]
            lowest.sort()
            row, col = row[lowest], col[lowest]
        at = ground_places(self.source.grid, window.row + row + 0.5, window.col + col + 0.5)
        return at, values[row, col].astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class _Pairs:
    """What was counted of pairs, run by run."""

    first: float
    """Lower edge of the first bin of lags [m]."""
    scale: float
    """Unit in which differences are put into classes."""
    counts: NDArray[np.int64]
    """(runs, bins, classes)"""
    sums: Float
    """(runs, bins, 2) of distance and squared difference."""

    @classmethod
    def none(cls, pixel: float, longest: float, scale: float) -> _Pairs:
        """Make bins of lags from a pixel to the longest lag [m], two an octave."""
        octaves = math.log2(max(longest / pixel, 2.0))
        shape = (RUNS, math.ceil(_BINS_PER_OCTAVE * octaves) + 1)
        return cls(
            first=pixel * 2.0 ** (-0.5 / _BINS_PER_OCTAVE),
            scale=scale,
            counts=np.zeros((*shape, lag_pairs.CLASSES), dtype=np.int64),
            sums=np.zeros((*shape, 2)),
        )

    def add(self, run: int, at: Float, values: Float) -> None:
        """Count all pairs of some points."""
        lag_pairs.accumulate(at, values, self.first, self.scale, self.counts[run], self.sums[run])

    def variogram(self, estimator: Estimator) -> Variogram:
        """Return the variogram of all runs together, bins with too few pairs left out."""
        number = self.counts.sum(axis=2)
        enough = number >= _LEAST_PAIRS // RUNS
        total = number.sum(axis=0)
        kept = np.flatnonzero((enough.sum(axis=0) >= _LEAST_RUNS) & (total >= _LEAST_PAIRS))
        if kept.size < 3:
            msg = f"pairs in {kept.size} bins of lags: a variogram needs 3; give a larger raster"
            raise FitError(msg)
        lag, gamma, spread = [], [], []
        for b in kept.tolist():
            lag.append(float(self.sums[:, b, 0].sum() / total[b]))
            gamma.append(self._semivariance(slice(None), b, estimator))
            runs = [
                self._semivariance(slice(r, r + 1), b, estimator)
                for r in np.flatnonzero(enough[:, b]).tolist()
            ]
            spread.append(float(np.std(runs, ddof=1) / math.sqrt(len(runs))))
        return Variogram(
            lag=tuple(lag),
            semivariance=tuple(gamma),
            spread=tuple(spread),
            count=tuple(total[kept].tolist()),
            estimator=estimator,
        )

    def _semivariance(self, runs: slice, place: int, estimator: Estimator) -> float:
        counts = self.counts[runs, place].sum(axis=0)
        if estimator == "matheron":
            return float(self.sums[runs, place, 1].sum() / counts.sum() / 2.0)
        return DOWD_FACTOR * (self.scale * class_median(counts)) ** 2 / 2.0


def ground_places(grid: Grid, row: ArrayLike, col: ArrayLike) -> Float:
    """Return (n, 3) metres of pixel coordinates, so that distances are those on the ground.

    In a projected CRS easting and northing; in a geographic one points in space, whose chords are
    0.03 % short over 500 km.
    """
    x, y = grid.xy(row, col)
    crs = None if grid.crs is None else horizontal(grid.crs)
    if crs is None or not crs.is_geographic:
        unit, _ = metres_per_unit(grid, Window(0, 0, 1, 1))
        return np.stack([x * unit, y * unit, np.zeros_like(x)], axis=-1)
    unit = float(crs.axis_info[0].unit_conversion_factor)
    lon, lat = x * unit, y * unit
    ellipsoid = crs.ellipsoid
    major = 6378137.0 if ellipsoid is None else ellipsoid.semi_major_metre
    minor = 6356752.3142 if ellipsoid is None else ellipsoid.semi_minor_metre
    squared = 1.0 - (minor / major) ** 2
    normal = major / np.sqrt(1.0 - squared * np.sin(lat) ** 2)
    flat = normal * np.cos(lat)
    return np.stack(
        [flat * np.cos(lon), flat * np.sin(lon), normal * (1.0 - squared) * np.sin(lat)], axis=-1
    )


def _pixel(grid: Grid) -> float:
    """Return the shorter side of the pixel in the middle [m]."""
    row, col = grid.shape[0] / 2.0, grid.shape[1] / 2.0
    at = ground_places(grid, np.array([row, row + 1.0, row]), np.array([col, col, col + 1.0]))
    return float(np.linalg.norm(at[1:] - at[0], axis=1).min())


def _half_extent(grid: Grid) -> float:
    """Return half the side of a square with the raster's diagonal [m]."""
    rows, cols = grid.shape
    middle = np.array([rows / 2.0, rows / 2.0, 0.0, rows])
    at = ground_places(grid, middle, np.array([0.0, cols, cols / 2.0, cols / 2.0]))
    wide, high = np.linalg.norm(at[1] - at[0]), np.linalg.norm(at[3] - at[2])
    return float(np.hypot(wide, high)) / math.sqrt(8.0)


def _radii(longest: float) -> list[int]:
    """Return the radii of disks that serve the lags for which scattered points are too few [px]."""
    radii = [_SMALLEST_DISK]
    while radii[-1] * _GLOBAL_REACH < longest and radii[-1] * _GROWTH <= _LARGEST_DISK:
        radii.append(radii[-1] * _GROWTH)
    return radii


def class_median(counts: NDArray[np.int64]) -> float:
    """Return the median of differences counted in the classes of `kernels.lag_pairs`."""
    cumulated = np.cumsum(counts)
    half = cumulated[-1] / 2.0
    k = int(np.searchsorted(cumulated, half))
    if k == 0:
        return 0.0
    octave, step = divmod(k, lag_pairs.STEPS)
    before = float(cumulated[k - 1])
    within = (half - before) / (float(cumulated[k]) - before)
    return float(2.0 ** (octave + lag_pairs.LOWEST) * (1.0 + (step + within) / lag_pairs.STEPS))
