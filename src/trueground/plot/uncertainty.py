"""Figures of the uncertainty of a difference: its variogram, and its error by slope and curvature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueground.error_model import ErrorModel
from trueground.errors import InputError
from trueground.variogram import Variogram
from trueground.variogram_model import VariogramModel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ERROR_COLOURS = "viridis"
_LABELS = {"slope": "slope [°]", "curvature": "maximum absolute curvature [1/(100 m)]"}
_MOST_NUMBERS = 12  # bins of a variable, up to which their errors are written into them


def plot_variogram(
    variogram: Variogram, model: VariogramModel, ax: Axes, *, unit: str = "m²"
) -> Axes:
    """Draw an empirical variogram with its spread, the model through it, and the model's ranges."""
    import matplotlib as mpl

    colours: list[Any] = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    lag = np.array(variogram.lag)
    fine = np.geomspace(lag[0] / 1.5, lag[-1] * 1.2, 400)
    for part in model.parts:
        if part.range < fine[-1]:
            ax.axvline(part.range, color=mpl.rcParams["axes.edgecolor"], lw=1.0, ls="--", zorder=0)
    ax.errorbar(
        lag, variogram.semivariance, yerr=np.array(variogram.spread), ls="", marker="o", ms=4.0,
        color=colours[0], lw=1.0, label=f"pairs of cells ({variogram.estimator})",
    )  # fmt: skip
    ax.plot(fine, model(fine), color=colours[1], lw=1.8, label="model")
    ax.set_xscale("log")
    ax.set_xlim(fine[0], fine[-1])
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel("distance [m]")
    ax.set_ylabel(f"semivariance [{unit}]")
    ax.legend(loc="best")
    return ax


def plot_error_model(model: ErrorModel, ax: Axes) -> Axes:
    """Draw the error by one variable as a line, by two as a table of colours.

    Raises
    ------
    InputError
        Where the model has another number of variables.
    """
    if len(model.names) == 1:
        return _plot_line(model, ax)
    if len(model.names) == 2:
        return _plot_table(model, ax)
    msg = f"an error model of {len(model.names)} variables: one or two can be drawn"
    raise InputError(msg)


def _plot_line(model: ErrorModel, ax: Axes) -> Axes:
    import matplotlib as mpl

    colours: list[Any] = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    ax.plot(model.centres[0], model.values, marker="o", ms=4.0, lw=1.8, color=colours[1])
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel(_label(model.names[0]))
    ax.set_ylabel("error, 1 sigma [m]")
    return ax


def _plot_table(model: ErrorModel, ax: Axes) -> Axes:
    rows, cols = model.shape
    values = np.array(model.values).reshape(rows, cols)
    ax.imshow(values, cmap=ERROR_COLOURS, origin="lower", aspect="auto")
    if max(rows, cols) <= _MOST_NUMBERS:
        middle = (values.min() + values.max()) / 2.0
        for (i, j), value in np.ndenumerate(values):
            colour = "#111111" if value > middle else "#ffffff"
            ax.text(j, i, f"{value:.2g}", ha="center", va="center", fontsize=7.0, color=colour)
    for axis, centres, name in (
        (ax.yaxis, model.centres[0], model.names[0]),
        (ax.xaxis, model.centres[1], model.names[1]),
    ):
        axis.set_ticks(range(len(centres)), [f"{c:.2g}" for c in centres])
        axis.set_label_text(_label(name))
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0.0, labelsize=8.0)
    return ax


def _label(name: str) -> str:
    return _LABELS.get(name, name)
