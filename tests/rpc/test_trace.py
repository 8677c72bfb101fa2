"""The steps of the classic solvers at one pixel, and their table."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
import shapely

from classic_reference import ground
from classic_scenes import LONLAT, camera, dem_of, rough, town
from trueground.errors import InputError
from trueground.rpc.classic import Gdal, HeightSubstitution
from trueground.rpc.trace import COLUMNS, trace, trace_csv
from trueground.status import Status


def test_steps_are_those_of_the_solvers():
    rpc, dem = camera(), dem_of(rough(40.0), crs=LONLAT)
    steps = trace(rpc, dem, 1010.0, 930.0, start_heights=[450.0, 700.0])
    names = list(dict.fromkeys(s.solver for s in steps))
    assert names == [
        "certified", "gdal", "height-substitution from 500 m", "height-substitution from 450 m",
        "height-substitution from 700 m",
    ]  # fmt: skip
    solvers = [Gdal(), *(HeightSubstitution(start_height=h) for h in (500.0, 450.0, 700.0))]
    for name, solver in zip(names[1:], solvers, strict=True):
        of_one = [s for s in steps if s.solver == name]
        found = solver.locate(rpc, dem, 1010.0, 930.0)
        assert [s.iteration for s in of_one] == list(range(1, int(found.iterations) + 1))
        last = of_one[-1]
        assert (last.lon, last.lat, last.height) == (found.lon, found.lat, found.height)
        assert max(abs(last.error_row), abs(last.error_col)) == found.residual
        assert [s.status for s in of_one[:-1]] == [Status.DIVERGED] * (len(of_one) - 1)
        for step in of_one:  # places on the DEM, and their errors in the image
            assert step.height == pytest.approx(ground(dem, step.lon, step.lat)[0], abs=1e-6)
            back = rpc.project(step.lon, step.lat, step.height)
            assert back[0] - 1010.0 == pytest.approx(step.error_row, abs=1e-9)
            assert back[1] - 930.0 == pytest.approx(step.error_col, abs=1e-9)
    sees = rpc.localize_on(dem, 1010.0, 930.0)
    assert (steps[0].lon, steps[0].iteration) == (sees.lon, 0)


def test_the_table_is_loaded_as_points():
    rpc, dem = camera(), dem_of(town)
    steps = trace(rpc, dem, 1010.0, 930.0)
    rows = list(csv.DictReader(io.StringIO(trace_csv(steps))))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(steps)
    for row, step in zip(rows, steps, strict=True):
        point = shapely.from_wkt(row["wkt"])
        np.testing.assert_array_equal(
            shapely.get_coordinates(point, include_z=True)[0], [step.lon, step.lat, step.height]
        )
        assert float(row["error_row"]) == step.error_row


def test_what_is_not_known_is_empty():
    steps = trace(camera(), dem_of(town), 80_000.0, 0.0)
    assert steps[0].status != Status.OK
    first = next(csv.DictReader(io.StringIO(trace_csv(steps))))
    assert first["wkt"] == first["height"] == first["error_row"] == ""


def test_a_pixel_must_be_numbers():
    with pytest.raises(InputError, match="row and column to trace"):
        trace(camera(), dem_of(town), np.nan, 1.0)
