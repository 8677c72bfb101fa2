"""Pictures of the report of an orthoimage: quick look over a hillshade, and figures in pairs of themes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueground.dem import Dem
from trueground.engine import Engine
from trueground.errors import OverlapError
from trueground.grid import Grid, Window
from trueground.plot import overview, shade_on, stretch
from trueground.plot.ortho import plot_incidence, plot_sight, plot_vectors, sight_legend
from trueground.projection import project_bounds
from trueground.quality import OrthoQuality, Residuals
from trueground.raster import Raster
from trueground.report.page import Picture
from trueground.report.pictures import figure_picture, map_height
from trueground.tile import Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUICK_LOOK_PIXELS = 800
_TICKS = 4  # spaces between the ticks of a colour scale, at most: angles may need five digits
_BEYOND = 4  # px of the DEM around the orthoimage: the edge of a hillshade is lost, and smoothed
_PAPER, _RELIEF = 110.0, 120.0  # grey of a hillshade: of its darkest, and up to its brightest slope


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leading:
    """The first bands of a raster: as many as a picture shows."""

    source: Raster

    @property
    def grid(self) -> Grid:
        """That of the source."""
        return self.source.grid

    @property
    def count(self) -> int:
        """Three of three or more, else one."""
        return 3 if self.source.count >= 3 else 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the source."""
        return self.source.dtype

    @property
    def nodata(self) -> float | None:
        """That of the source."""
        return self.source.nodata

    def read(self, window: Window) -> NDArray[Any]:
        """Return a window of those bands."""
        return self.source.read(window)[: self.count]


class QuickLook(NamedTuple):
    """An orthoimage and the hillshade of its DEM as small pictures on one grid: (rows, cols, 4) bytes."""

    image: NDArray[np.uint8]
    """The hillshade where there is no data."""
    relief: NDArray[np.uint8]
    grid: Grid


def quick_look(
    image: Raster, dem: Dem, *, max_pixels: int = QUICK_LOOK_PIXELS, engine: Engine | None = None
) -> QuickLook:
    """Average an orthoimage down, block by block, and lay it upon the hillshade of its DEM."""
    small = overview(_Leading(source=image), max_pixels=max_pixels, engine=engine)
    colours = stretch(small)
    shade = shade_below(dem, small.grid)
    relief = np.zeros((*small.grid.shape, 4), dtype=np.uint8)
    known = np.isfinite(shade)
    grey = np.clip(_PAPER + _RELIEF * np.where(known, shade, 0.0), 0.0, 255.0)
    relief[known, :3] = np.round(grey[known])[:, np.newaxis]
    relief[known, 3] = 255
    return QuickLook(np.where(colours[..., 3:] > 0, colours, relief), relief, small.grid)


def shade_below(dem: Dem, grid: Grid) -> NDArray[np.float32]:
    """Return the hillshade of the part of a DEM below a grid, (rows, cols); NaN where there are no heights."""
    own = dem.raster.grid
    try:
        bounds = (
            grid.bounds
            if grid.crs is None or grid.crs == own.crs
            else project_bounds(grid.crs, dem.crs, grid.bounds)
        )
        window = own.window_of(bounds)
    except OverlapError:
        return np.full(grid.shape, np.nan, dtype=np.float32)
    below = Part(source=dem.raster, window=window.pad(_BEYOND).intersect(own.window))
    return shade_on(below, grid, max_pixels=2 * max(grid.shape))


def incidence_picture(quality: OrthoQuality, width: float) -> Picture:
    """Draw the map of incidence, so many inches wide."""
    from matplotlib.ticker import MaxNLocator

    def draw(fig: Figure) -> None:
        ax = fig.subplots()
        colours = plot_incidence(quality, ax)
        bar = fig.colorbar(colours, ax=ax, location="bottom", shrink=0.75, aspect=32, pad=0.03,
                           label="incidence [degrees]", ticks=MaxNLocator(_TICKS))  # fmt: skip
        # Angles that differ in the third decimal would be written as an offset.
        bar.ax.ticklabel_format(useOffset=False)

    size = (width, map_height(quality.maps.grid, width, extra=0.85))
    return figure_picture(
        draw, size, alt="Map of the angle of incidence, with an arrow to the sensor", photo=True
    )


def sight_picture(quality: OrthoQuality, dem: Dem | None, width: float) -> Picture:
    """Draw the map of hidden ground and missing heights, so many inches wide."""
    shade = None if dem is None else shade_below(dem, quality.maps.grid)

    def draw(fig: Figure) -> None:
        ax = fig.subplots()
        plot_sight(quality, ax, shade=shade)
        sight_legend(quality, ax)

    size = (width, map_height(quality.maps.grid, width, extra=0.4))
    alt = "Map of the ground that the sensor saw, that was hidden from it, and without heights"
    return figure_picture(draw, size, alt=alt, photo=True)


def vectors_picture(
    vectors: Residuals, look: QuickLook, width: float, *, convergence: float
) -> Picture:
    """Draw residual vectors over the quick look, so many inches wide."""

    def draw(fig: Figure) -> None:
        plot_vectors(
            vectors, fig.subplots(), picture=look.image, grid=look.grid, convergence=convergence
        )

    size = (width, map_height(look.grid, width, extra=0.0))
    return figure_picture(draw, size, alt=f"Residual vectors against {vectors.against}", photo=True)
