"""The section that shows how differences depend on slope, aspect and elevation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trueground.coreg.bias.variable import Variable
from trueground.grid import Window
from trueground.plot.dependence import plot_dependence
from trueground.raster import Raster, as_float
from trueground.report.differences import Differences
from trueground.report.page import Picture, PicturesSection
from trueground.report.pictures import figure_picture
from trueground.report.sampled_windows import sampled_windows
from trueground.vectors import usable
from trueground.warp import on_grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from trueground.plot.dependence import Values

_LEAST = 256  # cells, below which nothing is drawn
_CELLS = 200_000  # at most
_VARIABLES = {
    "slope": "slope [°]",
    "aspect": "direction the slope faces",
    "elevation": "elevation [m]",
}
_INCHES = (3.4, 2.6)
_SHOWN = 2.5  # times the widest quartile of what is left, to either side


def dependence_section(maps: Differences) -> PicturesSection | None:
    """Return the section; None where there is no reference, or too little of it.

    Some windows are read, spread over the area: a picture asks for no more.
    """
    if maps.reference is None or maps.before.grid != maps.after.grid:
        return None
    found = _sampled(maps, on_grid(as_float(maps.reference), maps.before.grid))
    if found["before"].size < _LEAST:
        return None
    limit = max(
        1.5 * float(np.percentile(np.abs(found["before"]), 75.0)),
        _SHOWN * float(np.percentile(np.abs(found["after"]), 75.0)),
    )
    limit = limit or 1.0  # of DEMs that are the same

    def drawn(name: str, label: str) -> Picture:
        def draw(fig: Figure) -> None:
            ax = fig.subplots()
            plot_dependence(
                found[name], found["before"], found["after"], ax,
                label=label, circular=name == "aspect",
            )  # fmt: skip
            ax.set_ylabel("dh [m]")
            ax.set_ylim(-limit, limit)
            ax.legend(loc="best")

        alt = f"Median and middle half of the height difference by {name}, before and after"
        return figure_picture(draw, _INCHES, alt=alt)

    return PicturesSection(
        anchor="dependence",
        heading="What the difference depends on",
        text=f"Median, and shaded the middle half, of the difference {maps.where}, by the terrain of the reference. "
        "A wave over the aspect is a shift that is left; a slope over the elevation is a tilt or a scale.",
        pictures=tuple(drawn(name, label) for name, label in _VARIABLES.items()),
        plain=True,
    )


def _sampled(maps: Differences, ground: Raster) -> dict[str, Values]:
    """Return differences and terrain at cells of some windows where all are known."""
    grid = maps.before.grid
    mask = maps.mask_on(grid)
    variables = {name: Variable(name=name, source=ground) for name in _VARIABLES}
    parts = [_window(maps, variables, mask, w) for w in sampled_windows(grid)]
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
