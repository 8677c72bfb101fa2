"""What a sensor sees of a surface: its own rays, traced. No RPC takes part."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from trueground.engine import Engine, Threads
from trueground.grid import Grid, Window
from trueground.kernels import render
from trueground.projection import WGS84, project
from trueground.raster import computed
from trueground.samples.sensor import PushbroomSensor
from trueground.shown import Shown

Float = NDArray[np.float64]

_STEP_PX = 10  # between the exact rays of the image lattice: others are 1e-4 m off at most
_STEP_CELLS = 25  # between the exactly projected ground points
_HEADROOM_M = 50.0  # of the lattices above and below the surface


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A sensor above a bilinear surface. Make one with `View.of`."""

    sensor: PushbroomSensor
    grid: Grid
    """Of the surface; its CRS is projected."""
    surface: NDArray[np.float32]
    """Heights above the WGS 84 ellipsoid [m]; the nodes of the surface are the cells' centres."""
    tops: Float
    """Largest height of each tile of 16 x 16 patches."""
    heights: Float
    """Three heights [m] at which the rays are known."""
    rays: Float
    """(2, 3, n, m): column and row of the surface, from the first cell's centre, of a lattice."""
    seen: Float
    """(2, 3, n, m): image row and column of a lattice of ground points at the three heights."""

    @classmethod
    def of(cls, sensor: PushbroomSensor, grid: Grid, surface: NDArray[np.float32]) -> View:
        """Work out both lattices with the sensor's exact geometry."""
        low = math.floor(float(surface.min())) - _HEADROOM_M
        high = math.ceil(float(surface.max())) + _HEADROOM_M
        heights = np.array([low, (low + high) / 2.0, high])
        rows, cols = (_STEP_PX * np.arange(-(-n // _STEP_PX) + 1.0) for n in sensor.shape)
        at = np.meshgrid(heights, rows, cols, indexing="ij")
        lon, lat = sensor.locate(at[1], at[2], at[0])
        v, u = grid.rowcol(*project(WGS84, grid.crs, lon, lat))
        rows, cols = (_STEP_CELLS * np.arange(-(-n // _STEP_CELLS) + 1.0) for n in grid.shape)
        at = np.meshgrid(heights, rows, cols, indexing="ij")
        lon, lat = project(grid.crs, WGS84, *grid.xy(at[1], at[2]))
        return cls(
            sensor=sensor,
            grid=grid,
            surface=surface,
            tops=tile_maxima(surface),
            heights=heights,
            rays=np.stack([u - 0.5, v - 0.5]),
            seen=np.stack(sensor.project(lon, lat, at[0])),
        )

    def trace(self, row: ArrayLike, col: ArrayLike) -> tuple[Float, Float, Float]:
        """Return x, y and height of the first point of the surface that image positions see.

        NaN where a ray misses the surface or comes in from its side.
        """
        row, col = np.broadcast_arrays(np.asarray(row, dtype=float), np.asarray(col, dtype=float))
        out = np.empty((row.size, 3))
        at = np.ascontiguousarray(row).reshape(-1), np.ascontiguousarray(col).reshape(-1)
        render.trace(self.surface, self.tops, self.rays, float(_STEP_PX), self.heights, *at, out)
        x, y = self.grid.xy(out[:, 0] + 0.5, out[:, 1] + 0.5)
        return x.reshape(row.shape), y.reshape(row.shape), out[:, 2].reshape(row.shape)

    def visible(self, engine: Engine | None = None) -> NDArray[np.uint8]:
        """Return 1 for each cell that the sensor sees, 0 for hidden ones, 255 outside the image.

        A cell is seen when nothing stands between its centre, on the surface, and the sensor.
        """
        out = np.empty(self.grid.shape, dtype=np.uint8)

        def block(window: Window) -> NDArray[np.uint8]:
            rows, cols = self._image_positions(window)
            part = np.empty(window.shape, dtype=np.uint8)
            lattice = self.rays, float(_STEP_PX), self.heights, self.sensor.shape
            at = rows, cols, window.row, window.col
            render.visibility(self.surface, self.tops, *lattice, *at, part)
            return part

        windows = [b.core for b in self.grid.blocks(256)]
        for window, part in (engine or Threads()).map(block, windows):
            out[window.slices_in(self.grid.window)] = part
        return out

    def _image_positions(self, window: Window) -> tuple[Float, Float]:
        """Interpolate where the surface's cells of a window are in the image."""
        rows, cols = window.pixel_centres()
        at = np.stack(np.broadcast_arrays(rows / _STEP_CELLS, cols / _STEP_CELLS))
        height = self.surface[window.slices_in(self.grid.window)].astype(np.float64)
        low, middle, high = self.heights
        weights = (
            (height - middle) * (height - high) / ((low - middle) * (low - high)),
            (height - low) * (height - high) / ((middle - low) * (middle - high)),
            (height - low) * (height - middle) / ((high - low) * (high - middle)),
        )
        found = []
        for lattice in self.seen:
            layers = [ndimage.map_coordinates(layer, at, order=1) for layer in lattice]
            found.append(sum(w * layer for w, layer in zip(weights, layers, strict=True)))
        return np.asarray(found[0]), np.asarray(found[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering(Shown):
    """The image that a sensor takes: a lazy raster without CRS, like any raw satellite image."""

    view: View
    texture: NDArray[np.uint16]
    """Brightness of the ground on the surface's grid, with cells `zoom` times as small."""
    zoom: int
    samples: int = 2
    """Rays along and across a pixel, over which it is the average."""

    @property
    def grid(self) -> Grid:
        """Rows and columns of the image itself."""
        return Grid(crs=None, transform=Affine.identity(), shape=self.view.sensor.shape)

    @property
    def count(self) -> int:
        """Always one band."""
        return 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always uint16."""
        return np.dtype(np.uint16)

    @property
    def nodata(self) -> float:
        """Return 0: the pixel sees something beyond the surface."""
        return 0.0

    def read(self, window: Window) -> NDArray[np.uint16]:
        """Trace the rays of a window."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[np.uint16]:
        view = self.view
        out = np.empty(window.shape, dtype=np.uint16)
        render.render(
            view.surface,
            view.tops,
            self.texture,
            float(self.zoom),
            view.rays,
            float(_STEP_PX),
            view.heights,
            window.row,
            window.col,
            self.samples,
            out,
        )
        return out[np.newaxis]


def tile_maxima(surface: NDArray[np.float32]) -> Float:
    """Return the largest height of each tile of 16 x 16 patches."""
    rows, cols = (-(-(n - 1) // render.TILE) for n in surface.shape)
    tops = np.empty((rows, cols))
    render.tile_maxima(surface, tops)
    return tops
