"""The section that shows how differences depend on slope, aspect and elevation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trueground.coreg.bias.variable import Variable
from trueground.grid import Window
from trueground.plot.dependence import plot_dependence
from trueground.raster import Raster, as_float
from trueground.report.differences import Differences
from trueground.report.page import PicturesSection
from trueground.report.pictures import figure_picture
from trueground.vectors import usable
from trueground.warp import on_grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from trueground.plot.dependence import Values

_SIDE = 256  # px of the windows that are looked at
_WINDOWS = 120  # at most
_CELLS = 200_000  # at most
_VARIABLES = {
    "slope": "slope [°]",
    "aspect": "direction the slope faces",
    "elevation": "elevation [m]",
}
_SHOWN = 2.5  # times the widest quartile of what is left, to either side


def dependence_section(maps: Differences) -> PicturesSection | None:
    """Return the section; None where there is no reference, or too little of it.

    Some windows are read, spread over the area: a picture asks for no more.
    """
    if maps.reference is None or maps.before.grid != maps.after.grid:
        return None
    found = _sampled(maps, on_grid(as_float(maps.reference), maps.before.grid))
    if found["before"].size < _SIDE:
        return None
    limit = max(
        1.5 * float(np.percentile(np.abs(found["before"]), 75.0)),
        _SHOWN * float(np.percentile(np.abs(found["after"]), 75.0)),
    )

    def draw(fig: Figure) -> None:
        axes = fig.subplots(1, len(_VARIABLES), sharey=True)
        for ax, (name, label) in zip(axes, _VARIABLES.items(), strict=True):
            plot_dependence(
                found[name], found["before"], found["after"], ax,
                label=label, circular=name == "aspect",
            )  # fmt: skip
        axes[0].set_ylabel("dh [m]")
        axes[0].set_ylim(-limit, limit)
        axes[0].legend(loc="best")

    alt = "Median and middle half of the height difference by slope, aspect and elevation, before and after"
    return PicturesSection(
        anchor="dependence",
        heading="What the difference depends on",
        text=f"Median, and shaded the middle half, of the difference {maps.where}, by the terrain of the reference. "
        "A wave over the aspect is a shift that is left; a slope over the elevation is a tilt or a scale.",
        pictures=(figure_picture(draw, (7.4, 2.7), alt=alt, caption=""),),
        plain=True,
    )


def _sampled(maps: Differences, ground: Raster) -> dict[str, Values]:
    """Return differences and terrain at cells of some windows where all are known."""
    grid = maps.before.grid
    mask = maps.mask_on(grid)
    variables = {name: Variable(name=name, source=ground) for name in _VARIABLES}
    windows = [b.core for b in grid.blocks(_SIDE)]
    chosen = [windows[k] for k in np.unique(np.linspace(0, len(windows) - 1, _WINDOWS).astype(int))]
    parts = [_window(maps, variables, mask, w) for w in chosen]
    columns = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    every = -(-columns["before"].size // _CELLS) or 1
    return {name: values[::every] for name, values in columns.items()}


def _window(  # noqa: PLR0917 (what is looked at, and where)
    maps: Differences, variables: dict[str, Variable], mask: Raster | None, window: Window
) -> dict[str, Values]:
    read = {name: r.read(window)[0] for name, r in (("before", maps.before), ("after", maps.after))}
    keep = np.isfinite(read["before"]) & np.isfinite(read["after"])
    if mask is not None:
        keep &= usable(mask, window)
    found: dict[str, Values] = {name: values[keep] for name, values in read.items()}
    for name, variable in variables.items():
        values = variable.on(window)[keep]
        found[name] = np.where(values < 0.0, np.nan, values) if name == "aspect" else values
    return found
