"""The pictures of the concepts and of the theory, from the sample world and by trueground's own plots."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from trueground import (
    Blockwise,
    Datum,
    Dem,
    Difference,
    NuthKaab,
    Orthoimage,
    Raster,
    Window,
    open_raster,
    rpc_for_image,
    stable_terrain,
    statistics,
)
from trueground.grid import Grid
from trueground.plot import figure, figure_png, histogram_of, plot_dh, plot_histogram, plot_image
from trueground.plot.blocks import plot_all_tiles, plot_shift_field
from trueground.projection import WGS84, project
from trueground.raster import ArrayRaster
from trueground.samples import World, world

GROUND, LINE, HIDDEN, GEOID = "#8a6d3b", "#0b6e99", "#c51b1b", "#2e9e5b"


def pictures() -> dict[str, bytes]:
    """Return all pictures by their places."""
    made: dict[str, Callable[[], Figure]] = {
        "datums": datums,
        "undulation": undulation,
        "dh-before-after": before_and_after,
        "dh-sign": sign_of_dh,
        "dh-by-aspect": dh_by_aspect,
        "line-of-sight": line_of_sight,
        "height-moves": height_moves,
        "hidden": hidden_profile,
        "shift-field": shift_field,
        "shift-blocks": lambda: plot_all_tiles(blockwise()),
    }
    return {f"pictures/{name}.png": figure_png(draw()) for name, draw in made.items()}


@cache
def sample() -> World:
    """Return the synthetic world."""
    return world()


@cache
def pair() -> tuple[Raster, Raster, Raster | None]:
    """Return reference, moving DEM and mask of stable terrain."""
    made = sample()
    reference = open_raster(made.reference)
    stable = stable_terrain(reference.grid, exclude=[made.outlines])
    return reference, open_raster(made.moving), stable


@cache
def aligned() -> tuple[Difference, Difference]:
    """Return the differences before and after Nuth & Kaab."""
    reference, moving, stable = pair()
    found = NuthKaab().fit(reference, moving, valid=stable)
    after = Difference(first=reference, second=found.apply(moving))
    return Difference(first=reference, second=moving), after


@cache
def blockwise() -> Any:
    """Return the blockwise alignment of the sample pair."""
    reference, moving, stable = pair()
    return Blockwise(NuthKaab(), block_size=150).fit(reference, moving, valid=stable)


def datums() -> Figure:
    """Draw one piece of ground, its heights above the ellipsoid and above EGM96."""
    reference, _, _ = pair()
    grid = reference.grid
    row = grid.shape[0] // 2
    z = reference.read(Window(row, 0, 1, grid.shape[1]))[0, 0]
    x, y = grid.xy(np.full(z.shape, row + 0.5), np.arange(z.size) + 0.5)
    undulation = Datum.parse("egm96").undulation(*project(grid.crs, WGS84, x, y))
    km = (x - x[0]) / 1000.0
    fig = figure(9.0, 4.2)
    ax = fig.subplots()
    ax.plot(km, z, color=LINE, lw=2.0, label="height above the ellipsoid, h")
    ax.plot(
        km, z - undulation, color=GEOID, lw=2.0, label="height above EGM96, H = h \N{MINUS SIGN} N"
    )
    middle = z.size // 2
    ax.annotate("", (km[middle], z[middle]), (km[middle], z[middle] - undulation[middle]),
                arrowprops={"arrowstyle": "<->", "color": "#111111"})  # fmt: skip
    ax.text(
        km[middle] + 0.03,
        z[middle] - undulation[middle] / 2.0,
        f"N = {undulation[middle]:.1f} m",
        va="center",
    )
    ax.set_xlabel("distance east [km]")
    ax.set_ylabel("height of the same ground [m]")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    return fig


def undulation() -> Figure:
    """Draw the geoid EGM96 above the ellipsoid."""
    lon, lat = np.meshgrid(np.arange(-179.5, 180.0), np.arange(89.5, -90.0, -1.0))
    height = Datum.parse("egm96").undulation(lon, lat)
    fig = figure(9.0, 4.6)
    ax = fig.subplots()
    shown = ax.imshow(height, extent=(-180, 180, -90, 90), cmap="RdBu_r", vmin=-100, vmax=100)
    ax.contour(lon, lat, height, levels=[0.0], colors="#111111", linewidths=0.6)
    fig.colorbar(shown, ax=ax, label="N: EGM96 above the WGS 84 ellipsoid [m]", shrink=0.85)
    ax.set_xlabel("longitude [°]")
    ax.set_ylabel("latitude [°]")
    return fig


def before_and_after() -> Figure:
    """Draw differences before and after, in the same colours, with their histograms."""
    import geopandas as gpd

    reference, _, stable = pair()
    fig = figure(12.0, 4.9)
    axes = fig.subplots(1, 3)
    outlines = gpd.read_file(sample().outlines)
    counts = []
    for ax, dh, name in zip(axes, aligned(), ("before", "after"), strict=False):
        found = statistics(dh, valid=stable)
        plot_dh(
            dh,
            ax,
            limit=12.0,
            hillshade=reference,
            outlines=outlines,
            title=f"{name}: NMAD {found.nmad:.2f} m",
        )
        edges = np.linspace(-15.0, 15.0, 121)
        counts.append(histogram_of(dh, edges, valid=stable, median=found.median, nmad=found.nmad))
    plot_histogram(counts[0], counts[1], axes[2])
    return fig


def sign_of_dh() -> Figure:
    """Draw a profile of reference and moving DEM, and what has to be added to the second."""
    x = np.linspace(0.0, 1000.0, 400)

    def hill(at: Any) -> Any:
        return 120.0 * np.exp(-(((at - 500.0) / 160.0) ** 2))

    east, up = 90.0, 12.0
    moving = hill(x + east) - up
    fig = figure(9.0, 5.4)
    top, bottom = fig.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    top.plot(x, hill(x), color=GROUND, lw=2.2, label="reference")
    top.plot(x, moving, color=LINE, lw=2.2, ls="--", label="moving")
    peak = 500.0 - east
    top.annotate("", (500.0, 120.0), (peak, 120.0 - up), arrowprops={"arrowstyle": "->", "lw": 1.8})
    top.text(
        500.0,
        133.0,
        f"shift: x +{east:.0f} m, z +{up:.0f} m, to be added to the moving DEM",
        ha="center",
    )
    top.set_ylabel("height [m]")
    top.set_ylim(-20, 150)
    top.legend(frameon=False, loc="center right")
    dh = hill(x) - moving
    bottom.axhline(0.0, color="#b9bec7", lw=1.0)
    bottom.fill_between(x, dh, 0.0, where=dh > 0.0, color="#4393c3", alpha=0.7)
    bottom.fill_between(x, dh, 0.0, where=dh < 0.0, color="#d6604d", alpha=0.7)
    bottom.set_ylabel("dh [m]")
    bottom.set_xlabel("east [m]")
    for ax in (top, bottom):
        ax.spines[["top", "right"]].set_visible(False)
    return fig


def dh_by_aspect() -> Figure:
    """Draw what Nuth & Kaab look at: dh over the tangent of the slope, by the direction that the slope faces."""
    reference, _, stable = pair()
    z = reference.read(reference.grid.window)[0].astype(np.float64)
    size = reference.grid.resolution[0]
    south, east = np.gradient(z, size)
    aspect = np.degrees(np.arctan2(-east, south)) % 360.0  # downhill, clockwise from north
    tangent = np.hypot(east, south)
    assert stable is not None
    use = (stable.read(reference.grid.window)[0] != 0) & (tangent > np.tan(np.radians(5.0)))
    bins = np.arange(0.0, 361.0, 5.0)
    middle = (bins[:-1] + bins[1:]) / 2.0
    fig = figure(9.0, 4.4)
    ax = fig.subplots()
    for dh, name, colour in zip(aligned(), ("before", "after"), (HIDDEN, LINE), strict=True):
        d = dh.read(reference.grid.window)[0]
        keep = use & np.isfinite(d)
        d = d - np.median(d[keep])
        which = np.digitize(aspect[keep], bins) - 1
        ratio = (d / np.where(use, tangent, 1.0))[keep]
        medians = np.array([np.median(ratio[which == i]) for i in range(middle.size)])
        ax.plot(middle, medians, "o", ms=4.5, color=colour, label=f"{name}, medians of 5°")
        fine = np.linspace(0.0, 360.0, 361)
        found, *_ = np.linalg.lstsq(_waves(middle), medians, rcond=None)
        ax.plot(fine, _waves(fine) @ found, color=colour, lw=1.4)
    ax.axhline(0.0, color="#b9bec7", lw=1.0, zorder=0)
    ax.set_xticks(range(0, 361, 45), ["N", "NE", "E", "SE", "S", "SW", "W", "NW", "N"])
    ax.set_xlabel("direction that the slope faces")
    ax.set_ylabel("(dh \N{MINUS SIGN} median) / tan(slope) [m]")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    return fig


def _waves(angle: Any) -> Any:
    """Return the columns of east, north and constant."""
    turn = np.radians(angle)
    return np.column_stack([np.sin(turn), np.cos(turn), np.ones_like(turn)])


def line_of_sight() -> Figure:
    """Draw a pixel's line of sight over the ground: from above, and in profile."""
    image, rpc, dem = scene(0)
    row, col = seen_near_cliff(image, rpc, dem)
    found = rpc.localize_on(dem, [row], [col])
    levels = np.array([found.height[0] + d for d in (260.0, 180.0, 100.0, 0.0, -100.0)])
    places = rpc.localize(np.full(levels.shape, row), np.full(levels.shape, col), levels)
    x, y = project(WGS84, dem.crs, places.lon, places.lat)
    fig = figure(7.0, 5.2)
    ax = fig.subplots()
    distance, surface, along = profile(dem, x, y)
    ax.fill_between(distance, surface, surface.min() - 40.0, color="#d9c9a3", lw=0.0)
    ax.plot(distance, surface, color=GROUND, lw=1.8)
    above = levels >= found.height[0]
    ax.plot(along[above], levels[above], color=LINE, lw=2.0)
    ax.plot(along[~above | (levels == found.height[0])], levels[~above | (levels == found.height[0])],
            color=LINE, lw=1.4, ls=":")  # fmt: skip
    for a, h, on in zip(along, levels, levels == found.height[0], strict=True):
        ax.plot(a, h, "o", ms=9 if on else 5, color=HIDDEN if on else LINE)
        text = (
            "localize_on(dem, row, col): the first ground"
            if on
            else f"localize(row, col, {h:.0f} m)"
        )
        ax.annotate(text, (a, h), (9, 3), textcoords="offset points", fontsize=9.0)
    ax.set_xlabel("distance along the view [m]")
    ax.set_ylabel("height above the ellipsoid [m]")
    ax.set_aspect("equal")
    ax.spines[["top", "right"]].set_visible(False)
    return fig


def height_moves() -> Figure:
    """Draw how far an error of the height moves the ground, by the angle of incidence."""
    angle = np.linspace(0.0, 45.0, 91)
    fig = figure(7.0, 4.0)
    ax = fig.subplots()
    for error, colour in ((5.0, LINE), (20.0, GEOID), (50.0, HIDDEN)):
        ax.plot(
            angle, error * np.tan(np.radians(angle)), color=colour, lw=2.0, label=f"{error:g} m"
        )
    ax.set_xlabel("angle of incidence [°]")
    ax.set_ylabel("shift of the ground [m]")
    ax.set_xlim(0, 45)
    ax.set_ylim(bottom=0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, title="error of the height")
    return fig


def hidden_profile() -> Figure:
    """Draw ground that a cliff hides, in profile and in the orthoimage."""
    image, rpc, dem = scene(0)
    row, col = seen_near_cliff(image, rpc, dem)
    fig = figure(11.0, 4.8)
    left, right = fig.subplots(1, 2, width_ratios=[1.35, 1.0])
    _draw_hidden(left, rpc, dem, pixel=(row, col))
    lon, lat, _, _ = rpc.localize_on(dem, [row], [col])
    x, y = project(WGS84, dem.crs, lon, lat)
    grid = Grid.covering((x[0] - 150, y[0] - 150, x[0] + 150, y[0] + 150), 2.0, crs=dem.crs)
    ortho = Orthoimage(image=image, rpc=rpc, dem=dem, grid=grid)
    pixels = ArrayRaster(array=ortho.read(grid.window), grid=grid, nodata=ortho.nodata)
    plot_image(pixels, right, title="the orthoimage, hidden ground red")
    right.set_facecolor(HIDDEN)
    return fig


def _draw_hidden(ax: Any, rpc: Any, dem: Dem, *, pixel: tuple[float, float]) -> None:
    """Draw the profile through a place, hidden ground red, with the line that grazes the edge."""
    row, col = pixel
    top = rpc.localize_on(dem, [row], [col])
    heights = top.height[0] + np.array([120.0, 0.0, -200.0])
    places = rpc.localize(np.full(3, row), np.full(3, col), heights)
    x, y = project(WGS84, dem.crs, places.lon, places.lat)
    distance, surface, along = profile(dem, x, y)
    slope = (heights[0] - heights[2]) / (along[0] - along[2])  # of the lines, along the profile
    level = surface - slope * distance  # constant on a line of sight
    from_sensor = level if along[0] < along[2] else level[::-1]
    highest = np.maximum.accumulate(from_sensor)
    dark = from_sensor < highest - 1e-3
    dark = dark if along[0] < along[2] else dark[::-1]
    ax.fill_between(distance, surface, surface.min() - 15.0, color="#e9dfc6", lw=0.0)
    ax.plot(distance, surface, color=GROUND, lw=1.6)
    ax.plot(distance, np.where(dark, surface, np.nan), color=HIDDEN, lw=4.0, label="hidden")
    edge = _edge(dark, distance, surface, towards=1 if along[0] < along[2] else -1)
    for start in edge:
        line = start[1] + slope * (distance - start[0])
        inside = (line >= surface - 2.0) & (line < surface.max() + 60.0)
        ax.plot(distance[inside], line[inside], color=LINE, lw=1.3)
    ax.set_xlabel("distance along the view [m]")
    ax.set_ylabel("height above the ellipsoid [m]")
    ax.set_title("in profile: lines of sight that graze the edge")
    ax.set_ylim(surface.min() - 15.0, surface.max() + 60.0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)


def _edge(dark: Any, distance: Any, surface: Any, *, towards: int) -> list[tuple[float, float]]:
    """Return the ground just before the widest piece of hidden ground, as the sensor comes to it."""
    order = range(len(dark)) if towards > 0 else range(len(dark) - 1, -1, -1)
    pieces, start, length = [], None, 0
    for i in order:
        if dark[i]:
            start, length = (i - towards if start is None else start), length + 1
        elif start is not None:
            pieces.append((length, start))
            start, length = None, 0
    if not pieces:
        return []
    _, at = max(pieces)
    return [(distance[at], surface[at])]


def scene(side: int) -> tuple[Raster, Any, Dem]:
    """Return an image of the sample world, its RPC and the heights."""
    made = sample()
    image = open_raster(made.images[side])
    return image, rpc_for_image(image), Dem.open(made.reference, heights="ellipsoid")


@cache
def _cliff() -> tuple[float, float]:
    """Return the middle of the most hidden ground, in the CRS of the DEM."""
    visible = open_raster(sample().visible[0])
    mask = visible.read(visible.grid.window)[0] == 0
    size = 60
    sums = np.pad(mask, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    inside = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    i, j = np.unravel_index(int(inside.argmax()), inside.shape)
    x, y = visible.grid.xy(i + size / 2.0, j + size / 2.0)
    return float(x), float(y)


def seen_near_cliff(image: Raster, rpc: Any, dem: Dem) -> tuple[float, float]:
    """Return the pixel that looks at the cliff."""
    del image
    x, y = _cliff()
    lon, lat = project(dem.crs, WGS84, x, y)
    row, col = rpc.project(lon, lat, dem.heights(lon, lat))
    return float(row), float(col)


def profile(dem: Dem, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """Return distances and heights of the ground along points that lie on a line, and the points' own distances."""
    direction = np.array([x[-1] - x[0], y[-1] - y[0]])
    direction /= np.hypot(*direction)
    along = (x - x[0]) * direction[0] + (y - y[0]) * direction[1]
    distance = np.linspace(along.min() - 150.0, along.max() + 150.0, 900)
    px, py = x[0] + distance * direction[0], y[0] + distance * direction[1]
    surface = dem.heights(px, py, crs=dem.crs)
    return distance, surface, along


def shift_field() -> Figure:
    """Draw the field of the shift in x with its blocks, and the truth."""
    found = blockwise()
    fig = figure(11.0, 5.2)
    left, right = fig.subplots(1, 2)
    plot_shift_field(found, left, axis="x")
    left.set_title("found: shift x [m]")
    west, south, east, north = (
        left.get_xlim()[0],
        left.get_ylim()[0],
        left.get_xlim()[1],
        left.get_ylim()[1],
    )
    x, y = np.meshgrid(np.linspace(west, east, 240), np.linspace(north, south, 240))
    (shown,) = left.get_images()
    truth = sample().shift_at(x, y)[0]
    right.imshow(truth, extent=(west, east, south, north), cmap=shown.get_cmap(), norm=shown.norm)
    right.set_xticks([])
    right.set_yticks([])
    right.set_title("true")
    fig.colorbar(shown, ax=right, orientation="horizontal", shrink=0.9, pad=0.04)
    return fig
