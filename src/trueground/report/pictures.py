"""Pictures for the page, as data URIs: maps, histograms, images."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trueground.engine import Engine
from trueground.grid import Grid, Window
from trueground.plot import (
    Histogram,
    colour_scale,
    figure,
    figure_png,
    overview,
    plot_dh,
    plot_histogram,
    scale_bar,
    stretch,
    theme,
)
from trueground.plot.colours import NODATA_COLOUR
from trueground.projection import horizontal
from trueground.raster import ArrayRaster, Raster
from trueground.report.page import Legend, Picture
from trueground.report.text import quantity
from trueground.terrain import metres_per_unit
from trueground.warp import on_grid

if TYPE_CHECKING:
    import geopandas as gpd
    from matplotlib.figure import Figure

MAP_PIXELS = 1400
IMAGE_PIXELS = 1600
_THUMBNAIL_PIXELS = 720
_SHARP = 900  # px: smaller maps are enlarged by a whole factor, so that outlines stay fine
_FIGURE_DPI = 220.0
_INCHES = 6.0  # width of a map, as the width of lines sees it
_LOWEST, _HIGHEST = 0.3, 1.6  # height of a map over its width, as far as a figure follows it
_LARGEST_PNG = 300_000  # bytes; a noisy map is several times larger than as WebP


def map_picture(
    dh: Raster,
    *,
    limit: float,
    alt: str,
    caption: str,
    hillshade: Raster | None = None,
    outlines: gpd.GeoSeries | gpd.GeoDataFrame | None = None,
    engine: Engine | None = None,
) -> tuple[Picture, Picture]:
    """Draw a difference without any text in it, and a thumbnail; legend and scale bar belong to the page."""
    small = overview(dh, max_pixels=MAP_PIXELS, engine=engine)
    rows, cols = small.grid.shape
    width = cols * max(_SHARP // max(rows, cols), 1)
    height = max(round(width * rows / cols * _stretched(small.grid)), 1)
    fig = figure(_INCHES, _INCHES * height / width, dpi=width / _INCHES, layout=None)
    ax = fig.add_axes((0.0, 0.0, 1.0, 1.0))
    plot_dh(small, ax, limit=limit, hillshade=hillshade, outlines=outlines, decorations=False)
    ax.set_aspect("auto")  # the figure has the right proportions already, but for a round pixel
    canvas: Any = fig.canvas
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    every = -(-max(pixels.shape) // _THUMBNAIL_PIXELS)
    large, little = (
        placed_picture(p, alt=alt, caption=caption, grid=small.grid, height=height // k)
        for p, k in ((pixels, 1), (_reduced(pixels, every), every))
    )
    return large, little


def dh_legend(limit: float, *, title: str, low_note: str, high_note: str) -> Legend:
    """Return the colour scale of maps drawn with this limit."""
    return Legend(
        gradient=f"linear-gradient(to right, {', '.join(colour_scale())})",
        nodata=NODATA_COLOUR,
        low="≤ " + quantity(-limit, decimals=_limit_decimals(limit)),
        middle="0",
        high="≥ " + quantity(limit, decimals=_limit_decimals(limit), signed=True),
        low_note=low_note,
        high_note=high_note,
        title=title,
    )


def _limit_decimals(limit: float) -> int:
    text = f"{limit:.6f}".rstrip("0")
    return len(text.partition(".")[2])


def histogram_picture(before: Histogram, after: Histogram, *, alt: str, caption: str) -> Picture:
    """Draw two histograms, for a light and for a dark page."""

    def draw(fig: Figure) -> None:
        plot_histogram(before, after, fig.subplots())

    return figure_picture(draw, (4.8, 3.3), alt=alt, caption=caption)


def figure_picture(
    draw: Callable[[Figure], None],
    inches: tuple[float, float],
    *,
    alt: str,
    caption: str = "",
    photo: bool = False,
) -> Picture:
    """Draw a figure of some width and height, light and dark; a photo as WebP."""
    drawn: list[str] = []
    for name in ("light", "dark"):
        with theme("dark" if name == "dark" else "light"):
            fig = figure(*inches, dpi=_FIGURE_DPI)
            draw(fig)
            if photo:
                canvas: Any = fig.canvas
                canvas.draw()
                drawn.append(_webp(np.asarray(canvas.buffer_rgba())))
            else:
                drawn.append(_data_uri(figure_png(fig), "image/png"))
    light, dark = drawn
    return Picture(
        src=light,
        dark=dark,
        alt=alt,
        caption=caption,
        width=round(inches[0] * _FIGURE_DPI),
        height=round(inches[1] * _FIGURE_DPI),
    )


def image_pair(
    first: Raster, second: Raster, *, names: tuple[str, str], engine: Engine | None = None
) -> tuple[tuple[Picture, Picture], tuple[Picture, Picture]]:
    """Return two images of the same ground on one grid, and the same as thumbnails."""
    small = [overview(r, max_pixels=IMAGE_PIXELS, engine=engine) for r in (first, second)]
    grid = common_grid(small[0].grid, small[1].grid)
    large: list[Picture] = []
    thumbnails: list[Picture] = []
    for raster, name in zip(small, names, strict=True):
        placed = on_grid(raster, grid)
        image = ArrayRaster(array=placed.read(grid.window), grid=grid)
        alt = f"Orthoimage {name}, north up"
        large.append(placed_picture(stretch(image), alt=alt, caption=name, grid=grid))
        little = overview(image, max_pixels=_THUMBNAIL_PIXELS, engine=engine)
        thumbnails.append(placed_picture(stretch(little), alt=alt, caption=name, grid=grid))
    return (large[0], large[1]), (thumbnails[0], thumbnails[1])


def common_grid(first: Grid, second: Grid) -> Grid:
    """Return the first grid, grown by whole pixels to cover the second where their CRS is one."""
    if first.crs != second.crs:
        return first
    west, south, east, north = second.bounds
    row, col = first.rowcol(np.array([west, east]), np.array([north, south]))
    slack = 1e-6  # px, for round-off
    top = min(0, math.floor(row.min() + slack))
    left = min(0, math.floor(col.min() + slack))
    bottom = max(first.shape[0], math.ceil(row.max() - slack))
    right = max(first.shape[1], math.ceil(col.max() - slack))
    return first.crop(Window(top, left, bottom - top, right - left))


def map_height(grid: Grid, width: float, *, extra: float) -> float:
    """Return the height of a figure that is filled by a map of a grid, and `extra` below it [inches]."""
    shape = grid.shape[0] / grid.shape[1] * _stretched(grid)
    return float(np.clip(width * shape, _LOWEST * width, _HIGHEST * width)) + extra


def _stretched(grid: Grid) -> float:
    """Return how much higher than wide a pixel of the picture is on the ground."""
    dx, dy = grid.resolution
    if grid.crs is None or not horizontal(grid.crs).is_geographic:
        return dy / dx
    x, y = metres_per_unit(grid, Window(grid.shape[0] // 2, grid.shape[1] // 2, 1, 1))
    return dy * float(np.asarray(y).item()) / (dx * float(np.asarray(x).item()))


def placed_picture(
    pixels: NDArray[Any], *, alt: str, caption: str, grid: Grid, height: int = 0
) -> Picture:
    """Return pixels of a grid as a picture of true proportions, with its scale bar."""
    bar = scale_bar(grid)
    return Picture(
        src=encoded(pixels),
        alt=alt,
        caption=caption,
        width=int(pixels.shape[1]),
        height=height or max(round(pixels.shape[0] * _stretched(grid)), 1),
        bar_width="" if bar is None else f"{100.0 * bar.share:.2f}%",
        bar_label="" if bar is None else bar.label,
    )


def _reduced(pixels: NDArray[np.uint8], times: int) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).reduce(times))


def encoded(pixels: NDArray[Any]) -> str:
    """Return (rows, cols, 3 or 4) of uint8 as a data URI: PNG where that is small, else WebP."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    if buffer.tell() <= min(_LARGEST_PNG, image.width * image.height // 2):
        return _data_uri(buffer.getvalue(), "image/png")
    return _webp(pixels)


def _webp(pixels: NDArray[Any]) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "WEBP", quality=84, method=4)
    return _data_uri(buffer.getvalue(), "image/webp")


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
