"""Residuals of image points: arrows over a picture, what was refused, and how they are distributed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueground.plot.colours import stretch
from trueground.plot.overview import overview
from trueground.plot.style import axes
from trueground.raster import Raster

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_PIXELS = 900
"""Rows or columns of the picture below arrows."""
ARROW_COLOUR = "#ffd23f"
REFUSED_COLOURS = ("#e4572e", "#e08dff", "#4fc3f7", "#9ccc65", "#ff8a65", "#90a4ae", "#f06292")
"""Of reasons, in their order; told apart by their markers, too."""
_MARKERS = "xs^vDP*"
_LONGEST = 0.08  # of the picture's width, of the arrow of the 90th percentile
_ROUND = (5.0, 2.0, 1.0)


def arrow_scale(row: ArrayLike, col: ArrayLike, width: float) -> float:
    """Return by how much arrows are enlarged, so that nine in ten are no longer than a twelfth of the picture.

    Examples
    --------
    >>> arrow_scale([0.0, 0.3], [0.1, 0.0], 1500.0)
    200.0
    """
    length = np.hypot(np.asarray(row, dtype=np.float64), np.asarray(col, dtype=np.float64))
    length = length[np.isfinite(length)]
    long = float(np.quantile(length, 0.9)) if length.size else 0.0
    if not long > 0.0:
        return 1.0
    largest = _LONGEST * width / long
    power = 10.0 ** math.floor(math.log10(largest))
    return next((n * power for n in _ROUND if n * power <= largest), power)


def plot_arrows(
    image: Raster,
    points: tuple[ArrayLike, ArrayLike],
    residuals: tuple[ArrayLike, ArrayLike],
    *,
    ax: Axes,
    refused: dict[str, tuple[ArrayLike, ArrayLike]] | None = None,
) -> float:
    """Draw residuals as arrows over a picture of an image, in its rows and columns.

    Parameters
    ----------
    image
        The image, averaged down where it is large.
    points
        Rows and columns [px].
    residuals
        Of rows and of columns [px].
    ax
        Axes to draw into.
    refused
        Rows and columns of other places, by the reason that stands in the legend.

    Returns
    -------
    By how much the arrows are enlarged.
    """
    small = overview(image, max_pixels=MAX_PIXELS)
    rows, cols = image.grid.shape
    ax.imshow(stretch(small), extent=(0, cols, rows, 0), interpolation="nearest", aspect="equal")
    factor = arrow_scale(*residuals, float(cols))
    (row, col), (d_row, d_col) = (
        tuple(np.asarray(v, dtype=np.float64) for v in pair) for pair in (points, residuals)
    )
    style: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "scale": 1.0, "width": 0.004}
    style |= {"color": ARROW_COLOUR, "edgecolor": "#111111", "linewidth": 0.5}
    ax.quiver(col, row, factor * d_col, factor * d_row, **style)
    ax.plot(col, row, ls="", marker="o", ms=2.0, color=ARROW_COLOUR, mec="#111111", mew=0.3)
    for i, (reason, (at_row, at_col)) in enumerate((refused or {}).items()):
        colour = REFUSED_COLOURS[i % len(REFUSED_COLOURS)]
        marker = _MARKERS[i % len(_MARKERS)]
        number = np.asarray(at_row).size
        ax.plot(
            at_col, at_row, ls="", marker=marker, ms=4.5, color=colour, label=f"{reason} ({number})"
        )
    if refused:
        ax.legend(
            loc="upper left", bbox_to_anchor=(0.0, 0.0), ncols=2, fontsize=8.0, handlelength=1.0
        )
    ax.set_xlim(0, cols)
    ax.set_ylim(rows, 0)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[["top", "right"]].set_visible(True)
    return factor


def plot_residuals(row: ArrayLike, col: ArrayLike, ax: Axes | None = None) -> Axes:
    """Draw the histograms of residuals of image points, with their RMS in the legend.

    Parameters
    ----------
    row, col
        (n,) residuals along rows and along columns [px]: observed less projected. Those beyond the 98th percentile are
        counted in the last bins.
    ax
        Axes to draw into; new ones by default.

    Returns
    -------
    The axes, symmetric about zero.

    Examples
    --------
    >>> from trueground.plot import figure, plot_residuals
    >>> ax = plot_residuals([0.2, -0.4, 0.1], [0.0, 0.3, -0.3], figure(4, 3).subplots())
    >>> ax.get_xlabel()
    'observed less projected [px]'
    """
    import matplotlib as mpl

    ax = axes(ax, height=3.5)
    row, col = (np.asarray(v, dtype=np.float64) for v in (row, col))
    colours: list[Any] = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    end = _end(np.concatenate([row, col]))
    edges = np.linspace(-end, end, 31)
    for values, name, colour in zip((row, col), ("rows", "columns"), colours, strict=False):
        counts = np.histogram(np.clip(values, -end, end), edges)[0]
        label = (
            f"{name}, RMS {math.sqrt(float(np.mean(values**2))):.3f} px" if values.size else name
        )
        ax.stairs(counts, edges, fill=True, color=colour, alpha=0.28)
        ax.stairs(counts, edges, color=colour, lw=1.3, label=label)
    ax.axvline(0.0, color=mpl.rcParams["axes.edgecolor"], lw=0.8, zorder=0)
    ax.set_xlim(-end, end)
    ax.set_ylim(bottom=0.0)
    ax.locator_params(axis="x", nbins=5)
    ax.set_xlabel("observed less projected [px]")
    ax.set_ylabel("points")
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2, handlelength=1.2)
    return ax


def _end(values: NDArray[np.float64]) -> float:
    """Return a round end of the axis that holds 98 % of the values."""
    size = float(np.quantile(np.abs(values), 0.98)) if values.size else 0.0
    if not size > 0.0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(size))
    return next((n * power for n in (1.0, 2.0, 5.0, 10.0) if n * power >= size), size)
