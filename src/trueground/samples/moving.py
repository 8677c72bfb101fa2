"""The DEM to align: the same terrain some years later, displaced, noisy, with holes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from trueground.grid import Grid, Window
from trueground.raster import computed
from trueground.samples.terrain import Terrain, fractal
from trueground.surface import ComputedSurface

Float = NDArray[np.float64]

CELL_M = 4.0
NODATA = -9999.0
MEAN_SHIFT_M = (9.3, -6.1, 2.4)  # over stable, valid cells
_ORIGIN_M = (33.3, -41.7)  # of the grid from that of the reference: a multiple of neither cell
_WAVES = 3
_SWING_M = (1.3, 1.1, 0.5)  # amplitude of all waves of an axis together
_WHITE_M, _CORRELATED_M = 0.35, 0.4  # sigma of the noise
_CORRELATION_CELLS = 12.0
_HOLES = 0.025  # share of cells
_THINNING_M = 30.0  # at the glacier's snout, on a terrain of 3 km


@dataclass(frozen=True, slots=True, kw_only=True)
class Distortion:
    """Smooth field of shifts: what has to be *added* to the moving DEM, by place in that DEM.

    Each axis is `mean + sum(amplitude sin(2 pi (kx X + ky Y) + phase))`, where X and Y run from 0
    to 1 over `bounds`.
    """

    mean: tuple[float, float, float]
    """Constant part east, north and up [m]."""
    waves: tuple[tuple[tuple[float, float, float, float], ...], ...]
    """For each axis, for each wave: amplitude [m], kx, ky [1], phase [rad]."""
    bounds: tuple[float, float, float, float]
    """West, south, east, north [m]."""

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Distortion:
        """Make the field of a `truth.json`."""
        waves = tuple(tuple(tuple(wave) for wave in axis) for axis in values["waves"])
        return cls(mean=tuple(values["mean"]), waves=waves, bounds=tuple(values["bounds"]))

    def at(self, x: ArrayLike, y: ArrayLike) -> tuple[Float, Float, Float]:
        """Return the shifts east, north and up [m] at places of the moving DEM."""
        west, south, east, north = self.bounds
        xs = (np.asarray(x, dtype=np.float64) - west) / (east - west)
        ys = (np.asarray(y, dtype=np.float64) - south) / (north - south)
        shifts = []
        for mean, waves in zip(self.mean, self.waves, strict=True):
            total = mean + 0.0 * xs * ys
            for amplitude, kx, ky, phase in waves:
                total = total + amplitude * np.sin(2.0 * np.pi * (kx * xs + ky * ys) + phase)
            shifts.append(total)
        return shifts[0], shifts[1], shifts[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawHeights(ComputedSurface):
    """Heights as a file holds them: `NODATA` in the holes."""

    heights: NDArray[np.float32]
    """NaN in the holes."""
    grid: Grid

    @property
    def nodata(self) -> float:
        """Number that stands for a hole."""
        return NODATA

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return a window with numbers in the holes."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[np.float32]:
        part = self.heights[window.slices_in(self.grid.window)][np.newaxis]
        return np.where(np.isnan(part), np.float32(NODATA), part)


def make_moving(rng: np.random.Generator, terrain: Terrain) -> tuple[RawHeights, Distortion]:
    """Survey the terrain again, badly.

    Returns
    -------
    raster, distortion
        The moving DEM on its own grid, and the field that brings it back.
    """
    grid = _grid(terrain.grid)
    distortion = _distortion(rng, grid)
    later = terrain.surface - thinning(terrain)
    x, y = grid.xy(*grid.window.pixel_centres())
    x, y = np.broadcast_arrays(x, y)
    noise = fractal(rng, grid.shape, slope=1.0, longest=grid.shape[0] / 6, shortest=3.0)
    holes = noise > np.quantile(noise, 1.0 - _HOLES)
    # The mean over stable cells is what an alignment finds: make it the number promised.
    on_ice = _sampled(terrain.ice, terrain.grid, _moved(distortion, x, y)) > 0.0
    stable = ~(holes | on_ice)
    means = [float(s[stable].mean()) for s in distortion.at(x, y)]
    fitted = [2.0 * want - got for want, got in zip(MEAN_SHIFT_M, means, strict=True)]
    distortion = replace(distortion, mean=(fitted[0], fitted[1], fitted[2]))
    heights = _sampled(later, terrain.grid, _moved(distortion, x, y)) - distortion.at(x, y)[2]
    correlated = ndimage.gaussian_filter(rng.normal(size=grid.shape), _CORRELATION_CELLS / 2.0)
    heights += _WHITE_M * rng.normal(size=grid.shape)
    heights += _CORRELATED_M * correlated / correlated.std()
    heights[holes] = np.nan
    return RawHeights(heights=heights.astype(np.float32), grid=grid), distortion


def thinning(terrain: Terrain) -> NDArray[np.float32]:
    """Return how much ice has gone [m]: most at the snout, none at the outline."""
    most = _THINNING_M * terrain.grid.shape[0] / 1500.0
    lost = most * terrain.ice * (0.35 + 0.65 * terrain.along_ice)
    return lost.astype(np.float32)


def _grid(reference: Grid) -> Grid:
    """Return a grid inside the reference whose cells fall nowhere on its cells."""
    west, south, east, north = reference.bounds
    left, top = west + _ORIGIN_M[0], north + _ORIGIN_M[1]
    cols, rows = int((east - 30.0 - left) // CELL_M), int((top - 30.0 - south) // CELL_M)
    transform = Affine(CELL_M, 0.0, left, 0.0, -CELL_M, top)
    return Grid(crs=reference.crs, transform=transform, shape=(rows, cols))


def _distortion(rng: np.random.Generator, grid: Grid) -> Distortion:
    """Draw long waves: at most one and a half of them over the scene."""
    axes = []
    for swing in _SWING_M:
        share = rng.dirichlet(np.full(_WAVES, 3.0)) * swing
        k = rng.uniform(0.25, 1.0, (_WAVES, 2)) * rng.choice([-1.0, 1.0], (_WAVES, 2))
        phase = rng.uniform(0.0, 2.0 * np.pi, _WAVES)
        columns = np.column_stack([share, k, phase]).tolist()
        axes.append(tuple((w[0], w[1], w[2], w[3]) for w in columns))
    return Distortion(mean=MEAN_SHIFT_M, waves=tuple(axes), bounds=grid.bounds)


def _moved(distortion: Distortion, x: Float, y: Float) -> tuple[Float, Float]:
    dx, dy, _ = distortion.at(x, y)
    return x + dx, y + dy


def _sampled(values: NDArray[Any], grid: Grid, at: tuple[Float, Float]) -> Float:
    """Interpolate bilinearly at ground points; NaN outside."""
    row, col = grid.rowcol(*at)
    cells = np.stack([row - 0.5, col - 0.5])
    found: Float = ndimage.map_coordinates(
        values.astype(np.float64), cells, order=1, mode="constant", cval=np.nan
    )
    return found
