"""Undulations along a direction: known ones come back, and so does their direction."""

from __future__ import annotations

import numpy as np
import pytest
from pyproj import CRS, Transformer
from scipy.interpolate import make_smoothing_spline

from known_terrain import ORIGIN, UTM33, dem, grid, height
from trueground.coreg import Correction, DirectionalBias
from trueground.coreg.bias.curves import Sines, Spline, Table
from trueground.coreg.bias.direction import best_direction
from trueground.coreg.bias.smoothing import _penalty, smoother
from trueground.coreg.bias.waves import find_waves
from trueground.errors import FitError, InputError
from trueground.grid import Grid, Window
from trueground.kernels import profile
from trueground.projection import project_bounds
from trueground.raster import ArrayRaster

BEARING, PERIOD, AMPLITUDE = 30.0, 5000.0, 2.0


def places(on):
    return np.broadcast_arrays(*on.xy(*on.window.pixel_centres()))


def along(x, y, bearing=BEARING):
    turn = np.radians(bearing)
    return (x - ORIGIN[0]) * np.sin(turn) + (y - ORIGIN[1]) * np.cos(turn)


def jitter(x, y):
    return AMPLITUDE * np.sin(2.0 * np.pi * along(x, y) / PERIOD + 0.4)


def waved(x, y):
    return height(x, y) - jitter(x, y)


def raster(values, on):
    return ArrayRaster(array=np.asarray(values, dtype=np.float32), grid=on)


@pytest.mark.parametrize("model", ["spline", "sines"])
def test_a_wave_and_its_direction_are_found(model):
    on = grid((700, 720), 30.0)
    found = DirectionalBias(model=model).fit(dem(on), dem(on, noise=1.0, surface=waved))
    assert found.shape.bearing == pytest.approx(BEARING, abs=0.1 if model == "sines" else 0.5)
    x, y = places(on)
    error = found.shape.at(x, y) - jitter(x, y)
    assert np.abs(error).std() < 0.03
    assert found.nmad_after == pytest.approx(1.0, abs=0.02)
    assert found.nmad_before > 1.5
    assert not found.warnings
    assert found.found["explained"] == pytest.approx(2.0 / 3.0, abs=0.03)  # variances 2 and 1
    if model == "sines":
        curve = found.shape.curve
        assert curve.amplitudes == pytest.approx([AMPLITUDE], rel=0.02)
        assert 1.0 / curve.frequencies[0] == pytest.approx(PERIOD, rel=1e-3)
        assert abs(found.shape.bearing - BEARING) < 5.0 * found.found["bearing_error"] + 1e-3
        assert len(found.errors) == len(found.coefficients) == 4
        assert found.errors[1] < 0.01 * AMPLITUDE


def test_two_waves_are_told_apart():
    on = grid((500, 1200), 30.0)

    def two(x, y):
        u = along(x, y, 90.0)
        return 1.5 * np.sin(2 * np.pi * u / 9000.0) + 0.5 * np.cos(2 * np.pi * u / 1700.0)

    moving = dem(on, noise=1.0, surface=lambda x, y: height(x, y) - two(x, y))
    found = DirectionalBias(angle=90.0, model="sines").fit(dem(on), moving)
    curve = found.shape.curve
    assert sorted(1.0 / f for f in curve.frequencies) == pytest.approx([1700.0, 9000.0], rel=5e-3)
    assert sorted(curve.amplitudes) == pytest.approx([0.5, 1.5], rel=0.03)
    assert found.shape.bearing == 90.0
    assert "bearing_error" not in found.found


@pytest.mark.parametrize("model", ["spline", "sines"])
@pytest.mark.parametrize("where", ["part", "coarse", "zone", "geographic"])
def test_the_same_on_other_grids(model, where):
    on = grid((600, 640), 30.0)
    moving = dem(on, surface=waved)
    west, south, east, north = on.bounds
    inside = (west + 1500.0, south + 1500.0, east - 1500.0, north - 1500.0)
    wgs, zone = CRS.from_epsg(4326), CRS.from_epsg(32632)
    reference = {
        "part": on.crop(Window(50, 60, 480, 500)),
        "coarse": Grid.covering(inside, 47.0, crs=UTM33),
        "zone": Grid.covering(project_bounds(UTM33, zone, inside), 33.0, crs=zone),
        "geographic": Grid.covering(project_bounds(UTM33, wgs, inside), (7e-4, 3e-4), crs=wgs),
    }[where]
    # In another zone north is another: the direction is looked for.
    angle = None if where == "zone" else BEARING
    found = DirectionalBias(angle=angle, model=model).fit(dem(reference), moving)
    out = found.apply(moving).read(on.window)[0]
    x, y = places(on)
    rx, ry = places(reference)
    if reference.crs != UTM33:
        rx, ry = Transformer.from_crs(reference.crs, UTM33, always_xy=True).transform(rx, ry)
    u, seen = along(x, y), along(rx, ry)
    error = np.abs(out - height(x, y))[(u > seen.min()) & (u < seen.max())]
    # Parallel lines are hardly bent from one zone to the next; the ends of a spline are natural, those of a wave not.
    bound = {"sines": 0.01, "spline": 0.02}[model] if where != "zone" else 0.3
    assert np.quantile(error, 0.98) < bound


def test_flat_beyond_the_cells_for_splines_and_on_and_on_for_waves():
    on = grid((400, 400), 30.0)
    reference = dem(on.crop(Window(0, 0, 400, 200)))
    moving = dem(on, surface=lambda x, y: height(x, y) - 0.5 * np.sin(along(x, y, 90.0) / 600.0))
    spline = DirectionalBias(angle=90.0).fit(reference, moving)
    beyond = spline.shape.at(np.array([ORIGIN[0] + 9000.0, ORIGIN[0] + 12000.0]), np.zeros(2))
    assert beyond[0] == beyond[1] == pytest.approx(spline.shape.curve.values[-1], abs=1e-12)
    sines = DirectionalBias(angle=90.0, model="sines").fit(reference, moving)
    x = ORIGIN[0] + np.linspace(0.0, 12000.0, 100)
    want = 0.5 * np.sin((x - ORIGIN[0]) / 600.0)
    np.testing.assert_allclose(sines.shape.at(x, np.zeros(100)), want, atol=0.01)


def test_nothing_to_find_is_said():
    on = grid((300, 300))
    found = DirectionalBias(model="sines").fit(dem(on), dem(on, noise=1.0))
    assert any("explains" in w for w in found.warnings)
    assert any("no wave" in w for w in found.warnings)
    assert found.shape.curve.frequencies == ()
    same = DirectionalBias().fit(dem(on), dem(on))
    x, y = places(on)
    np.testing.assert_allclose(same.shape.at(x, y), 0.0, atol=1e-6)


def test_holes_and_blunders():
    on = grid((500, 500), 30.0)
    values = dem(on, noise=1.0, holes=0.1, surface=waved).array[0].copy()
    values[100:200, 50:175] += 50.0
    for model in ("spline", "sines"):
        found = DirectionalBias(model=model).fit(dem(on), raster(values, on))
        assert found.shape.bearing == pytest.approx(BEARING, abs=1.0)
        x, y = places(on)
        error = np.abs(found.shape.at(x, y) - jitter(x, y))
        assert np.quantile(error, 0.98) < 0.15  # strips near the corners hold few cells


def test_the_same_twice_and_from_json():
    on = grid((300, 300))
    moving = dem(on, noise=1.0, surface=waved)
    for model in ("spline", "sines"):
        one, two = (DirectionalBias(model=model).fit(dem(on), moving) for _ in range(2))
        assert repr(one) == repr(two)
        again = Correction.from_json(one.to_json())
        assert repr(again) == repr(one)
        a, b = (c.apply(moving).read(on.window) for c in (one, again))
        np.testing.assert_array_equal(a, b)


def test_the_smoother_is_that_of_scipy():
    rng = np.random.default_rng(0)
    u = np.sort(rng.uniform(0.0, 10.0, 60))
    v, w = np.sin(u) + rng.normal(0.0, 0.2, 60), rng.uniform(0.5, 2.0, 60)
    found = smoother(u, v, w) @ v
    assert np.abs(found - np.sin(u)).std() < 0.15
    # Both look for the least generalised cross-validation; scipy's has found one that is about as low.
    want = make_smoothing_spline(u, v, w=w)(u)
    np.testing.assert_allclose(found, want, atol=0.05)
    x = np.sort(rng.uniform(0.0, 3.0, 12))
    y = rng.normal(size=12)
    step = np.diff(x).mean()
    inner = np.linspace(x[0], x[-1], 400_001)
    curve = Spline(nodes=tuple(x), values=tuple(y))
    from scipy.interpolate import CubicSpline

    bend = CubicSpline(x, y, bc_type="natural")(inner, 2)
    np.testing.assert_allclose(
        y @ _penalty(x) @ y, np.trapezoid(bend**2, inner) * step**3, rtol=1e-6
    )
    fine = np.linspace(x[0] - 1.0, x[-1] + 1.0, 5000)
    np.testing.assert_allclose(
        curve.at(fine), CubicSpline(x, y, bc_type="natural")(np.clip(fine, x[0], x[-1])), atol=2e-2
    )


def test_waves_of_a_line_with_gaps():
    u = 1000.0 + 50.0 * np.arange(400)
    rng = np.random.default_rng(0)
    want = 1.0 + 2.0 * np.cos(2 * np.pi * u / 3000.0) - 0.7 * np.sin(2 * np.pi * u / 900.0)
    weights = np.ones(400)
    weights[100:140] = 0.0
    values = np.where(weights > 0.0, want + rng.normal(0.0, 0.1, 400), np.nan)
    found = find_waves(u, values, weights, most=8)
    assert isinstance(found, Sines)
    assert len(found.frequencies) == 2
    np.testing.assert_allclose(found.at(u), want, atol=0.06)
    few = find_waves(u, values, weights, most=1)
    assert 1.0 / few.frequencies[0] == pytest.approx(3000.0, rel=0.01)


def test_a_profile_against_numpy():
    rng = np.random.default_rng(0)
    x, y, v = rng.normal(size=(3, 500))
    w = rng.uniform(0.0, 1.0, 500)
    counts, sums = np.empty((2, 20))
    profile.along(x, y, v, w, 1.5, -0.7, counts, sums)
    place = 1.5 * x - 0.7 * y + 9.5
    hats = np.maximum(1.0 - np.abs(place[:, np.newaxis] - np.arange(20)), 0.0)
    np.testing.assert_allclose(counts, w @ hats, atol=1e-12)
    np.testing.assert_allclose(sums, (w * v) @ hats, atol=1e-12)
    assert best_direction(x, y, 0.0 * v, w, pixel=0.1)[1] == 0.0


def test_a_table_around_the_circle():
    table = Table(nodes=(90.0, 270.0), values=(1.0, -1.0), period=360.0)
    np.testing.assert_allclose(table.at(np.array([0.0, 90.0, 180.0, 360.0])), [0, 1, 0, 0])
    assert np.isnan(table.at(np.array([np.nan]))[0])


def test_settings_that_make_no_sense():
    for settings in ({"model": "cubes"}, {"angle": np.nan}, {"most": 0}, {"nodes": 1}):
        with pytest.raises(InputError):
            DirectionalBias(**settings)
    for nodes, values in (((), ()), ((1.0, 1.0), (0.0, 0.0)), ((1.0,), (np.inf,))):
        with pytest.raises(InputError):
            Table(nodes=nodes, values=values)
    on = grid((12, 12))
    with pytest.raises(FitError, match="strips"):
        DirectionalBias(angle=0.0).fit(dem(on), dem(on))
