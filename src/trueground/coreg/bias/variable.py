"""Variables of the ground on which a bias may depend, at any place: of a DEM's terrain, or another raster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from trueground.coreg.bias.shapes import LEVEL
from trueground.coreg.plane_lattice import pixels_at
from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.projection import same_place
from trueground.raster import Raster, as_float, computed
from trueground.sampling import sample_surface
from trueground.surface import ComputedSurface
from trueground.terrain import Curvature, Slope, gradient

Float = NDArray[np.float64]
Terrain = Literal["slope", "aspect", "elevation", "curvature"]
TERRAIN: tuple[Terrain, ...] = get_args(Terrain)
_SNAP = 1e-6  # px from a node within which its value is taken, and none of its neighbours'


@dataclass(frozen=True, kw_only=True)
class Rise(ComputedSurface):
    """How much the ground rises towards one side [m per m]: an aspect's parts, which can be interpolated."""

    source: Raster
    """DEM, float32."""
    towards: Literal["east", "north"]

    @property
    def grid(self) -> Grid:
        """Grid of the DEM."""
        return self.source.grid

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return a window of rises."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[np.float32]:
        heights = self.source.read(window.pad(1))[0].astype(np.float64)
        east, north = gradient(heights, self.grid, window)
        out: NDArray[np.float32] = (east if self.towards == "east" else north).astype(np.float32)
        return out[np.newaxis]


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A variable of the ground, from a DEM or as a raster of its own."""

    name: str
    """One of `TERRAIN`, or that of another raster."""
    source: Raster
    """The DEM whose terrain it is; the variable itself where it is `given`."""
    given: bool = False
    """Whether the raster holds the variable's values."""
    _layers: tuple[Raster, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.source.count != 1:
            msg = f"a raster of {self.source.count} bands for {self.name!r}: must have one"
            raise InputError(msg)
        if not self.given and self.name not in TERRAIN:
            msg = (
                f"the variable {self.name!r} cannot be made from a DEM: give its raster (variable=); "
                f"of the terrain are {', '.join(TERRAIN)}"
            )
            raise InputError(msg)
        source = as_float(self.source)
        layers: tuple[Raster, ...] = (source,)
        if not self.given and self.name == "slope":
            layers = (Slope(source),)
        elif not self.given and self.name == "curvature":
            layers = (Curvature(source),)
        elif not self.given and self.name == "aspect":
            layers = (Rise(source=source, towards="east"), Rise(source=source, towards="north"))
        object.__setattr__(self, "_layers", layers)

    @property
    def is_circular(self) -> bool:
        """Whether it is an angle."""
        return self.name == "aspect"

    def at(self, x: Float, y: Float, crs: CRS | None) -> Float:
        """Return the variable at places of a reference system, interpolated; NaN where it is not known."""
        grid = self.source.grid
        x, y = np.broadcast_arrays(x, y)
        if crs is not None and grid.crs is not None and same_place(crs, grid.crs):
            crs = None
        row, col = (_snapped(v) for v in pixels_at(crs, grid, x, y))
        # An angle cannot be interpolated.
        how: Literal["nearest", "bilinear"] = (
            "nearest" if self.given and self.is_circular else "bilinear"
        )
        return self._of([sample_surface(layer, row, col, resampling=how) for layer in self._layers])

    def on(self, window: Window) -> Float:
        """Return the variable at the nodes of its own grid."""
        return self._of([layer.read(window)[0].astype(np.float64) for layer in self._layers])

    def _of(self, layers: list[Float]) -> Float:
        if self.given or not self.is_circular:
            return layers[0]
        east, north = layers
        turn = np.degrees(np.arctan2(-east, -north)) % 360.0
        return np.where((east == 0.0) & (north == 0.0), LEVEL, turn)


def _snapped(at: Float) -> Float:
    """Return places [px] with those next to the centre of a pixel at it: round-off asks no neighbour."""
    centre = np.floor(at) + 0.5
    return np.where(np.abs(at - centre) < _SNAP, centre, at)
