"""Holes that are filled, heights that are none, and lines of sight that turn far from where the model was made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rpc.test_localize import camera, points, relief
from trueground.dem import Dem
from trueground.errors import InputError
from trueground.raster import ArrayRaster
from trueground.rpc.localize import localize_on
from trueground.status import Status

RPC = camera(bend=0.0)


def holed(mark=np.nan, seed=0):
    """A rough DEM with large and small holes that hold `mark`."""
    source = relief(seed)
    z = source.array[0].copy()
    rng = np.random.default_rng(seed)
    z[rng.random(z.shape) < 0.05] = mark
    z[60:110, 80:130] = mark
    z[100:130, 100:105] = mark
    return Dem.open(ArrayRaster(array=z, grid=source.grid), heights="ellipsoid")


def test_lines_that_turn_far_from_the_domain_are_followed_within_it():
    """Curvature of a tenth of a pixel within the domain turns a line some kilometres above it."""
    terms = list(RPC.samp_num)
    terms[9] += 1e-4
    bent = replace(RPC, samp_num=tuple(terms), height_scale=RPC.height_scale / 10.0)
    flat = relief(low=499.0, high=500.0)
    dem = Dem.open(flat, heights="ellipsoid")
    row, col = points(200)
    found = localize_on(bent, dem, row, col)
    assert (found.status == Status.OK).all()
    back = bent.project(found.lon, found.lat, found.height)
    np.testing.assert_allclose(back, (row, col), atol=1e-6)


@pytest.mark.parametrize("fill", [-200.0, 700.0, 3000.0])
def test_a_height_for_holes_is_that_of_a_dem_filled_before(fill):
    row, col = points(300)
    found = localize_on(RPC, holed(), row, col, on_nodata=fill)
    truth = localize_on(RPC, holed(fill), row, col)
    np.testing.assert_array_equal(found.status, truth.status)
    np.testing.assert_allclose(found.height, truth.height, atol=1e-6)


def test_the_nearest_height_does_not_depend_on_who_else_is_asked_for():
    dem = holed()
    row, col = points(30)
    together = localize_on(RPC, dem, row, col, on_nodata="nearest")
    alone = [
        localize_on(RPC, dem, r, c, on_nodata="nearest") for r, c in zip(row, col, strict=True)
    ]
    assert (together.status == Status.OK).all()
    np.testing.assert_array_equal(together.status, [a.status for a in alone])
    np.testing.assert_allclose(together.height, [a.height for a in alone], atol=1e-6)


@pytest.mark.parametrize("mark", [-32768.0, 1e6, np.inf])
def test_a_height_that_is_none_is_an_error_that_names_it(mark):
    with pytest.raises(InputError, match="a_nodata"):
        localize_on(RPC, holed(mark), *points(50))


def test_a_line_longer_than_what_is_read_at_once_goes_in_slabs(monkeypatch):
    from trueground.rpc import patch

    steep = camera(tilt=(1.5, -2.0), bend=0.0)
    dem = Dem.open(relief(3, pixel=5.0, shape=(700, 700)), heights="ellipsoid")
    row, col = points(20)
    row, col = row * 0.1 + 900.0, col * 0.1 + 900.0
    whole = localize_on(steep, dem, row, col)
    assert (whole.status == Status.OK).any()
    monkeypatch.setattr(patch, "LARGEST_WINDOW", 3000)
    found = localize_on(steep, dem, row, col)
    np.testing.assert_array_equal(found.status, whole.status)
    np.testing.assert_allclose(found.height, whole.height, atol=1e-6)
