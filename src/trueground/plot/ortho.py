"""Figures of the quality of an orthoimage: incidence, what the sensor could see, residual vectors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trueground.plot.colours import LAMP_ALTITUDE, NODATA_COLOUR
from trueground.plot.maps import decorate, place_colours
from trueground.quality import OrthoQuality, Residuals, Sight

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

    from trueground.grid import Grid

INCIDENCE_COLOURS = "viridis"
SIGHT_COLOURS = {
    Sight.VISIBLE: "#a9cfe3",
    Sight.HIDDEN: "#c51b1b",
    Sight.NO_HEIGHT: "#f2a516",
}
SIGHT_NAMES = {
    Sight.VISIBLE: "seen",
    Sight.HIDDEN: "hidden",
    Sight.NO_HEIGHT: "no height",
}
_ARROW_COLOUR = "#ffd23f"
_CUT_COLOUR = "#ff5a36"
_DARK = "#111111"
_CUT = 2.0  # times the length that few exceed, beyond which an arrow is cut
_ARROW_INCHES = 0.5  # of a vector that few others exceed
_SENSOR_INCHES = 0.35  # half of the arrow to the sensor
_FEW = 90.0  # percentile of them
_LEAST_RANGE = 0.02  # degrees, of the colours of incidence
_DARKEST = 0.55  # brightness of the darkest slope under a map


def plot_incidence(quality: OrthoQuality, ax: Axes) -> ScalarMappable:
    """Draw at what angle the ground is seen, and an arrow towards the sensor.

    Parameters
    ----------
    quality
        What is known about the orthoimage.
    ax
        Axes to draw into.

    Returns
    -------
    The colours, for a colour bar.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    maps = quality.maps
    middle = (quality.incidence.low + quality.incidence.high) / 2.0
    half = max((quality.incidence.high - quality.incidence.low) / 2.0, _LEAST_RANGE / 2.0)
    if not math.isfinite(middle):
        middle = half = 0.5
    scale = Normalize(middle - half, middle + half)
    known = np.isfinite(maps.incidence)
    colours = colormaps[INCIDENCE_COLOURS](scale(np.where(known, maps.incidence, middle)))
    colours[~known] = _beside(maps.sight[~known])
    place_colours(ax, colours, maps.grid)
    decorate(ax, maps.grid)
    if math.isfinite(quality.bearing):
        _arrow_to_sensor(ax, quality.bearing)
    return ScalarMappable(scale, INCIDENCE_COLOURS)


def plot_sight(quality: OrthoQuality, ax: Axes, *, shade: NDArray[Any] | None = None) -> Axes:
    """Draw which ground the sensor could see, which was hidden, and where the DEM has no heights.

    Parameters
    ----------
    quality
        What is known about the orthoimage.
    ax
        Axes to draw into.
    shade
        Hillshade on the grid of the quality's maps, 0 to 1; NaN where it is not known.
    """
    from matplotlib.colors import to_rgba

    maps = quality.maps
    colours = np.zeros((*maps.grid.shape, 4))
    for kind, colour in SIGHT_COLOURS.items():
        colours[maps.sight == kind] = to_rgba(colour)
    if shade is not None:
        level = math.sin(math.radians(LAMP_ALTITUDE))
        light = np.clip(np.nan_to_num(shade, nan=level) / level, 0.0, 1.0)
        seen = maps.sight == Sight.VISIBLE
        colours[seen, :3] *= (_DARKEST + (1.0 - _DARKEST) * light[seen])[:, np.newaxis]
    place_colours(ax, colours, maps.grid)
    decorate(ax, maps.grid)
    return ax


def sight_legend(quality: OrthoQuality, ax: Axes) -> Axes:
    """Draw a legend of what there is in a map of `plot_sight`, below its axes."""
    from matplotlib.patches import Patch

    there = set(np.unique(quality.maps.sight).tolist())
    patches = [
        Patch(facecolor=SIGHT_COLOURS[kind], edgecolor="none", label=SIGHT_NAMES[kind])
        for kind in SIGHT_COLOURS
        if kind in there
    ]
    ax.figure.legend(handles=patches, loc="outside lower center", ncols=3, frameon=False)
    return ax


def plot_vectors(
    vectors: Residuals,
    ax: Axes,
    *,
    picture: NDArray[Any],
    grid: Grid,
    convergence: float = 0.0,
) -> Axes:
    """Draw how far an orthoimage is off, as arrows from the true places to where they are shown.

    Arrows more than twice as long as nine of ten are cut there, and red.

    Parameters
    ----------
    vectors
        Places in the CRS of the grid.
    ax
        Axes to draw into.
    picture
        (rows, cols, 3 or 4) colours to draw upon.
    grid
        Grid of the picture.
    convergence
        How far north is turned clockwise from up [degrees].
    """
    from matplotlib import patheffects

    place_colours(ax, picture, grid)
    decorate(ax, grid)
    west, south, east, north = grid.bounds
    ax.set_xlim(west, east)
    ax.set_ylim(south, north)
    known = vectors.known
    if not known.any():
        return ax
    length = vectors.distance[known]
    longest = float(np.percentile(length, _FEW))
    turn = math.radians(convergence)
    right = vectors.east * math.cos(turn) + vectors.north * math.sin(turn)
    up = vectors.north * math.cos(turn) - vectors.east * math.sin(turn)
    seam = [patheffects.withStroke(linewidth=2.2, foreground=_DARK, alpha=0.85)]
    ax.scatter(
        vectors.x[known], vectors.y[known], s=7.0, c=_ARROW_COLOUR, edgecolors=_DARK, linewidths=0.5, zorder=3
    )  # fmt: skip
    key = round_length(longest)
    if key <= 0.0:
        return ax
    # One that is wrong by far must not cross all others: it is cut, and red.
    cut = length > _CUT * max(longest, key)
    drawn = np.where(cut, _CUT * max(longest, key) / np.where(cut, length, 1.0), 1.0)
    inches = min(_ARROW_INCHES, _width_of(ax) / math.sqrt(length.size))
    arrows = ax.quiver(
        vectors.x[known], vectors.y[known], right[known] * drawn, up[known] * drawn, angles="uv",
        scale_units="inches", scale=max(longest, key) / inches, units="inches", width=0.024, zorder=4,
        color=np.where(cut, _CUT_COLOUR, _ARROW_COLOUR), path_effects=seam,
    )  # fmt: skip
    made = ax.quiverkey(
        arrows, 0.89, 0.95, key, length_text(key), coordinates="axes", labelpos="W", labelcolor="white",
        color=_ARROW_COLOUR,
    )  # fmt: skip
    made.text.set_path_effects(
        [patheffects.withStroke(linewidth=3.0, foreground=_DARK, alpha=0.85)]
    )
    return ax


def round_length(length: float) -> float:
    """Return the longest of 1, 2, 5, 10, ... that a length reaches; 0 of nothing.

    Examples
    --------
    >>> round_length(0.37)
    0.2
    """
    if not (math.isfinite(length) and length > 1e-6):
        return 0.0
    power = math.floor(math.log10(length))
    first = next(n for n in (5.0, 2.0, 1.0) if n * 10.0**power <= length * (1.0 + 1e-9))
    return float(f"{first * 10.0**power:.6g}")


def length_text(metres: float) -> str:
    """Return a round length with the unit that reads best."""
    if metres >= 1000.0:
        return f"{metres / 1000.0:g} km"
    if metres >= 1.0:
        return f"{metres:g} m"
    return f"{metres * 100.0:g} cm" if metres >= 0.01 else f"{metres * 1000.0:g} mm"


def _width_of(ax: Axes) -> float:
    """Return the width of the figure of an axes [inches]."""
    figure: Any = ax.get_figure(root=True)
    return float(figure.get_figwidth())


def _beside(sight: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return grey where the image reaches, nothing where it does not."""
    from matplotlib.colors import to_rgba

    colours = np.zeros((sight.size, 4))
    colours[sight == Sight.NO_HEIGHT] = to_rgba(NODATA_COLOUR)
    return colours


def _arrow_to_sensor(ax: Axes, bearing: float) -> None:
    """Draw an arrow in the middle of a map, towards the sensor; its length is one on paper."""
    from matplotlib import patheffects
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.transforms import ScaledTranslation

    (west, east), (south, north) = ax.get_xlim(), ax.get_ylim()
    data: Any = ax.transData  # typed more narrowly than it is used
    middle = ScaledTranslation((west + east) / 2.0, (south + north) / 2.0, data)
    angle = math.radians(bearing)
    end = _SENSOR_INCHES * math.sin(angle), _SENSOR_INCHES * math.cos(angle)
    arrow = FancyArrowPatch(
        (-end[0], -end[1]), end, transform=ax.figure.dpi_scale_trans + middle, arrowstyle="-|>",
        mutation_scale=18.0, color=_DARK, lw=2.0,
        path_effects=[patheffects.withStroke(linewidth=4.5, foreground="white", alpha=0.85)],
    )  # fmt: skip
    ax.add_patch(arrow)
