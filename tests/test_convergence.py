"""The study of the solvers: outcomes against known truth, the factor against theory, the numbers against counts."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from classic_scenes import LONLAT, UTM31, camera, dem_of, rough, slope_along, town
from trueground.convergence import Outcome, study
from trueground.convergence.grid import pixel_grid
from trueground.convergence.result import CLASSES
from trueground.errors import OverlapError
from trueground.grid import Window
from trueground.raster import ArrayRaster
from trueground.rpc.writers import write_rpc
from trueground.status import Status
from trueground.writer import write

AXIS = np.arange(605.0, 1400.0, 10.0)


@pytest.fixture(scope="module")
def city():
    rpc, dem = camera((0.3, -0.4)), dem_of(town)
    return rpc, dem, study(rpc, dem, AXIS, AXIS[:60], start_heights=[470.0, 560.0])


@pytest.mark.parametrize("crs", [UTM31, LONLAT])
@pytest.mark.parametrize("plane", [(0.5, 0.0), (-0.4, 0.3)])
def test_geometry_of_a_plane(crs, plane):
    rpc = camera((0.6, -0.8), bend=0.0)
    dem = dem_of(lambda e, n: 500.0 + plane[0] * e + plane[1] * n, crs=crs)
    found = study(rpc, dem, AXIS, AXIS)
    tangent, slope = slope_along(rpc, 1000.0, 1000.0, plane)
    np.testing.assert_allclose(found.contraction, tangent * slope, rtol=0.01)
    np.testing.assert_allclose(found.incidence, math.degrees(math.atan(tangent)), rtol=0.01)
    # Higher is further north by 0.6 rows up and further east by 0.8 columns: the sensor stands in the north-east.
    np.testing.assert_allclose(found.azimuth, math.degrees(math.atan2(0.8, 0.6)), atol=2.0)
    assert found.gdal.share(Outcome.RIGHT) == found.substitution.share(Outcome.RIGHT) == 1.0
    assert found.depends_on_start == 0.0
    assert found.sight.outcome == Outcome.RIGHT


def test_outcomes_are_told_apart_by_the_certified_point(city):
    _rpc, _dem, found = city
    assert found.seen.all()
    assert found.limit == pytest.approx(5.0)  # half of a cell of 10 m, pixels of 1 m
    for run in found.runs:
        hit = run.found.status == Status.OK
        np.testing.assert_array_equal(run.outcome == Outcome.FAILED, ~hit)
        # A wrong hit is a point of the surface on the line of sight, below the one that is seen.
        wrong = run.outcome == Outcome.WRONG
        assert (run.found.height[wrong] < found.certified.height[wrong]).all()
        assert (run.distance[wrong] > found.limit).all()
        right = run.outcome == Outcome.RIGHT
        assert (run.distance[right] <= found.limit).all()
        assert run.share(Outcome.RIGHT) + run.share(Outcome.WRONG) + run.share(
            Outcome.FAILED
        ) == pytest.approx(1.0)
        assert run.arrived(Outcome.RIGHT, 20)[-1] == pytest.approx(run.share(Outcome.RIGHT))
        assert (np.diff(run.arrived(Outcome.RIGHT, 20)) >= 0.0).all()
    assert found.gdal.share(Outcome.WRONG) > 0.002
    assert found.gdal.share(Outcome.FAILED) < found.substitution.share(Outcome.FAILED)
    assert [run.start_height for run in found.runs] == [None, 500.0, 470.0, 560.0]
    assert [run.start_height for run in found.by_start] == [470.0, 500.0, 560.0]


def test_the_factor_tells_who_fails(city):
    """Above 1 nothing is seen; below -1 substitution does not converge, unless it starts there."""
    _, _, found = city
    inside = found.contraction[np.isfinite(found.contraction)]
    assert (inside < 1.0).mean() > 0.999  # a probe across a crease of the surface mixes two slopes
    steep = found.contraction < -1.0
    assert steep.sum() > 50
    assert found.substitution.share(Outcome.FAILED, steep) > 0.8
    assert found.gdal.share(Outcome.FAILED, steep) < 0.3
    classes = found.classes()
    assert sum(int(which.sum()) for _, _, which in classes) == inside.size
    assert {low for low, _, _ in classes} <= set(CLASSES)


def test_the_example_is_a_line_with_several_meetings(city):
    rpc, dem, found = city
    sight = found.sight
    assert sight.outcome == Outcome.WRONG
    above = np.sign(sight.levels - sight.surface)
    assert (np.diff(above) != 0).sum() >= 2
    assert sight.way[0] == sight.start_height
    assert sight.way[-1] < sight.visible
    at = rpc.localize(sight.row, sight.col, sight.visible)
    assert dem.heights(at.lon, at.lat) == pytest.approx(sight.visible, abs=1e-3)


def test_start_dependence(city):
    _, _, found = city
    right = np.stack([run.outcome == Outcome.RIGHT for run in found.runs[1:]])
    np.testing.assert_allclose(found.starts_right, right.mean(axis=0))
    assert found.depends_on_start == pytest.approx((right.any(axis=0) & ~right.all(axis=0)).mean())
    assert found.depends_on_start > 0.01


def test_pixels_beside_the_dem_are_not_counted_as_failures():
    rpc, dem = camera(), dem_of(rough(10.0), size=60)  # 600 m of 2000 m
    done = []
    found = study(rpc, dem, AXIS, AXIS, progress=lambda k, n: done.append((k, n)))
    assert 0 < found.seen.sum() < found.seen.size
    beside = found.gdal.outcome[~found.seen]
    assert set(np.unique(beside)) <= {Outcome.UNFOUNDED, Outcome.NOTHING}
    assert found.gdal.tally().unfounded == (beside == Outcome.UNFOUNDED).sum()
    assert np.isnan(found.contraction[~found.seen]).all()
    assert np.isnan(found.starts_right[~found.seen]).all()
    assert done[-1] == (len(found.runs), len(found.runs))
    # Default starts: over the ground that is seen, none twice.
    starts = [run.start_height for run in found.runs[1:]]
    assert len(set(starts)) == len(starts) <= 6


def test_a_dem_elsewhere_is_an_error():
    with pytest.raises(OverlapError, match="sees the DEM"):
        study(camera(), dem_of(town, size=20), np.array([5.0]), np.array([5.0]))


def test_numbers_are_json(city):
    values = json.loads(json.dumps(city[2].to_dict(), allow_nan=False))
    assert values["pixels"] == values["seen"] == AXIS.size * 60
    first = values["runs"][0]
    assert first["solver"] == "gdal"
    assert first["right"] + first["wrong"] + first["failed"] == pytest.approx(1.0)
    assert values["incidence_deg"] == pytest.approx(math.degrees(math.atan(0.5)), abs=0.5)


def test_grid_of_pixels(tmp_path):
    rpc = camera()
    grid = dem_of(town).raster.grid
    image = ArrayRaster(array=np.ones((200, 400), np.uint8), grid=grid.crop(Window(0, 0, 200, 400)))
    write(image, tmp_path / "image.tif")
    rows, cols = pixel_grid(tmp_path / "image.tif", rpc, 40)
    np.testing.assert_allclose(rows, np.arange(20) * 10.0 + 5.0)
    np.testing.assert_allclose(cols, np.arange(40) * 10.0 + 5.0)
    write_rpc(rpc, tmp_path / "alone.json")
    rows, cols = pixel_grid(tmp_path / "alone.json", rpc, 10)
    np.testing.assert_allclose(rows, np.arange(10) * 200.0 + 100.0)
