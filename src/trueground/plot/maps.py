"""Maps: differences of height over a hillshade, and images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trueground.errors import ProjectionError
from trueground.grid import Grid, Window
from trueground.plot.colours import (
    DIFFERENCE_COLOURS,
    LAMP_ALTITUDE,
    colours_of_dh,
    shared_limit,
    stretch,
)
from trueground.plot.overview import MAX_PIXELS, overview
from trueground.plot.style import DH_LABEL, axes
from trueground.projection import horizontal
from trueground.raster import Raster
from trueground.stats import nmad
from trueground.terrain import Hillshade, metres_per_unit
from trueground.warp import on_grid

if TYPE_CHECKING:
    import geopandas as gpd
    from matplotlib.axes import Axes

_BAR_SHARE = 0.3  # of the width: longest scale bar


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleBar:
    """A bar of a round length on the ground."""

    share: float
    """Length over the width of the map."""
    label: str
    """Length with its unit."""


def scale_bar(grid: Grid) -> ScaleBar | None:
    """Return the longest round scale bar below a third of a grid's width; None without a CRS.

    Examples
    --------
    >>> from affine import Affine
    >>> from pyproj import CRS
    >>> transform = Affine(10, 0, 0, 0, -10, 0)
    >>> scale_bar(Grid(crs=CRS(32631), transform=transform, shape=(500, 800)))
    ScaleBar(share=0.25, label='2 km')
    """
    if grid.crs is None:
        return None
    middle = Window(grid.shape[0] // 2, grid.shape[1] // 2, 1, 1)
    metres = np.asarray(metres_per_unit(grid, middle)[0]).item()
    width = metres * grid.resolution[0] * grid.shape[1]
    longest = _BAR_SHARE * width
    power = 10.0 ** math.floor(math.log10(longest))
    length = next(n for n in (5.0, 2.0, 1.0) if n * power <= longest) * power
    label = f"{length / 1000:g} km" if length >= 1000.0 else f"{length:g} m"
    return ScaleBar(share=length / width, label=label)


def plot_dh(
    values: Raster,
    ax: Axes | None = None,
    *,
    limit: float | None = None,
    hillshade: Raster | None = None,
    outlines: gpd.GeoSeries | gpd.GeoDataFrame | None = None,
    label: str = DH_LABEL,
    title: str | None = None,
    decorations: bool = True,
    max_pixels: int = MAX_PIXELS,
) -> Axes:
    """Draw a map of height differences.

    Parameters
    ----------
    values
        Differences in metres; averaged down where it is large.
    ax
        Axes to draw into; new ones by default.
    limit
        Differences from `-limit` to `limit` metres are told apart by colour; give the same one to
        maps that are compared. From the data (`shared_limit`) where it is not given.
    hillshade
        DEM to shade the map with.
    outlines
        Polygons to draw, in any CRS.
    label
        What the colour bar says.
    title
        Title of the map.
    decorations
        False: without colour bar, scale bar and frame.
    max_pixels
        Most rows or columns that are drawn.

    Returns
    -------
    The axes, with the colours as their image. No data is grey.

    Raises
    ------
    ProjectionError
        Where outlines have no CRS but the map has.

    Examples
    --------
    >>> from trueground import Difference
    >>> from trueground.plot import figure, plot_dh
    >>> from trueground.samples import small_dems
    >>> reference, moving = small_dems()
    >>> dh = Difference(first=reference, second=moving)
    >>> ax = plot_dh(dh, figure(4, 4).subplots(), hillshade=reference, title="before")
    >>> ax.get_title()
    'before'
    """
    ax = axes(ax)
    small = overview(values, max_pixels=max_pixels)
    dh = small.array[0]
    if limit is None:
        limit = shared_limit(*median_nmad(dh))
    shade = None if hillshade is None else shade_on(hillshade, small.grid, max_pixels=max_pixels)
    place_colours(ax, colours_of_dh(dh, limit=limit, shade=shade), small.grid)
    if outlines is not None:
        draw_outlines(ax, outlines, small.grid)
    decorate(ax, small.grid, title, decorations=decorations)
    if decorations:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        scale = ScalarMappable(Normalize(-limit, limit), DIFFERENCE_COLOURS)
        place: dict[str, Any] = {"orientation": "horizontal", "shrink": 0.7, "pad": 0.03}
        ax.figure.colorbar(scale, ax=ax, extend="both", label=label, **place)
    return ax


def plot_image(
    image: Raster,
    ax: Axes | None = None,
    *,
    title: str | None = None,
    decorations: bool = True,
    max_pixels: int = MAX_PIXELS,
) -> Axes:
    """Draw an image, as `stretch` has it; no data is transparent. Parameters as of `plot_dh`.

    Examples
    --------
    >>> from trueground.plot import figure, plot_image
    >>> from trueground.samples import small_raster
    >>> ax = plot_image(small_raster(), figure(3, 3).subplots())
    """
    ax = axes(ax)
    small = overview(image, max_pixels=max_pixels)
    place_colours(ax, stretch(small), small.grid)
    decorate(ax, small.grid, title, decorations=decorations)
    return ax


def shade_on(dem: Raster, grid: Grid, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.float32]:
    """Return the hillshade of a DEM of any size on the grid of a picture: (rows, cols), 0 to 1.

    Parameters
    ----------
    dem
        Heights [m], in any CRS.
    grid
        Of the picture.
    max_pixels
        Most rows or columns of the DEM that are looked at; it is averaged down to them.
    """
    small = Hillshade(overview(dem, max_pixels=max_pixels), altitude=LAMP_ALTITUDE)
    shade: NDArray[np.float32] = on_grid(small, grid).read(grid.window)[0]
    return shade


def draw_outlines(ax: Axes, outlines: gpd.GeoSeries | gpd.GeoDataFrame, grid: Grid) -> Axes:
    """Draw the edges of polygons: dark with a light seam, seen on any colour."""
    import shapely
    from matplotlib import patheffects
    from matplotlib.collections import LineCollection

    shapes = outlines.geometry
    shapes = shapes[shapes.notna() & ~shapes.is_empty]
    if grid.crs is not None:
        if shapes.crs is None:
            msg = "outlines declare no CRS, so their place is unknown; assign one with set_crs"
            raise ProjectionError(msg)
        shapes = shapes.to_crs(horizontal(grid.crs))
    edges = shapely.get_parts(shapely.boundary(np.asarray(shapes.array)))
    lines = [shapely.get_coordinates(edge) for edge in edges]
    seam = [patheffects.withStroke(linewidth=2.6, foreground="white", alpha=0.8)]
    ax.add_collection(
        LineCollection(lines, colors="#111111", linewidths=1.1, path_effects=seam), autolim=False
    )
    return ax


def median_nmad(values: NDArray[Any]) -> tuple[float, float]:
    """Return median and NMAD of the finite values, 0 of none."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 0.0
    return float(np.median(finite)), nmad(finite)


def place_colours(ax: Axes, colours: NDArray[Any], grid: Grid) -> None:
    """Place a picture in the coordinates of its CRS, with true proportions on the ground."""
    rows, cols = grid.shape
    t = grid.transform
    extent = (t.c, t.c + cols * t.a, t.f + rows * t.e, t.f)
    ax.imshow(colours, extent=extent, origin="upper", interpolation="nearest", aspect="equal")
    if grid.crs is not None and horizontal(grid.crs).is_geographic:
        x, y = metres_per_unit(grid, Window(rows // 2, cols // 2, 1, 1))
        ax.set_aspect(np.asarray(y).item() / np.asarray(x).item())


def decorate(ax: Axes, grid: Grid, title: str | None = None, *, decorations: bool = True) -> None:
    """Give a map its title, frame and scale bar, or take its axes away."""
    if title is not None:
        ax.set_title(title)
    if not decorations:
        ax.set_axis_off()
        return
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[["top", "right"]].set_visible(True)
    bar = scale_bar(grid)
    if bar is not None:
        left, bottom = 0.04, 0.04
        style: dict[str, Any] = {"transform": ax.transAxes, "color": "#111111"}
        from matplotlib import patheffects

        seam = [patheffects.withStroke(linewidth=4.0, foreground="white", alpha=0.8)]
        ax.plot([left, left + bar.share], [bottom] * 2, lw=2.2, path_effects=seam, **style)
        middle = left + bar.share / 2.0
        ax.text(
            middle, bottom + 0.012, bar.label, ha="center", va="bottom", path_effects=seam, **style
        )
