"""Figures of how solvers converge: maps in the geometry of the image, curves, and one line of sight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trueground.convergence import Convergence, Outcome, Run, Sight
from trueground.plot.colours import DIFFERENCE_COLOURS, NODATA_COLOUR
from trueground.plot.style import axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OUTCOME_COLOURS = {
    Outcome.RIGHT: "#bcd9e8",
    Outcome.WRONG: "#d7301f",
    Outcome.FAILED: "#20242b",
    Outcome.UNFOUNDED: "#f2a516",
    Outcome.NOTHING: NODATA_COLOUR,
}
OUTCOME_NAMES = {
    Outcome.RIGHT: "point seen",
    Outcome.WRONG: "wrong point",
    Outcome.FAILED: "failed",
    Outcome.UNFOUNDED: "hit, none seen",
    Outcome.NOTHING: "no ground seen",
}
_FEW = 99.0  # percentile of the iterations that ends their colours
_FEWEST = 6  # iterations that the colours reach at least


def plot_outcomes(result: Convergence, run: Run, ax: Axes) -> Axes:
    """Draw what a solver made of each pixel.

    Parameters
    ----------
    result
        The grid of pixels.
    run
        One of its runs.
    ax
        Axes to draw into; they get rows and columns of the image.
    """
    from matplotlib.colors import ListedColormap

    colours = ListedColormap([OUTCOME_COLOURS[outcome] for outcome in Outcome])
    _map(result, run.outcome, ax, cmap=colours, vmin=-0.5, vmax=len(Outcome) - 0.5)
    return ax


def outcome_legend(runs: Sequence[Run], ax: Axes) -> Axes:
    """Draw a legend of the outcomes that runs have, below an axes."""
    from matplotlib.patches import Patch

    there = set(np.unique([run.outcome for run in runs]).tolist())
    patches = [
        Patch(facecolor=OUTCOME_COLOURS[o], edgecolor="none", label=OUTCOME_NAMES[o])
        for o in Outcome
        if o in there
    ]
    ax.figure.legend(handles=patches, loc="outside lower center", ncols=len(patches),
                     handlelength=1.0, columnspacing=1.2, fontsize=9.0)  # fmt: skip
    return ax


def plot_iterations(result: Convergence, run: Run, ax: Axes, *, longest: int) -> Any:
    """Draw how many places a solver tried to each point that it found; return the picture, for a colour bar.

    Parameters
    ----------
    result, run, ax
        As of `plot_outcomes`.
    longest
        Iterations that have the last colour, see `longest_of`.
    """
    from matplotlib import colormaps

    arrived = run.found.status == 0
    values = np.where(arrived, run.iterations, np.nan)
    colours = colormaps["viridis"].with_extremes(bad=NODATA_COLOUR)
    picture = _map(result, values, ax, cmap=colours, vmin=1, vmax=longest)
    _dots(result, run.outcome == Outcome.FAILED, ax)
    return picture


def longest_of(runs: Sequence[Run]) -> int:
    """Return the number of iterations at which the colours of several maps end."""
    arrived = [run.iterations[run.found.status == 0] for run in runs]
    every = np.concatenate(arrived)
    return max(_FEWEST, int(np.ceil(np.percentile(every, _FEW)))) if every.size else _FEWEST


def plot_contraction(result: Convergence, ax: Axes) -> Any:
    """Draw the contraction factor at the point that each pixel sees, from -1 to 1; return the picture."""
    from matplotlib import colormaps

    colours = colormaps[DIFFERENCE_COLOURS].with_extremes(bad=NODATA_COLOUR)
    return _map(result, result.contraction, ax, cmap=colours, vmin=-1.0, vmax=1.0)


def plot_starts_right(result: Convergence, ax: Axes) -> Any:
    """Draw the share of the start heights that lead to the point that is seen [%]; return the picture."""
    from matplotlib import colormaps

    colours = colormaps["magma"].with_extremes(bad=NODATA_COLOUR)
    return _map(result, 100.0 * result.starts_right, ax, cmap=colours, vmin=0.0, vmax=100.0)


def plot_convergence(result: Convergence, ax: Axes | None = None) -> Axes:
    """Draw how fast the classic solvers converge: the pixels not yet at the point seen [%], by iteration.

    Parameters
    ----------
    result
        What `study` returned.
    ax
        Axes to draw into, with a logarithmic axis; new ones by default.

    Returns
    -------
    The axes.

    Examples
    --------
    >>> import numpy as np
    >>> from trueground.convergence import study
    >>> from trueground.plot import figure, plot_convergence
    >>> from trueground.samples import small_dem, small_rpc
    >>> pixels = np.linspace(200.0, 800.0, 5)
    >>> found = study(small_rpc(), small_dem(), pixels, pixels)
    >>> ax = plot_convergence(found, figure(4, 3).subplots())
    >>> ax.get_ylabel()
    'not at the point seen [%]'
    """
    ax = axes(ax, height=3.5)
    number = result.max_iterations
    least = 50.0 / max(int(result.seen.sum()), 1)  # %, half a pixel: zero has no logarithm
    lowest = 100.0
    steps = np.arange(number + 1)
    for run, style in ((result.gdal, "-"), (result.substitution, "--")):
        arrived = np.concatenate([[0.0], run.arrived(Outcome.RIGHT, number)])
        missing = np.maximum(100.0 * (1.0 - arrived), least)
        lowest = min(lowest, float(missing[-1]))
        ax.step(steps, missing, style, where="post", lw=1.8, label=run.solver)
    ax.set_yscale("log")
    ax.set_xlim(0, number)
    ax.set_ylim(lowest / 2.0, 130.0)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.locator_params(axis="x", integer=True)
    ax.set_xlabel("iteration")
    ax.set_ylabel("not at the point seen [%]")
    ax.legend(loc="upper right")
    return ax


def plot_start_heights(result: Convergence, ax: Axes) -> Axes:
    """Draw wrong hits and failures of height substitution by its start height [m]."""
    runs = result.by_start
    heights = [run.start_height or 0.0 for run in runs]
    for outcome, style in ((Outcome.FAILED, "o-"), (Outcome.WRONG, "s--")):
        shares = [100.0 * run.share(outcome) for run in runs]
        ax.plot(heights, shares, style, lw=1.6, ms=5.0, label=OUTCOME_NAMES[outcome])
    low, high = (float(f(result.certified.height[result.seen])) for f in (np.min, np.max))
    ax.axvspan(low, high, alpha=0.1, lw=0.0, label="ground seen")
    ax.set_ylim(0.0, max(1.0, ax.get_ylim()[1]))
    ax.set_xlabel("start height [m above the ellipsoid]")
    ax.set_ylabel("pixels [%]")
    ax.legend(loc="best")
    return ax


def plot_sight(sight: Sight, ax: Axes) -> Axes:
    """Draw the surface over one line of sight, and the way of height substitution as a cobweb.

    The curve is the map that is iterated, `h -> DEM(localize(h))`. It meets the diagonal where surface and line of
    sight meet; the highest meeting is what the pixel sees.
    """
    low, high = sight.levels[0], sight.levels[-1]
    ax.plot([low, high], [low, high], "-", lw=1.0, label="line of sight")
    ax.plot(sight.levels, sight.surface, lw=1.8, label="DEM under it")
    steps = np.repeat(sight.way, 2)
    ax.plot(steps[:-1], steps[1:], lw=0.9, color=OUTCOME_COLOURS[Outcome.WRONG], alpha=0.9,
            label=f"way from {sight.start_height:.0f} m")  # fmt: skip
    ax.plot([sight.visible] * 2, [sight.visible] * 2, "o", ms=9.0, mfc="none", mew=1.8,
            color="#2e9e5b", label="point seen")  # fmt: skip
    ax.plot(sight.way[-1:], sight.way[-1:], "x", ms=8.0, mew=2.0,
            color=OUTCOME_COLOURS[Outcome.WRONG], label="where it ended")  # fmt: skip
    ax.set_xlim(low, high)
    finite = np.concatenate([sight.surface[np.isfinite(sight.surface)], [low, high]])
    ax.set_ylim(finite.min(), finite.max())
    ax.set_xlabel("height on the line of sight [m]")
    ax.set_ylabel("height of the DEM [m]")
    ax.legend(loc="best", fontsize=9.0, handlelength=1.4)
    return ax


def _map(result: Convergence, values: NDArray[Any], ax: Axes, **style: Any) -> Any:
    """Show values of the grid where their pixels lie in the image, first row on top."""
    rows, cols = _edges(result.rows), _edges(result.cols)
    picture = ax.imshow(values, extent=(cols[0], cols[1], rows[1], rows[0]), origin="upper",
                        interpolation="nearest", aspect="equal", **style)  # fmt: skip
    ax.locator_params(nbins=3, integer=True)
    ax.spines[["top", "right"]].set_visible(True)
    ax.set_xlabel("column [px]")
    ax.set_ylabel("row [px]")
    return picture


def _dots(result: Convergence, where: NDArray[np.bool_], ax: Axes) -> None:
    i, j = np.nonzero(where)
    ax.plot(result.cols[j], result.rows[i], ".", ms=2.2, color=OUTCOME_COLOURS[Outcome.WRONG])


def _edges(centres: NDArray[np.float64]) -> tuple[float, float]:
    """Return where the first cell of an axis begins and the last ends."""
    half = (centres[-1] - centres[0]) / (centres.size - 1) / 2.0 if centres.size > 1 else 0.5
    return float(centres[0] - half), float(centres[-1] + half)
