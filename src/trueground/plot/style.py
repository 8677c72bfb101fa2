"""Figures without a window, in calm colours for a light or a dark page."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Theme = Literal["light", "dark"]
MINUS = "\N{MINUS SIGN}"
DH_LABEL = f"dh = reference {MINUS} moving [m]"

_COLOURS: dict[Theme, dict[str, str]] = {
    "light": {"text": "#2b2f36", "line": "#b9bec7", "first": "#8f97a5", "second": "#0b6e99"},
    "dark": {"text": "#d9dde4", "line": "#565e6c", "first": "#8b94a3", "second": "#4fb3de"},
}


def figure(
    width: float,
    height: float,
    *,
    dpi: float = 100.0,
    layout: Literal["constrained"] | None = "constrained",
) -> Figure:
    """Make a figure of `width` x `height` inches without a window and without global state.

    Parameters
    ----------
    width, height
        Of the figure [inches].
    dpi
        Pixels of an inch.
    layout
        As of `matplotlib.figure.Figure`; None leaves axes where they are put.

    Examples
    --------
    >>> ax = figure(4, 3).subplots()
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), dpi=dpi, layout=layout)
    FigureCanvasAgg(made)
    return made


def axes(ax: Axes | None, width: float = 5.0, height: float = 4.5) -> Axes:
    """Return the axes that are given, or those of a new figure of pyplot's, which notebooks show.

    Parameters
    ----------
    ax
        Axes to draw into; None makes some.
    width, height
        Of the new figure [inches].
    """
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    made: Axes = plt.subplots(figsize=(width, height), layout="constrained")[1]
    return made


def figure_png(fig: Figure) -> bytes:
    """Return a figure as PNG, the same bytes each time.

    Examples
    --------
    >>> fig = figure(2, 1)
    >>> figure_png(fig)[1:4]
    b'PNG'
    """
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=fig.dpi, metadata={"Software": None})
    return buffer.getvalue()


@contextlib.contextmanager
def theme(name: Theme = "light") -> Iterator[None]:
    """Draw for a light or a dark page: make figure and axes inside; the background stays clear.

    Parameters
    ----------
    name
        `light` or `dark`.

    Examples
    --------
    >>> with theme("dark"):
    ...     ax = figure(4, 3).subplots()
    """
    import matplotlib as mpl
    from matplotlib.rcsetup import cycler

    colours = _COLOURS[name]
    settings: Any = {
        "axes.edgecolor": colours["line"],
        "axes.facecolor": "none",
        "axes.labelcolor": colours["text"],
        "axes.prop_cycle": cycler(color=[colours["first"], colours["second"]]),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "figure.facecolor": "none",
        "font.size": 10.0,
        "legend.frameon": False,
        "savefig.facecolor": "none",
        "text.color": colours["text"],
        "xtick.color": colours["text"],
        "ytick.color": colours["text"],
    }
    with mpl.rc_context(settings):
        yield
