"""Histograms of differences, counted block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueground.engine import Engine, Threads, reduce_blocks
from trueground.errors import InputError, OverlapError
from trueground.grid import Window
from trueground.plot.colours import shared_limit
from trueground.plot.style import DH_LABEL, MINUS, axes
from trueground.raster import Raster, as_float
from trueground.stats import statistics

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLOCK = 1024  # px
_BINS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How many pixels have which value."""

    edges: NDArray[np.float64]
    """(n + 1,) edges of the bins, metres, ascending."""
    counts: NDArray[np.int64]
    """(n,) pixels in each bin."""
    below: int = 0
    """Pixels below the first edge."""
    above: int = 0
    """Pixels above the last edge."""
    median: float | None = None
    """Median of all values, metres, where it is known."""
    nmad: float | None = None
    """Normalised median absolute deviation of all values, metres, where it is known."""

    @property
    def total(self) -> int:
        """Number of pixels with a value."""
        return int(self.counts.sum()) + self.below + self.above

    @property
    def share(self) -> NDArray[np.float64]:
        """(n,) percent of all pixels in each bin."""
        return 100.0 * self.counts / max(self.total, 1)


def histogram_of(
    raster: Raster,
    edges: ArrayLike,
    *,
    valid: Raster | None = None,
    median: float | None = None,
    nmad: float | None = None,
    engine: Engine | None = None,
) -> Histogram:
    """Count the values of a raster's first band, block by block.

    Parameters
    ----------
    raster
        Any raster of real numbers; NaN is left out.
    edges
        (n + 1,) edges of the bins, ascending.
    valid
        Raster on the same grid: pixels where it is zero are left out.
    median, nmad
        Statistics that are known already, to be shown with the histogram.
    engine
        Where blocks are computed; threads on all processors by default.

    Raises
    ------
    InputError
        Where the edges do not ascend.
    OverlapError
        Where `valid` lies on another grid.
    """
    bins = np.asarray(edges, dtype=np.float64)
    if bins.ndim != 1 or bins.size < 2 or not (np.diff(bins) > 0.0).all():
        msg = "edges of a histogram: must be at least two numbers in ascending order"
        raise InputError(msg)
    if valid is not None and valid.grid != raster.grid:
        msg = f"the mask lies on {valid.grid}, the raster on {raster.grid}: they must be the same"
        raise OverlapError(msg)
    source = as_float(raster)
    whole = np.concatenate([[-np.inf], bins, [np.inf]])

    def counted(window: Window) -> NDArray[np.int64]:
        values = source.read(window)[0]
        keep = np.isfinite(values)
        if valid is not None:
            keep &= valid.read(window)[0] != 0
        return np.histogram(values[keep], whole)[0].astype(np.int64)

    windows = (block.core for block in raster.grid.blocks(_BLOCK))
    counts = reduce_blocks(engine or Threads(), counted, np.add, windows)
    if counts is None:  # pragma: no cover (a grid has at least one block)
        counts = np.zeros(bins.size + 1, dtype=np.int64)
    return Histogram(
        edges=bins,
        counts=counts[1:-1],
        below=int(counts[0]),
        above=int(counts[-1]),
        median=median,
        nmad=nmad,
    )


def plot_histogram(
    before: Histogram | Raster,
    after: Histogram | Raster | None = None,
    ax: Axes | None = None,
    *,
    labels: tuple[str, str] = ("before", "after"),
    xlabel: str = DH_LABEL,
) -> Axes:
    """Draw one or two histograms of differences with their medians (lines) and NMAD (in the legend).

    Parameters
    ----------
    before, after
        Differences [m], which are counted over the same edges; or histograms of them. The second may be None.
    ax
        Axes to draw into, with the first two colours of their cycle; new ones by default.
    labels
        Their names in the legend.
    xlabel
        What the horizontal axis says.

    Returns
    -------
    The axes.

    Examples
    --------
    >>> from trueground import Difference, NuthKaab
    >>> from trueground.plot import figure, plot_histogram
    >>> from trueground.samples import small_dems
    >>> reference, moving = small_dems()
    >>> aligned = NuthKaab().fit(reference, moving).apply(moving)
    >>> before, after = (Difference(first=reference, second=dem) for dem in (moving, aligned))
    >>> ax = plot_histogram(before, after, figure(4, 3).subplots())
    >>> ax.get_ylabel()
    'share of pixels [%]'
    """
    import matplotlib as mpl

    ax = axes(ax, height=3.5)
    before = before if isinstance(before, Histogram) else _counted(before)
    after = _counted(after, before.edges) if isinstance(after, Raster) else after
    colours: list[Any] = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    for i, (one, name) in enumerate(zip((before, after), labels, strict=True)):
        if one is None:
            continue
        colour = colours[i % len(colours)]
        ax.stairs(one.share, one.edges, fill=True, color=colour, alpha=0.28)
        ax.stairs(one.share, one.edges, color=colour, lw=1.3, label=_legend(name, one))
        if one.median is not None and one.edges[0] <= one.median <= one.edges[-1]:
            ax.axvline(one.median, color=colour, lw=1.2, ls="--")
    ax.axvline(0.0, color=mpl.rcParams["axes.edgecolor"], lw=0.8, zorder=0)
    ax.set_xlim(before.edges[0], before.edges[-1])
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel(xlabel)
    ax.set_ylabel("share of pixels [%]")
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2, handlelength=1.2)
    return ax


def _counted(dh: Raster, edges: NDArray[np.float64] | None = None) -> Histogram:
    """Count differences, over edges that reach as far as the colours of their map."""
    found = statistics(dh)
    if edges is None:
        limit = shared_limit(found.median, found.nmad)
        edges = np.linspace(-limit, limit, _BINS + 1)
    return histogram_of(dh, edges, median=found.median, nmad=found.nmad)


def _legend(name: str, one: Histogram) -> str:
    parts = [name]
    if one.median is not None:
        median = round(one.median, 2) + 0.0  # never a zero with a sign
        parts.append(f"median {median:.2f} m")
    if one.nmad is not None:
        parts.append(f"NMAD {one.nmad:.2f} m")
    return ", ".join(parts).replace("-", MINUS)
