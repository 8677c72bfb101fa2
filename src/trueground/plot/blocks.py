"""Figures of a blockwise coregistration: what each block found, and the field made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from trueground.coreg import BlockwiseAlignment
from trueground.plot.colours import DIFFERENCE_COLOURS
from trueground.plot.residuals import arrow_scale
from trueground.plot.style import MINUS, axes, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Axis = Literal["x", "y", "z"]
AXES: tuple[Axis, ...] = ("x", "y", "z")
_MOST_NUMBERS = 14  # blocks along a side, up to which figures are written into them
_SMALLEST, _LARGEST = 3.5, 9.0  # pt, of the figures in cells; smaller ones could not be read
_CHARACTER = 0.62  # of its height, the width of a figure
_FILLED = 0.9  # of the width of a cell, by its figure
_DARK = 0.62  # of the colour scale from its middle, where figures turn white
_TICKS = 4  # spaces between the ticks of a colour scale, at most
_PIXELS = 240  # of a map of the field, along its longer side
_NAMES = {"x": "shift x (east)", "y": "shift y (north)", "z": "shift z (up)"}
_HATCHED = "#9aa0a8"
_ARROW = "#0b6e99"
_TAIL = {"angles": "xy", "scale_units": "xy", "scale": 1.0}


def plot_all_tiles(result: BlockwiseAlignment, *, fig: Figure | None = None) -> Figure:
    """Draw `plot_tiles` of the shifts in x, y and z beside each other.

    Parameters
    ----------
    result
        What `Blockwise.fit` returned.
    fig
        Figure to draw into; a new one by default.

    Returns
    -------
    The figure.
    """
    rows, cols = result.tiles.verdict.shape
    if fig is None:
        fig = figure(13.5, min(max(4.0 * rows / cols, 2.0), 8.0) + 1.7)
    for ax, axis in zip(fig.subplots(1, 3), AXES, strict=True):
        plot_tiles(result, ax, axis=axis)
    return fig


def plot_tiles(result: BlockwiseAlignment, ax: Axes | None = None, *, axis: Axis = "x") -> Axes:
    """Draw the table of blocks as a heat map of their shifts along one axis [m].

    The number of each block stands in its cell, and in those of blocks that are not good, which are hatched, their
    verdict: with up to 14 blocks a side, and cells wide enough to be read. White is the median of the good blocks; the
    colours reach as far below it as above.

    Parameters
    ----------
    result
        What `Blockwise.fit` returned.
    ax
        Axes to draw into; new ones by default.
    axis
        `x` (to the east), `y` (to the north) or `z` (up).

    Returns
    -------
    The axes, the northern blocks on top.

    Examples
    --------
    >>> from trueground import Blockwise, NuthKaab
    >>> from trueground.plot import figure, plot_tiles
    >>> from trueground.samples import small_dems
    >>> found = Blockwise(NuthKaab(), block_size=60, passes=1).fit(*small_dems())
    >>> ax = plot_tiles(found, figure(4, 4).subplots(), axis="z")
    >>> ax.get_title()
    'shift z (up) [m]'
    """
    from matplotlib.patches import Rectangle

    ax = axes(ax)
    tiles = result.tiles
    verdicts = tiles.verdict.to_numpy()
    values = np.where(verdicts == "ok", tiles[f"shift_{axis}"].to_numpy(), np.nan)
    middle, limit = _scale(values)
    picture = ax.imshow(
        values, cmap=DIFFERENCE_COLOURS, vmin=middle - limit, vmax=middle + limit, aspect="equal"
    )
    longest = max((len(_number(v)) for v in values[np.isfinite(values)]), default=1)
    size = min(_LARGEST, _cell(ax, values.shape) * 72.0 * _FILLED / (longest * _CHARACTER))
    written = max(values.shape) <= _MOST_NUMBERS and size >= _SMALLEST
    for (i, j), value in np.ndenumerate(values):
        text, colour = str(verdicts[i, j]).replace(" ", "\n"), "#2b2f36"
        if np.isfinite(value):
            text = _number(float(value))
            colour = "white" if abs(value - middle) > _DARK * limit else "#111111"
        else:
            ax.add_patch(Rectangle((j - 0.5, i - 0.5), 1.0, 1.0, fc="#eceef1", ec="none"))
            ax.add_patch(
                Rectangle((j - 0.5, i - 0.5), 1.0, 1.0, fc="none", ec=_HATCHED, hatch="///", lw=0.0)
            )
        if written:
            box = None if np.isfinite(value) else {"fc": "#eceef1", "ec": "none", "pad": 0.8}
            style: dict[str, Any] = {"ha": "center", "va": "center", "color": colour, "bbox": box}
            smaller = 1.0 if np.isfinite(value) else 0.85
            ax.text(j, i, text, fontsize=smaller * size, linespacing=0.95, **style)
    if _upside_down(result):
        ax.invert_yaxis()
    ax.set_title(f"{_NAMES[axis]} [m]")
    ax.set_xlabel("column of blocks")
    ax.set_ylabel("row of blocks")
    ax.locator_params(integer=True, nbins=min(8, max(values.shape)))
    ax.spines[["top", "right"]].set_visible(True)
    _bar(picture, ax, pad=0.02)
    return ax


def plot_block_arrows(result: BlockwiseAlignment, ax: Axes) -> float:
    """Draw the horizontal shifts of the blocks as arrows in their places; crosses are blocks that are not good.

    Returns
    -------
    By how much the arrows are enlarged.
    """
    good = [b for b in result.blocks if b.verdict == "ok"]
    west, _, east, _ = _frame(result, ax)
    x, y = np.array([b.x for b in good]), np.array([b.y for b in good])
    shift = np.array([b.shift for b in good]).reshape(-1, 3)
    factor = arrow_scale(shift[:, 1], shift[:, 0], east - west)
    style: dict[str, Any] = {**_TAIL, "color": _ARROW, "width": 0.004}
    ax.quiver(x, y, factor * shift[:, 0], factor * shift[:, 1], **style)
    _crosses(result, ax)
    ax.set_title(f"horizontal shifts, {factor:g} times enlarged")
    return factor


def plot_shift_field(
    result: BlockwiseAlignment, ax: Axes | None = None, *, axis: Axis = "x"
) -> Axes:
    """Draw one component of the field of shifts [m], with the blocks that it is made of.

    Dots are blocks that count, crosses those that were left out. White is the median of the field.

    Parameters
    ----------
    result, ax, axis
        As of `plot_tiles`.

    Returns
    -------
    The axes, in the coordinates of the working CRS [m], north up.

    Examples
    --------
    >>> from trueground import Blockwise, NuthKaab
    >>> from trueground.plot import figure, plot_shift_field
    >>> from trueground.samples import small_dems
    >>> found = Blockwise(NuthKaab(), block_size=60, passes=1).fit(*small_dems())
    >>> ax = plot_shift_field(found, figure(4, 4).subplots(), axis="y")
    >>> ax.get_title()
    'field of shift y (north) [m]'
    """
    ax = axes(ax)
    west, south, east, north = _frame(result, ax)
    step = max(east - west, north - south) / _PIXELS
    cols, rows = (max(round(n / step), 1) for n in (east - west, north - south))
    x = west + (np.arange(cols) + 0.5) * (east - west) / cols
    y = north - (np.arange(rows) + 0.5) * (north - south) / rows
    values = result.shifts.at(x[np.newaxis, :], y[:, np.newaxis])[AXES.index(axis)]
    middle, limit = _scale(values)
    picture = ax.imshow(
        values, cmap=DIFFERENCE_COLOURS, vmin=middle - limit, vmax=middle + limit,
        extent=(west, east, south, north), origin="upper", aspect="equal",
    )  # fmt: skip
    good = [b for b in result.blocks if b.verdict == "ok"]
    ax.plot([b.x for b in good], [b.y for b in good], ls="", marker=".", ms=3.0, color="#2b2f36")
    _crosses(result, ax)
    ax.set_title(f"field of {_NAMES[axis]} [m]")
    _bar(picture, ax, pad=0.04)
    return ax


def _bar(picture: AxesImage, ax: Axes, *, pad: float) -> None:
    """Draw the colour scale of a map below it, with so few ticks that long numbers stand apart."""
    from matplotlib.ticker import MaxNLocator

    style: dict[str, Any] = {"orientation": "horizontal", "shrink": 0.8, "pad": pad}
    bar = ax.figure.colorbar(picture, ax=ax, ticks=MaxNLocator(nbins=_TICKS), **style)
    # Shifts that hardly differ would be written as an offset.
    bar.ax.ticklabel_format(useOffset=False, style="plain")


def _scale(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the middle of a colour scale, and how far it goes to both sides."""
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    middle = float(np.median(known))
    return middle, max(float(np.abs(known - middle).max()), 1e-3)


def _number(value: float) -> str:
    """Return a shift as it stands in a cell."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", MINUS)  # no -0.00


def _cell(ax: Axes, shape: tuple[int, ...]) -> float:
    """Return about how wide a cell of a map is [inches]."""
    width, height = ax.figure.get_figure(root=True).get_size_inches()
    place = ax.get_subplotspec()
    rows, columns = (1, 1) if place is None else place.get_gridspec().get_geometry()
    return float(min(0.85 * width / columns / shape[1], 0.7 * height / rows / shape[0]))


def _upside_down(result: BlockwiseAlignment) -> bool:
    """Tell whether rows of the reference run to the north."""
    return result.blocks[-1].index[0] > 0 and result.blocks[-1].y > result.blocks[0].y


def _frame(result: BlockwiseAlignment, ax: Axes) -> tuple[float, float, float, float]:
    """Prepare axes of a map that holds all blocks, in the working CRS [m], and return its bounds."""
    x, y = np.array([b.x for b in result.blocks]), np.array([b.y for b in result.blocks])
    west, south, east, north = result.fields[-1].bounds
    half = max(east - west, north - south) / 2.0 / max(np.sqrt(len(result.blocks)), 1.0)
    bounds = (
        float(min(west, x.min() - half)), float(min(south, y.min() - half)),
        float(max(east, x.max() + half)), float(max(north, y.max() + half)),
    )  # fmt: skip
    ax.set_xlim(bounds[0], bounds[2])
    ax.set_ylim(bounds[1], bounds[3])
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[["top", "right"]].set_visible(True)
    return bounds


def _crosses(result: BlockwiseAlignment, ax: Axes) -> None:
    bad = [b for b in result.blocks if b.verdict != "ok"]
    ax.plot([b.x for b in bad], [b.y for b in bad], ls="", marker="x", ms=5.0, color="#c0392b")
