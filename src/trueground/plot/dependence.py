"""Figures of how a difference of heights depends on the ground: by slope, aspect, elevation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = NDArray[np.floating[Any]]
_BINS = 18
_LEAST = 30  # values in a bin that is drawn
_QUARTILES = (25.0, 50.0, 75.0)


def plot_dependence(  # noqa: PLR0917 (a variable, two differences, and where to draw)
    variable: Values, before: Values, after: Values, ax: Axes, *, label: str, circular: bool = False
) -> Axes:
    """Draw the median of differences, and where the middle half of them lies, by a variable of the ground.

    Bins hold about as many cells each; of an angle they are as wide as each other. Those of fewer than 30 cells are
    left out.

    Parameters
    ----------
    variable
        (n,) values of the variable; NaN where it is not known.
    before, after
        (n,) differences [m] before and after an alignment.
    ax
        Where to draw; it is returned.
    label
        What the variable is, with its unit.
    circular
        Whether it is an angle [degrees].
    """
    import matplotlib as mpl

    colours: list[Any] = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    ax.axhline(0.0, color=mpl.rcParams["axes.edgecolor"], lw=0.8, zorder=0)
    for dh, colour, name in ((before, colours[0], "before"), (after, colours[1], "after")):
        centres, quartiles = binned(variable, dh, circular=circular)
        ax.fill_between(centres, quartiles[0], quartiles[2], color=colour, alpha=0.18, lw=0.0)
        ax.plot(centres, quartiles[1], color=colour, lw=1.8, label=name)
    if circular:
        ax.set_xlim(0.0, 360.0)
        ax.set_xticks([0.0, 90.0, 180.0, 270.0, 360.0], ["N", "E", "S", "W", "N"])
    ax.set_xlabel(label)
    return ax


def binned(variable: Values, dh: Values, *, circular: bool = False) -> tuple[Values, Values]:
    """Return the middles (k,) of bins of a variable, and the quartiles (3, k) of differences in them."""
    known = np.isfinite(variable) & np.isfinite(dh)
    variable, dh = variable[known], dh[known]
    if not variable.size:
        return np.empty(0), np.empty((3, 0))
    if circular:
        edges = np.linspace(0.0, 360.0, _BINS + 1)
    else:
        edges = np.unique(np.quantile(variable, np.linspace(0.0, 1.0, _BINS + 1)))
    place = np.clip(np.searchsorted(edges, variable, side="right") - 1, 0, max(edges.size - 2, 0))
    centres, quartiles = [], []
    for k in range(max(edges.size - 1, 1)):
        inside = place == k
        if inside.sum() < _LEAST:
            continue
        middle = (edges[k] + edges[k + 1]) / 2.0 if circular else np.median(variable[inside])
        centres.append(float(middle))
        quartiles.append(np.percentile(dh[inside], _QUARTILES))
    return np.array(centres), np.array(quartiles).reshape(-1, 3).T
