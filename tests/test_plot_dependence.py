"""How differences depend on the ground: bins against plain numpy, and a shift that shows as a wave over the aspect."""

from __future__ import annotations

import numpy as np
import pytest

from known_terrain import dem, grid
from trueground.difference import Difference
from trueground.plot import figure
from trueground.plot.dependence import binned, plot_dependence
from trueground.report.dependence import _sampled, dependence_section
from trueground.report.differences import Differences


def test_bins_of_a_variable_hold_its_quartiles():
    rng = np.random.default_rng(0)
    variable = rng.uniform(0.0, 50.0, 90_000)
    dh = 0.1 * variable + rng.normal(0.0, 1.0, variable.size)
    dh[::1000] = np.nan
    centres, quartiles = binned(variable, dh)
    assert len(centres) == 18
    np.testing.assert_allclose(quartiles[1], 0.1 * centres, atol=0.05)
    np.testing.assert_allclose(quartiles[2] - quartiles[0], 2 * 0.6745, atol=0.08)


def test_an_angle_has_even_bins_and_few_values_make_none():
    angle = np.repeat([5.0, 355.0, 180.0], [100, 100, 10])
    centres, quartiles = binned(angle, np.ones(angle.size), circular=True)
    np.testing.assert_allclose(centres, [10.0, 350.0])
    np.testing.assert_allclose(quartiles, 1.0)
    assert binned(np.empty(0), np.empty(0))[0].size == 0
    assert binned(np.full(50, 3.0), np.ones(50))[0].tolist() == [3.0]


def test_the_figure_has_both():
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 360, 5000)
    ax = figure(3, 3).subplots()
    dh = np.cos(np.radians(values))
    drawn = plot_dependence(values, dh, 0.1 * dh, ax, label="aspect", circular=True)
    assert drawn is ax
    before, after = (line.get_ydata() for line in ax.lines[1:])
    assert np.ptp(before) == pytest.approx(2.0, abs=0.1)
    assert np.ptp(after) == pytest.approx(0.2, abs=0.01)


def test_a_shift_to_the_east_is_a_wave_over_the_aspect():
    reference = dem(grid((300, 300)))
    shifted = Difference(first=reference, second=dem(grid((300, 300)), (20.0, 0.0, 0.0)))
    level = Difference(first=reference, second=dem(grid((300, 300)), (0.0, 0.0, 1.0)))
    maps = Differences(before=shifted, after=level, reference=reference, outlines=None)
    found = _sampled(maps, reference)
    centres, quartiles = binned(found["aspect"], found["before"], circular=True)
    east, west = (quartiles[1][np.argmin(np.abs(centres - at))] for at in (90.0, 270.0))
    # The moving DEM shows at p what stands 20 m east of it: where ground falls to the east it is too low.
    assert east > 1.0
    assert west < -1.0
    np.testing.assert_allclose(binned(found["elevation"], found["after"])[1], 1.0, atol=0.01)
    section = dependence_section(maps)
    assert section is not None
    for picture, name in zip(section.pictures, ("slope", "aspect", "elevation"), strict=True):
        assert name in picture.alt


def test_without_a_reference_there_is_no_section():
    reference = dem(grid((50, 50)))
    dh = Difference(first=reference, second=reference)
    assert (
        dependence_section(Differences(before=dh, after=dh, reference=None, outlines=None)) is None
    )
