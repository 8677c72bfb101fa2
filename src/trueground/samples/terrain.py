"""The synthetic landscape: carved valleys, a cliff, a town of boxes and a glacier."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from scipy import ndimage
from scipy.spatial import cKDTree

from trueground.grid import Grid
from trueground.kernels import erosion

Float = NDArray[np.float64]

CELL_M = 2.0
_EPSG = 32632  # UTM 32 N; the place is on the Bernina, whose relief it resembles
_WEST_M, _NORTH_M = 568_400.0, 5_141_200.0
_LOWEST_M = 1850.0  # above the WGS 84 ellipsoid
_RELIEF_SLOPE = 0.27  # relief over the width of the terrain: 810 m over 3 km

_TALUS = 0.80  # tangent of the steepest scree, 39 degrees
_STAGES = ((8, 90), (4, 40))  # cell of the erosion in cells of the terrain, and steps
_MARGIN = 0.3  # of the width, carved and cut away: the edge of the domain is the sea

_CLIFF_M = 85.0
_ICE_M = 45.0  # thickness above the valley floor at the head


@dataclass(frozen=True, slots=True, kw_only=True)
class Terrain:
    """Surface of the synthetic world, and what stands on it."""

    grid: Grid
    """UTM, cells of 2 m."""
    surface: NDArray[np.float32]
    """Height of roofs, ice and ground above the WGS 84 ellipsoid [m], float32 (rows, cols)."""
    roof: NDArray[np.int16]
    """Number of the building on a cell, from 1; 0: none."""
    town: Float
    """1 in the town, 0 away from it, smooth between."""
    streets: Float
    """1 on streets and roads, 0 elsewhere."""
    ice: Float
    """0 at the glacier's outline and outside, 1 on its middle line (1 - (distance / half width)^2)."""
    along_ice: Float
    """0 at the head of the glacier, 1 at its snout; 0 outside."""
    flow: Float
    """Upstream area of each cell [m2], smooth."""
    outline: Float
    """Corners (n, 2) of the glacier's outline, x and y in the grid's CRS."""


def make_terrain(rng: np.random.Generator, size: int) -> Terrain:
    """Make the landscape.

    Parameters
    ----------
    rng
        Source of all chance.
    size
        Rows and columns of 2 m; features scale with it, buildings do not.
    """
    width = size * CELL_M
    grid = Grid(
        crs=CRS.from_epsg(_EPSG),
        transform=Affine(CELL_M, 0.0, _WEST_M, 0.0, -CELL_M, _NORTH_M),
        shape=(size, size),
    )
    height, flow = _carved(rng, size)
    height += _LOWEST_M - height.min()
    height += _roughness(rng, height)
    height = _with_cliff(rng, height)
    middle = _middle_line(height, flow)
    height, ice, along = _with_glacier(height, middle)
    outline_vu = _outline(middle)
    town, height = _terrace(height, flow, ice)
    height, roof, streets = _with_buildings(rng, height, town)
    x, y = grid.xy(outline_vu[:, 0] + 0.5, outline_vu[:, 1] + 0.5)
    del width
    return Terrain(
        grid=grid,
        surface=height.astype(np.float32),
        roof=roof,
        town=town,
        streets=streets,
        ice=ice,
        along_ice=along,
        flow=flow,
        outline=np.stack([x, y], axis=1),
    )


def fractal(
    rng: np.random.Generator, shape: tuple[int, int], *, slope: float, longest: float, shortest: float = 2.0
) -> Float:
    """Make noise of unit variance whose amplitude falls as wavelength ** slope.

    Parameters
    ----------
    rng
        Source of chance.
    shape
        Rows and columns.
    slope
        Exponent of the amplitude; 1 looks like rough ground, 2 like hills.
    longest, shortest
        Limits of the wavelengths [cells].
    """
    rows = np.fft.fftfreq(shape[0])[:, np.newaxis]
    cols = np.fft.rfftfreq(shape[1])[np.newaxis, :]
    frequency = np.hypot(rows, cols)
    with np.errstate(divide="ignore"):
        amplitude = frequency ** -(slope + 1.0) * (frequency >= 1.0 / longest)
    amplitude[0, 0] = 0.0
    amplitude *= np.exp(-((frequency * shortest) ** 4))
    spectrum = amplitude * (rng.normal(size=amplitude.shape) + 1j * rng.normal(size=amplitude.shape))
    noise = np.fft.irfft2(spectrum, s=shape)
    return noise / noise.std()


def smoothstep(value: Any, low: float, high: float) -> Any:
    """Rise from 0 at `low` to 1 at `high`, with level ends."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _carved(rng: np.random.Generator, size: int) -> tuple[Float, Float]:
    """Let rivers carve an uplifted block, coarse to fine; return heights [m] and upstream area [m2]."""
    domain = size * (1.0 + 2.0 * _MARGIN)
    height = area = np.zeros((1, 1))
    for stage, (factor, steps) in enumerate(_STAGES):
        n = math.ceil(domain / factor)
        cell = factor * CELL_M
        if stage == 0:
            height = 60.0 * fractal(rng, (n, n), slope=1.6, longest=n / 2) * size / 1500.0
            rows, cols = np.indices((n, n)) / (n - 1.0)
            height += 0.20 * n * cell * (1.0 - rows) * (0.6 + 0.4 * cols)
            height -= height.min()
        else:
            height = ndimage.zoom(height, n / height.shape[0], order=3, mode="nearest", grid_mode=True)
            height += 1.5 * fractal(rng, (n, n), slope=0.8, longest=16.0)
        height, area = _erode(height, cell, steps, uplift=2.0 * size / 1500.0)
    factor = _STAGES[-1][0]
    first = (size * _MARGIN) / factor
    at = first + (np.arange(size) + 0.5) / factor - 0.5
    where = np.meshgrid(at, at, indexing="ij")
    smooth = ndimage.gaussian_filter(height, 0.6)
    fine = ndimage.map_coordinates(smooth, where, order=3, mode="nearest")
    flow = np.exp(ndimage.map_coordinates(np.log(area), where, order=1, mode="nearest"))
    relief = fine.max() - fine.min()
    return (fine - fine.min()) * (_RELIEF_SLOPE * size * CELL_M / relief), flow


def _erode(height: Float, cell: float, steps: int, uplift: float) -> tuple[Float, Float]:
    n = height.size
    receiver, distance = np.empty(n, dtype=np.int64), np.empty(n)
    area = np.empty(n)
    for _ in range(steps):
        height[1:-1, 1:-1] += uplift
        erosion.receivers(height, cell, receiver, distance)
        order = np.argsort(height, axis=None, kind="stable")
        area[:] = cell * cell
        erosion.drainage(order, receiver, area)
        erosion.carve(height.reshape(-1), order, receiver, distance, area, 0.02, _TALUS)
    return height, area.reshape(height.shape)


def _roughness(rng: np.random.Generator, height: Float) -> Float:
    """Return rock and boulders: rough where it is steep, smooth on valley floors."""
    slope = _steepness(ndimage.gaussian_filter(height, 4.0))
    rough = 0.15 + 1.0 * smoothstep(slope, 0.25, 0.75)
    noise = fractal(rng, height.shape, slope=0.9, longest=60.0, shortest=2.5)
    hills = fractal(rng, height.shape, slope=1.2, longest=250.0, shortest=20.0)
    return noise * rough + 2.5 * hills


def _steepness(height: Float) -> Float:
    dv, du = np.gradient(height, CELL_M)
    return np.hypot(dv, du)


def _with_cliff(rng: np.random.Generator, height: Float) -> Float:
    """Raise the ground above a winding line, so that a wall one cell wide stands along it."""
    size = height.shape[0]
    v, u = np.indices(height.shape) / size
    # Upslope of a line from (0.52, 0.60) to (0.30, 0.90), in fractions of the size: south-east.
    along = (u - 0.60) * 0.80 - (v - 0.52) * 0.60
    wiggle = 0.012 * fractal(rng, height.shape, slope=1.3, longest=size / 3, shortest=12.0)
    across = (u - 0.60) * 0.60 + (v - 0.52) * 0.80 + wiggle
    gentle = ndimage.gaussian_filter(height, size / 30)
    dv, du = np.gradient(gentle)
    uphill = np.sign(float(np.mean((du * 0.60 + dv * 0.80)[(np.abs(across) < 0.05) & (along > 0) & (along < 0.3)])))
    side = across * uphill
    taper = smoothstep(along, 0.0, 0.08) * (1.0 - smoothstep(along, 0.24, 0.36))
    fade = 1.0 - smoothstep(side, 0.02, 0.22)
    scale = _CLIFF_M * size / 1500.0
    return height + scale * taper * np.where(side > 0.0, fade, 0.0)
