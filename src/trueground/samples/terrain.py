"""The synthetic landscape: carved valleys, a cliff, a town of boxes and a glacier."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from scipy import ndimage
from scipy.spatial import cKDTree

from trueground.grid import Grid
from trueground.kernels import erosion
from trueground.vectors import outline_mask

if TYPE_CHECKING:
    import geopandas as gpd

Float = NDArray[np.float64]

CELL_M = 2.0
_EPSG = 32632  # UTM 32 N; the place is on the Bernina, whose relief it resembles
_WEST_M, _NORTH_M = 568_400.0, 5_141_200.0
_LOWEST_M = 1850.0  # above the WGS 84 ellipsoid
_RELIEF_SLOPE = 0.27  # relief over the width of the terrain: 810 m over 3 km

_EXPONENT = 0.35  # of the upstream area; hillslopes stay about ten times as steep as rivers
_STAGES = ((8, 90), (4, 40))  # cell of the erosion in cells of the terrain, and steps
_UPLIFT = 0.05  # cells a step
_STRENGTH = 0.12  # K times the step of time
_MARGIN = 0.3  # of the width, carved and cut away: the edge of the domain is the sea

_CLIFF_M = 85.0
_ICE_M = 30.0  # of the glacier's middle above the valley floor
_ICE_LENGTH, _ICE_HALF_WIDTH = 0.42, 0.045  # fractions of the width of the terrain

_TOWN_RADIUS = 0.05  # fraction of the width of the terrain
_TOWN_ANGLE = 0.45  # radians, of its streets
_LOT_M = (36.0, 30.0)  # from street to street
_STREET_M = 5.0


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
    """0 at the glacier's outline and outside, 1 in its middle, smooth between."""
    along_ice: Float
    """0 at the head of the glacier, 1 at its snout; 0 outside."""
    flow: Float
    """Upstream area of each cell [m2], smooth."""
    outline: gpd.GeoDataFrame
    """The glacier's outline, one polygon in the grid's CRS."""


def make_terrain(rng: np.random.Generator, size: int) -> Terrain:
    """Make the landscape.

    Parameters
    ----------
    rng
        Source of all chance.
    size
        Rows and columns of 2 m; features scale with it, buildings do not.
    """
    grid = Grid(
        crs=CRS.from_epsg(_EPSG),
        transform=Affine(CELL_M, 0.0, _WEST_M, 0.0, -CELL_M, _NORTH_M),
        shape=(size, size),
    )
    height, flow = _carved(rng, size)
    height += _LOWEST_M - height.min()
    height += _roughness(rng, height)
    height = _with_cliff(rng, height)
    middle = _middle_line(height)
    outline = _outline(grid, middle)
    inside = outline_mask([outline], grid).read(grid.window)[0].astype(bool)
    height, ice, along = _with_glacier(height, middle, inside)
    town, height = _terrace(height, ice)
    height, roof, streets = _with_buildings(rng, height, town)
    return Terrain(
        grid=grid,
        surface=height.astype(np.float32),
        roof=roof,
        town=town,
        streets=streets,
        ice=ice,
        along_ice=along,
        flow=flow,
        outline=outline,
    )


def fractal(
    rng: np.random.Generator,
    shape: tuple[int, int],
    *,
    slope: float,
    longest: float,
    shortest: float = 2.0,
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
    frequency[0, 0] = 1.0
    amplitude = frequency ** -(slope + 1.0) * (frequency >= 1.0 / longest)
    amplitude[0, 0] = 0.0
    frequency[0, 0] = 0.0
    amplitude *= np.exp(-((frequency * shortest) ** 4))
    spectrum = amplitude * (
        rng.normal(size=amplitude.shape) + 1j * rng.normal(size=amplitude.shape)
    )
    noise = np.fft.irfft2(spectrum, s=shape)
    out: Float = noise / noise.std()
    return out


def smoothstep(value: Any, low: float, high: float) -> Any:
    """Rise from 0 at `low` to 1 at `high`, with level ends."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _carved(rng: np.random.Generator, size: int) -> tuple[Float, Float]:
    """Let rivers carve an uplifted block, coarse to fine: heights [m] and upstream area [m2]."""
    domain = size * (1.0 + 2.0 * _MARGIN)
    scale = size / 1500.0
    height = area = np.zeros((1, 1))
    for stage, (factor, steps) in enumerate(_STAGES):
        n = math.ceil(domain / factor)
        cell = factor * CELL_M
        if stage == 0:
            height = 55.0 * scale * fractal(rng, (n, n), slope=1.6, longest=n / 2)
            height += 0.22 * cell * np.arange(n)[::-1, np.newaxis]
        else:
            zoom = n / height.shape[0]
            height = ndimage.zoom(height, zoom, order=3, mode="nearest", grid_mode=True)
        height, area = _erode(rng, height, cell=cell, steps=steps)
    first = size * _MARGIN / factor
    at = first + (np.arange(size) + 0.5) / factor - 0.5
    where = np.meshgrid(at, at, indexing="ij")
    fine = ndimage.map_coordinates(ndimage.gaussian_filter(height, 0.6), where, order=3)
    flow = np.exp(ndimage.map_coordinates(np.log(area), where, order=1, mode="nearest"))
    relief = fine.max() - fine.min()
    return (fine - fine.min()) * (_RELIEF_SLOPE * size * CELL_M / relief), flow


def _erode(
    rng: np.random.Generator, height: Float, *, cell: float, steps: int
) -> tuple[Float, Float]:
    """Uplift, carve and let slopes creep, step by step; the scale of time is arbitrary."""
    n = height.size
    receiver, distance = np.empty(n, dtype=np.int64), np.empty(n)
    area = np.empty(n)
    filled = np.empty_like(height)
    erosion.fill(height, 1e-3 * cell, filled)
    height = filled
    for step in range(steps):
        if step % 4 == 0:
            chance = rng.uniform(0.5, 1.0, (8, n))
        height[:-1] += _UPLIFT * cell
        erosion.receivers(height, cell, chance, receiver, distance)
        order = np.argsort(height, axis=None, kind="stable")
        area[:] = cell * cell
        erosion.drainage(order, receiver, area)
        erosion.carve(height.reshape(-1), order, receiver, distance, area, _STRENGTH, _EXPONENT)
        creep = ndimage.gaussian_filter(height, 0.7, mode="nearest")
        height[:-1] += 0.4 * (creep - height)[:-1]
    return height, area.reshape(height.shape)


def _roughness(rng: np.random.Generator, height: Float) -> Float:
    """Return rock and boulders: rough where it is steep, smooth on valley floors."""
    slope = _steepness(ndimage.gaussian_filter(height, 4.0))
    rough = 0.15 + 1.0 * smoothstep(slope, 0.25, 0.75)
    noise = fractal(rng, height.shape, slope=0.9, longest=60.0, shortest=2.5)
    hills = fractal(rng, height.shape, slope=1.2, longest=250.0, shortest=20.0)
    out: Float = noise * rough + 2.5 * hills
    return out


def gradient(height: Float, cell: float = CELL_M) -> tuple[Float, Float]:
    """Return the rise along rows (southward) and columns (eastward) for each unit of `cell`."""
    down, right = np.gradient(height, cell)
    return np.asarray(down), np.asarray(right)


def _steepness(height: Float) -> Float:
    out: Float = np.hypot(*gradient(height))
    return out


def _with_cliff(rng: np.random.Generator, height: Float) -> Float:
    """Raise the ground above a winding line, so that a wall one cell wide stands along it."""
    size = height.shape[0]
    v, u = np.indices(height.shape) / size
    # Upslope of a line from (0.52, 0.60) to (0.30, 0.90), in fractions of the size: south-east.
    along = (u - 0.60) * 0.80 - (v - 0.52) * 0.60
    wiggle = 0.012 * fractal(rng, height.shape, slope=1.3, longest=size / 3, shortest=12.0)
    across = (u - 0.60) * 0.60 + (v - 0.52) * 0.80 + wiggle
    gentle = ndimage.gaussian_filter(height, size / 30)
    dv, du = gradient(gentle, 1.0)
    uphill = np.sign(
        float(
            np.mean((du * 0.60 + dv * 0.80)[(np.abs(across) < 0.05) & (along > 0) & (along < 0.3)])
        )
    )
    side = across * uphill
    taper = smoothstep(along, 0.0, 0.08) * (1.0 - smoothstep(along, 0.24, 0.36))
    fade = 1.0 - smoothstep(side, 0.02, 0.22)
    scale = _CLIFF_M * size / 1500.0
    out: Float = height + scale * taper * np.where(side > 0.0, fade, 0.0)
    return out


def _middle_line(height: Float) -> Float:
    """Return (n, 2) rows and columns down a high valley: the gentlest of many ways downhill."""
    size = height.shape[0]
    gentle = ndimage.gaussian_filter(height, size / 45)
    steps = round(_ICE_LENGTH * size)
    hollow = gentle - ndimage.gaussian_filter(gentle, size / 20)
    high = float(np.quantile(gentle, 0.80))
    best, best_score = np.zeros((0, 2)), math.inf
    for row in np.linspace(0.08, 0.6, 14) * size:
        for col in np.linspace(0.08, 0.92, 22) * size:
            if gentle[int(row), int(col)] < high:
                continue
            way = downhill(gentle, row, col, steps=steps)
            margin = np.minimum(way, size - way).min() / size
            depth = hollow[way[:, 0].astype(int), way[:, 1].astype(int)].mean()
            drop = abs(float(_at(gentle, way[:1])[0] - _at(gentle, way[-1:])[0])) / (steps * CELL_M)
            score = abs(drop - 0.22) + 0.05 * depth * 1500.0 / size + 10.0 * (margin < 0.06)
            score += 5.0 * (len(way) < steps)
            if score < best_score:
                best, best_score = way, score
    return ndimage.gaussian_filter1d(best, size / 40, axis=0, mode="nearest")


def downhill(gentle: Float, row: float, col: float, *, steps: int) -> Float:
    """Walk down a smooth surface by steps of one cell; stop at its edge or in a pit."""
    dv, du = gradient(gentle, 1.0)
    way = [(row, col)]
    for _ in range(steps - 1):
        i, j = int(row), int(col)
        slope = math.hypot(dv[i, j], du[i, j])
        if slope < 1e-4:
            break
        row, col = row - dv[i, j] / slope, col - du[i, j] / slope
        if not (1.0 <= row < gentle.shape[0] - 1 and 1.0 <= col < gentle.shape[1] - 1):
            break
        way.append((row, col))
    return np.array(way)


def _at(values: Float, points: Float) -> Float:
    found: Float = ndimage.map_coordinates(values, points.T, order=1, mode="nearest")
    return found


def _outline(grid: Grid, middle: Float) -> gpd.GeoDataFrame:
    """Return the glacier's outline: wide in the basin at its head, narrow at the snout."""
    import geopandas as gpd
    from shapely.geometry import Polygon

    s = np.linspace(0.0, 1.0, len(middle))
    head = np.sqrt(1.0 - (1.0 - np.minimum(s / 0.15, 1.0)) ** 2)
    snout = np.sqrt(1.0 - (np.maximum(s - 0.9, 0.0) / 0.1) ** 2)
    half = _ICE_HALF_WIDTH * grid.shape[0] * head * snout * (1.0 - 0.45 * s)
    half *= 1.0 + 0.12 * np.sin(17.0 * s) + 0.06 * np.sin(41.0 * s + 1.0)
    ahead = np.gradient(middle, axis=0)
    ahead /= np.hypot(ahead[:, 0], ahead[:, 1])[:, np.newaxis]
    normal = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1) * half[:, np.newaxis]
    ring = np.concatenate([middle + normal, (middle - normal)[::-1]])
    x, y = grid.xy(ring[:, 0] + 0.5, ring[:, 1] + 0.5)
    polygon = Polygon(np.stack([x, y], axis=1)).buffer(3 * CELL_M).simplify(0.5)
    return gpd.GeoDataFrame({"name": ["glacier"]}, geometry=[polygon], crs=grid.crs)


def _with_glacier(
    height: Float, middle: Float, inside: NDArray[np.bool_]
) -> tuple[Float, Float, Float]:
    """Fill the valley with ice: smooth along the flow, vaulted across it."""
    size = height.shape[0]
    depth = ndimage.distance_transform_edt(inside)
    half = 0.7 * _ICE_HALF_WIDTH * size
    ice = 1.0 - (1.0 - np.minimum(depth / half, 1.0)) ** 2
    where = np.argwhere(inside)
    nearest = cKDTree(middle).query(where)[1]
    along = np.zeros_like(height)
    along[inside] = nearest / (len(middle) - 1.0)
    floor = ndimage.gaussian_filter1d(_at(height, middle), size / 25, mode="nearest")
    floor = np.minimum.accumulate(floor)
    surface = np.zeros_like(height)
    surface[inside] = floor[nearest] + _ICE_M * size / 1500.0 * ice[inside]
    surface = ndimage.gaussian_filter(np.where(inside, surface, height), 4.0)
    weight = smoothstep(depth, 0.0, 0.6 * half)
    return (1.0 - weight) * height + weight * surface, ice, along


def _terrace(height: Float, ice: Float) -> tuple[Float, Float]:
    """Level the gentlest low ground for a town."""
    size = height.shape[0]
    gentle = ndimage.gaussian_filter(height, size / 40)
    v, u = (np.indices(height.shape) + 0.5) / size
    score = _steepness(gentle) + 0.6 * (gentle - gentle.min()) / np.ptp(gentle)
    to_ice = ndimage.distance_transform_edt(ice == 0.0) / size
    score += 5.0 * ((np.maximum(abs(v - 0.5), abs(u - 0.5)) > 0.32) | (to_ice < 0.13))
    at = np.unravel_index(int(score.argmin()), score.shape)
    down, right = v * size - at[0], u * size - at[1]
    away = np.hypot(down * 1.15, right * 0.87) / size
    town = 1.0 - smoothstep(away, _TOWN_RADIUS, 2.0 * _TOWN_RADIUS)
    dv, du = gradient(gentle, 1.0)
    slope = np.array([dv[at], du[at]])
    slope *= min(0.08 * CELL_M / np.hypot(*slope), 1.0)
    plane = gentle[at] + slope[0] * down + slope[1] * right
    return town, (1.0 - town) * height + town * plane


def _with_buildings(
    rng: np.random.Generator, height: Float, town: Float
) -> tuple[Float, NDArray[np.int16], Float]:
    """Put flat-roofed boxes on the lots between the streets, 8 to 30 m high."""
    v, u = np.indices(height.shape) * CELL_M
    c, s = math.cos(_TOWN_ANGLE), math.sin(_TOWN_ANGLE)
    p, q = c * u + s * v, c * v - s * u
    lot_p, lot_q = np.floor(p / _LOT_M[0]), np.floor(q / _LOT_M[1])
    in_p, in_q = p - lot_p * _LOT_M[0], q - lot_q * _LOT_M[1]
    streets = ((in_p < _STREET_M) | (in_q < _STREET_M)) & (town > 0.55)
    roof = np.zeros(height.shape, dtype=np.int16)
    built = height.copy()
    lots = np.unique(np.stack([lot_p[town > 0.8], lot_q[town > 0.8]], axis=1), axis=0)
    for number, (i, j) in enumerate(lots, start=1):
        half = rng.uniform(0.22, 0.36, 2) * (_LOT_M[0] - _STREET_M, _LOT_M[1] - _STREET_M)
        shift = rng.uniform(-0.06, 0.06, 2) * _LOT_M
        tall = 8.0 + 7.0 * rng.random() + 15.0 * rng.random() ** 8
        middle = (np.array(_LOT_M) + _STREET_M) / 2.0 + shift
        on = (lot_p == i) & (lot_q == j)
        on &= (np.abs(in_p - middle[0]) < half[0]) & (np.abs(in_q - middle[1]) < half[1])
        if rng.random() < 0.1 or not on.any() or town[on].min() < 0.5:
            continue
        built[on] = height[on].max() + tall
        roof[on] = number
    return built, roof, streets.astype(np.float64)
