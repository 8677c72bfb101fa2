"""What the shape of the ground gives: slope, curvature, hillshade, computed when they are read."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, field

import numpy as np
from numpy.typing import NDArray

from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.projection import horizontal
from trueground.raster import Raster, as_float
from trueground.surface import ComputedSurface

Float = NDArray[np.float64]


@dataclass(frozen=True)
class _Terrain(ComputedSurface):
    """A raster computed from a DEM and its eight neighbours."""

    source: Raster
    """DEM, heights in metres; its first band is used."""
    _heights: Raster = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_heights", as_float(self.source))

    @property
    def grid(self) -> Grid:
        """Where the pixels lie: the grid of the DEM."""
        return self.source.grid

    def _gradient(self, window: Window) -> tuple[Float, Float]:
        heights = self._heights.read(window.pad(1))[0].astype(np.float64)
        return gradient(heights, self.grid, window)


@dataclass(frozen=True)
class Slope(_Terrain):
    """Steepness of a DEM in degrees, 0 flat to 90 vertical.

    Parameters
    ----------
    source
        DEM, heights in metres.

    Notes
    -----
    The gradient is Horn's: Horn, B. K. P. (1981). Hill shading and the reflectance map.
    Proceedings of the IEEE 69(1), 14-47, doi:10.1109/PROC.1981.11918. NaN where one of the nine
    heights is missing, so also in the outermost pixels.

    Examples
    --------
    >>> from affine import Affine
    >>> from trueground.raster import ArrayRaster
    >>> grid = Grid(crs=None, transform=Affine(10, 0, 0, 0, -10, 0), shape=(3, 3))
    >>> plane = np.tile(np.float32([0, 10, 20]), (3, 1))
    >>> float(Slope(ArrayRaster(array=plane, grid=grid)).read(Window(1, 1, 1, 1))[0, 0, 0])
    45.0
    """

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return (1, height, width) degrees."""
        east, north = self._gradient(window)
        return np.degrees(np.arctan(np.hypot(east, north)))[np.newaxis].astype(np.float32)


@dataclass(frozen=True)
class Curvature(_Terrain):
    """Maximum absolute curvature of a DEM in 1/(100 m), 0 on any plane, large on ridges and cliffs.

    Parameters
    ----------
    source
        DEM, heights in metres.

    Notes
    -----
    The second derivatives are those of the quadratic surface of Zevenbergen, L. W., & Thorne, C. R.
    (1987). Quantitative analysis of land surface topography. Earth Surface Processes and Landforms
    12(1), 47-56, doi:10.1002/esp.3290120107, there ``2 D``, ``2 E`` and ``F``. The curvature is the
    largest absolute second derivative over all directions, the larger eigenvalue of their matrix::

        100 (|z_xx + z_yy| / 2 + sqrt((z_xx - z_yy)^2 / 4 + z_xy^2))

    so it does not depend on how the grid is turned, and is known where the ground is level, where
    profile and plan curvature are not; these never exceed it. Hundredths, as is the custom. NaN
    where one of the nine heights is missing, so also in the outermost pixels.

    Examples
    --------
    >>> from affine import Affine
    >>> from trueground.raster import ArrayRaster
    >>> grid = Grid(crs=None, transform=Affine(10, 0, 0, 0, -10, 0), shape=(3, 3))
    >>> valley = np.tile(np.float32([1, 0, 1]), (3, 1))
    >>> float(Curvature(ArrayRaster(array=valley, grid=grid)).read(Window(1, 1, 1, 1))[0, 0, 0])
    2.0
    """

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return (1, height, width) hundredths of 1/m."""
        z = self._heights.read(window.pad(1))[0].astype(np.float64)
        xx, xy, yy = _second_derivatives(z, self.grid, window)
        largest = np.abs(xx + yy) / 2.0 + np.hypot((xx - yy) / 2.0, xy)
        return (100.0 * largest)[np.newaxis].astype(np.float32)


@dataclass(frozen=True)
class Hillshade(_Terrain):
    """Brightness of a DEM as a matt surface under a lamp, 0 in its own shade to 1 facing the lamp.

    Parameters
    ----------
    source
        DEM, heights in metres.
    azimuth
        Direction of the lamp, degrees clockwise from north.
    altitude
        Height of the lamp above the horizon, degrees from 0 to 90.
    exaggeration
        Factor on the heights: above 1 where pixels are wide and the ground looks flat.

    Raises
    ------
    InputError
        Where the altitude is not from 0 to 90 degrees or the exaggeration is not positive.

    Notes
    -----
    Horn (1981), doi:10.1109/PROC.1981.11918: the cosine of the angle between the lamp and the
    normal of the ground, ``(sin h - cos h (p sin a + q cos a)) / sqrt(1 + p^2 + q^2)`` with the
    gradients ``p`` to the east and ``q`` to the north, azimuth ``a`` and altitude ``h``. No shadows
    are cast. NaN where one of the nine heights is missing, so also in the outermost pixels.

    Examples
    --------
    >>> from affine import Affine
    >>> from trueground.raster import ArrayRaster
    >>> grid = Grid(crs=None, transform=Affine(10, 0, 0, 0, -10, 0), shape=(3, 3))
    >>> flat = ArrayRaster(array=np.zeros((3, 3), np.float32), grid=grid)
    >>> float(Hillshade(flat, altitude=30).read(Window(1, 1, 1, 1))[0, 0, 0])
    0.5
    """

    azimuth: float = 315.0
    altitude: float = 45.0
    _: KW_ONLY
    exaggeration: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.altitude <= 90.0:
            msg = f"altitude {self.altitude} of the lamp: must be from 0 to 90 degrees"
            raise InputError(msg)
        if not self.exaggeration > 0.0:
            msg = f"exaggeration {self.exaggeration} of heights: must be positive"
            raise InputError(msg)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return (1, height, width) brightness."""
        east, north = self._gradient(window)
        east *= self.exaggeration
        north *= self.exaggeration
        azimuth, altitude = math.radians(self.azimuth), math.radians(self.altitude)
        towards = math.cos(altitude) * (math.sin(azimuth) * east + math.cos(azimuth) * north)
        light = (math.sin(altitude) - towards) / np.sqrt(1.0 + east * east + north * north)
        return np.maximum(light, 0.0)[np.newaxis].astype(np.float32)


def gradient(heights: Float, grid: Grid, window: Window) -> tuple[Float, Float]:
    """Return how steeply the ground rises to the east and to the north, metres per metre.

    Parameters
    ----------
    heights
        (height + 2, width + 2), metres: the window with one more pixel on each side.
    grid
        Grid of the DEM; its pixels may be rectangular or rotated, its CRS geographic.
    window
        Window of the answer.

    Returns
    -------
    Two (height, width) arrays; NaN where one of the nine heights is NaN.

    Notes
    -----
    Horn (1981), doi:10.1109/PROC.1981.11918, weights 1, 2, 1, along rows and columns; then to east
    and north by the inverse of the transform.
    """
    z = heights
    per_col = (z[:-2, 2:] - z[:-2, :-2]) + 2.0 * (z[1:-1, 2:] - z[1:-1, :-2])
    per_col = (per_col + (z[2:, 2:] - z[2:, :-2])) / 8.0
    per_row = (z[2:, :-2] - z[:-2, :-2]) + 2.0 * (z[2:, 1:-1] - z[:-2, 1:-1])
    per_row = (per_row + (z[2:, 2:] - z[:-2, 2:])) / 8.0
    # The pixel itself has weight 0, but a hole has no slope.
    per_col[np.isnan(z[1:-1, 1:-1])] = np.nan
    t = grid.transform
    area = t.a * t.e - t.b * t.d
    metres_x, metres_y = metres_per_unit(grid, window)
    east = (t.e * per_col - t.d * per_row) / (area * metres_x)
    north = (t.a * per_row - t.b * per_col) / (area * metres_y)
    return east, north


def _second_derivatives(z: Float, grid: Grid, window: Window) -> tuple[Float, Float, Float]:
    """Return z_xx, z_xy, z_yy, 1/m, of the quadratic surface of Zevenbergen & Thorne (1987)."""
    centre = z[1:-1, 1:-1]
    cc = (z[1:-1, :-2] - centre) + (z[1:-1, 2:] - centre)
    rr = (z[:-2, 1:-1] - centre) + (z[2:, 1:-1] - centre)
    rc = ((z[2:, 2:] - z[2:, :-2]) - (z[:-2, 2:] - z[:-2, :-2])) / 4.0
    t = grid.transform
    area = t.a * t.e - t.b * t.d
    metres_x, metres_y = metres_per_unit(grid, window)
    # Columns and rows in a metre to the east and to the north.
    col_x, row_x = t.e / area / metres_x, -t.d / area / metres_x
    col_y, row_y = -t.b / area / metres_y, t.a / area / metres_y
    xx = col_x * col_x * cc + 2.0 * col_x * row_x * rc + row_x * row_x * rr
    yy = col_y * col_y * cc + 2.0 * col_y * row_y * rc + row_y * row_y * rr
    xy = col_x * col_y * cc + (col_x * row_y + col_y * row_x) * rc + row_x * row_y * rr
    return xx, xy, yy


def metres_per_unit(grid: Grid, window: Window) -> tuple[Float | float, Float | float]:
    """Return the metres in one unit of x and of y, (height, width) arrays for a geographic CRS.

    For degrees these are the radii of curvature of the CRS's ellipsoid along the parallel and along
    the meridian. A projection's own distortion is not undone.
    """
    if grid.crs is None:
        return 1.0, 1.0
    crs = horizontal(grid.crs)
    unit = float(crs.axis_info[0].unit_conversion_factor) if crs.axis_info else 1.0
    if not crs.is_geographic:
        return unit, unit
    _, latitude = grid.xy(*window.pixel_centres())
    latitude = np.clip(np.broadcast_to(latitude, window.shape) * unit, -math.pi / 2, math.pi / 2)
    ellipsoid = crs.ellipsoid
    major = 6378137.0 if ellipsoid is None else ellipsoid.semi_major_metre
    minor = 6356752.3142 if ellipsoid is None else ellipsoid.semi_minor_metre
    squared = 1.0 - (minor / major) ** 2
    root = 1.0 - squared * np.sin(latitude) ** 2
    along_parallel = major * np.cos(latitude) / np.sqrt(root)
    along_meridian = major * (1.0 - squared) / root**1.5
    # A pixel centre on the pole: no east there, and no division by zero.
    return np.maximum(along_parallel, 1e-3) * unit, along_meridian * unit
