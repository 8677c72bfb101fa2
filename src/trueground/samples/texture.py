"""What the synthetic ground looks like from above: land cover, sunlight and cast shadows."""

from __future__ import annotations

import math

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from trueground.engine import Engine
from trueground.grid import Grid, Window
from trueground.kernels import render
from trueground.samples.terrain import CELL_M, Terrain, downhill, fractal, gradient, smoothstep

Float = NDArray[np.float64]
Image = NDArray[np.float32]  # brightness needs no more, and there are many of them

ZOOM = 2  # cells of the texture along a cell of the terrain
_SUN_AZIMUTH, _SUN_ELEVATION = math.radians(145.0), math.radians(50.0)
_SKY = 0.28  # of the light comes from the sky
_BLUR = 1.0  # cells of 1 m; a pixel of 2 m sees little of what is finer
_FULL = 1500.0  # digital number of a white surface in full sun
_FIELD_M = 45.0  # from field to field


def make_texture(
    rng: np.random.Generator, terrain: Terrain, *, tops: Float, engine: Engine
) -> NDArray[np.uint16]:
    """Paint the terrain at twice its resolution.

    Parameters
    ----------
    rng
        Source of all chance.
    terrain
        The landscape.
    tops
        Its tile maxima, for the cast shadows.
    engine
        Where shadows are computed.

    Returns
    -------
    uint16 (2 rows, 2 cols); 0 does not occur.
    """
    albedo = _land_cover(rng, terrain)
    height = ndimage.gaussian_filter(terrain.surface.astype(np.float64), 0.5)
    lit = _fine(_facing_sun(height) * ndimage.gaussian_filter(_sun(terrain, tops, engine), 0.7))
    light = _SKY + (1.0 - _SKY) * lit / math.sin(_SUN_ELEVATION)
    radiance = ndimage.gaussian_filter(albedo * light, _BLUR)
    return np.clip(np.rint(_FULL * radiance), 1, 65535).astype(np.uint16)


def _fine(values: Float) -> Image:
    """Bring values of the terrain's cells to those of the texture."""
    single = values.astype(np.float32)
    fine: Image = ndimage.zoom(single, ZOOM, order=1, mode="nearest", grid_mode=True)
    return fine


def _facing_sun(height: Float) -> Float:
    """Return the cosine of the angle between the ground's normal and the sun, not below 0."""
    dv, du = gradient(height, CELL_M)
    east = math.sin(_SUN_AZIMUTH) * math.cos(_SUN_ELEVATION)
    north = math.cos(_SUN_AZIMUTH) * math.cos(_SUN_ELEVATION)
    cosine = (math.sin(_SUN_ELEVATION) - du * east + dv * north) / np.sqrt(1.0 + du**2 + dv**2)
    return np.maximum(cosine, 0.0)


def _sun(terrain: Terrain, tops: Float, engine: Engine) -> Float:
    """Return 1 where the sun shines and 0 in cast shadow."""
    away = 1.0 / math.tan(_SUN_ELEVATION) / CELL_M  # cells for each metre up
    along_u, along_v = math.sin(_SUN_AZIMUTH) * away, -math.cos(_SUN_AZIMUTH) * away
    top = float(terrain.surface.max()) + 1.0
    out = np.empty(terrain.grid.shape)

    def block(window: Window) -> NDArray[np.uint8]:
        part = np.empty(window.shape, dtype=np.uint8)
        render.sunlit(terrain.surface, tops, along_u, along_v, window.row, window.col, top, part)
        return part

    for window, part in engine.map(block, [b.core for b in terrain.grid.blocks(256)]):
        out[window.slices_in(terrain.grid.window)] = part
    return out


def _land_cover(rng: np.random.Generator, terrain: Terrain) -> Image:
    """Return the share of light that each cell of 1 m throws back."""
    height = terrain.surface.astype(np.float64)
    shape = (height.shape[0] * ZOOM, height.shape[1] * ZOOM)
    size = height.shape[0]
    gentle = ndimage.gaussian_filter(height, 3.0)
    dv, du = gradient(gentle, CELL_M)
    slope = _fine(np.hypot(dv, du))
    level = _fine((gentle - gentle.min()) / np.ptp(gentle))
    town = _fine(terrain.town)
    patches = _noise(rng, shape, slope=1.0, longest=400.0, shortest=2.0)
    grain = _noise(rng, shape, slope=0.35, longest=60.0, shortest=2.0)
    streaks = ndimage.gaussian_filter(_noise(rng, shape, slope=0.2, longest=40.0), (2.5, 0.8))
    streaks /= streaks.std()

    meadow = 0.26 + 0.035 * patches + 0.020 * grain
    rock = 0.40 + 0.05 * patches + 0.055 * grain + 0.035 * streaks
    forest = 0.11 + 0.035 * np.maximum(grain, -1.5) + 0.03 * streaks
    colour = meadow
    low_and_gentle = smoothstep(0.33 - level, 0.0, 0.08) * smoothstep(0.36 - slope, 0.0, 0.08)
    colour = _mixed(colour, _fields(rng, shape) + 0.008 * grain, low_and_gentle)
    wood = smoothstep(0.55 + 0.10 * patches - level, -0.01, 0.03)
    wood *= smoothstep(patches + 1.2 * (slope - 0.32) / 0.2, -0.1, 0.1) * (1.0 - town)
    colour = _mixed(colour, forest, wood)
    bare = smoothstep(level + 0.9 * (slope - 0.45) + 0.09 * patches + 0.03 * grain, 0.50, 0.66)
    colour = _mixed(colour, rock, np.maximum(bare, smoothstep(slope, 1.0, 1.3)))
    snow = smoothstep(level - 0.35 * slope + 0.10 * patches, 0.68, 0.74)
    colour = _mixed(colour, 0.80 + 0.03 * grain + 0.02 * streaks, snow)

    river = smoothstep(np.log(_fine(ndimage.gaussian_filter(terrain.flow, 1.0))), 12.2, 12.6)
    colour = _mixed(colour, 0.09 + 0.02 * grain, river * (1.0 - snow) * (1.0 - town))
    colour = _mixed(colour, 0.30 + 0.02 * patches + 0.02 * grain, town)
    road = _road(gentle, terrain.town, size)
    colour = _mixed(
        colour, np.full(shape, 0.46, dtype=np.float32), _fine(np.maximum(terrain.streets, road))
    )
    colour = _with_ice(rng, colour, terrain=terrain, grain=grain)
    roof = np.repeat(np.repeat(terrain.roof, ZOOM, axis=0), ZOOM, axis=1)
    tone = rng.uniform(0.16, 0.75, int(terrain.roof.max()) + 1).astype(np.float32)
    return np.where(roof > 0, tone[roof] + 0.02 * streaks, np.maximum(colour, 0.03))


def _noise(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    *,
    slope: float,
    longest: float,
    shortest: float = 2.0,
) -> Image:
    noise = fractal(rng, (shape[0], shape[1]), slope=slope, longest=longest, shortest=shortest)
    return noise.astype(np.float32)


def _mixed(below: Image, above: Image, share: Image) -> Image:
    return below + share * (above - below)


def _fields(rng: np.random.Generator, shape: tuple[int, int]) -> Image:
    """Return parcels around random points, some of them ploughed."""
    count = max(int(shape[0] * shape[1] / _FIELD_M**2), 4)
    seeds = rng.uniform(0.0, 1.0, (count, 2)) * shape
    # Longer than wide, along the town's streets as it were.
    c, s = math.cos(0.45), math.sin(0.45)
    stretch = np.array([[c * 1.7, -s * 1.7], [s * 0.8, c * 0.8]])
    coarse = np.argwhere(np.ones((-(-shape[0] // 2), -(-shape[1] // 2)), dtype=bool)) * 2.0
    nearest = cKDTree(seeds @ stretch.T).query(coarse @ stretch.T)[1]
    field = nearest.astype(np.int32).reshape(-(-shape[0] // 2), -1)
    field = np.repeat(np.repeat(field, 2, axis=0), 2, axis=1)[: shape[0], : shape[1]]
    v, u = (np.arange(n, dtype=np.float32) for n in shape)
    tone = rng.uniform(0.17, 0.42, count).astype(np.float32)[field]
    angle = rng.uniform(0.0, math.pi, count).astype(np.float32)[field]
    furrow = np.sin((v[:, np.newaxis] * np.cos(angle) + u * np.sin(angle)) * (2.0 * math.pi / 7.0))
    ploughed = (rng.random(count) < 0.5)[field]
    out: Image = tone + 0.03 * furrow * ploughed
    return out


def _road(gentle: Float, town: Float, size: int) -> Float:
    """Return 1 on a road from the town down the valley, and on one from the pass down to it."""
    road = np.zeros(gentle.shape)
    smooth = ndimage.gaussian_filter(gentle, size / 60)
    start = np.unravel_index(int(town.argmax()), town.shape)
    top = np.unravel_index(
        int((smooth - 1e4 * (ndimage.uniform_filter(town, size // 4) == 0)).argmax()), town.shape
    )
    for row, col in (start, top):
        way = downhill(smooth, float(row), float(col), steps=size)
        way = ndimage.gaussian_filter1d(way, 8.0, axis=0, mode="nearest")
        road[way[:, 0].astype(int), way[:, 1].astype(int)] = 1.0
    return np.minimum(ndimage.gaussian_filter(road, 1.0) * 3.0, 1.0) * (1.0 - town)


def _with_ice(rng: np.random.Generator, colour: Image, *, terrain: Terrain, grain: Image) -> Image:
    """Lay bright ice with crevasses and bands over the glacier, rubble along its sides."""
    ice, along = _fine(terrain.ice), _fine(terrain.along_ice)
    warp = _noise(rng, colour.shape, slope=1.2, longest=150.0, shortest=6.0)
    bands = np.sin(140.0 * along + 3.0 * ice + 1.2 * warp)
    crevasses = smoothstep(np.sin(420.0 * along - 5.0 * ice + 2.5 * warp), 0.55, 0.95)
    crevasses *= smoothstep(np.abs(along - 0.45), 0.30, 0.05)
    white = 0.74 - 0.20 * along + 0.035 * bands + 0.03 * grain - 0.25 * crevasses
    medial = np.exp(-(((ice - 0.78) / 0.05) ** 2)) * smoothstep(along, 0.15, 0.5)
    rubble = 0.30 + 0.07 * grain
    white = _mixed(white, rubble, 0.7 * medial)
    share = smoothstep(ice, 0.0, 0.10)
    side = smoothstep(ice, 0.28, 0.10) * share
    return _mixed(_mixed(colour, white, share), rubble, 0.85 * side)


def texture_grid(grid: Grid) -> Grid:
    """Return the grid of the texture over that of the terrain."""
    t, (rows, cols) = grid.transform, grid.shape
    return Grid(
        crs=grid.crs,
        transform=Affine(t.a / ZOOM, t.b, t.c, t.d, t.e / ZOOM, t.f),
        shape=(rows * ZOOM, cols * ZOOM),
    )
