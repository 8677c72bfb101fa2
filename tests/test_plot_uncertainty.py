"""Figures of variograms and error models."""

from __future__ import annotations

import numpy as np
import pytest

from simulated_fields import TWO_RANGES
from trueground.error_model import ErrorModel
from trueground.errors import InputError
from trueground.plot import figure
from trueground.plot.uncertainty import plot_error_model, plot_variogram
from trueground.variogram import Variogram


def model_of(number: int) -> ErrorModel:
    """An error model of some variables with three bins each."""
    size = 3**number
    return ErrorModel(
        names=("slope", "curvature", "aspect")[:number],
        centres=((1.0, 2.0, 4.0),) * number,
        values=tuple(np.linspace(0.5, 2.0, size).tolist()),
        counts=(100,) * size,
        scale=1.0,
    )


def test_variogram_shows_points_model_and_ranges():
    lag = (10.0, 40.0, 160.0, 640.0, 2560.0)
    points = Variogram(
        lag=lag,
        semivariance=tuple(TWO_RANGES(lag).tolist()),
        spread=(0.1,) * 5,
        count=(9,) * 5,
        estimator="dowd",
    )
    ax = plot_variogram(points, TWO_RANGES, figure(4, 3).subplots())
    assert ax.get_xscale() == "log"
    drawn = [np.asarray(line.get_xdata()) for line in ax.lines]
    for part in TWO_RANGES.parts:
        assert any(x.size == 2 and (x == part.range).all() for x in drawn)
    assert any(np.array_equal(x, lag) for x in drawn)


def test_error_by_one_variable_is_a_line():
    ax = plot_error_model(model_of(1), figure(4, 3).subplots())
    assert ax.get_xlabel() == "slope [°]"
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), model_of(1).values)


def test_error_by_two_variables_is_a_table():
    ax = plot_error_model(model_of(2), figure(4, 3).subplots())
    assert (ax.get_ylabel(), len(ax.texts)) == ("slope [°]", 9)
    np.testing.assert_array_equal(np.ravel(ax.images[0].get_array()), model_of(2).values)


def test_three_variables_cannot_be_drawn():
    with pytest.raises(InputError, match="one or two can be drawn"):
        plot_error_model(model_of(3), figure(4, 3).subplots())
