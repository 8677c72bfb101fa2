"""Biases that depend on the ground: known ones come back, on any grid, and what they are mistaken for is said."""

from __future__ import annotations

import numpy as np
import pytest
from pyproj import CRS, Transformer

from known_terrain import UTM33, dem, grid, height
from trueground.coreg import Alignment, Correction, NuthKaab, TerrainBias
from trueground.coreg.base import translation
from trueground.coreg.bias.variable import Variable
from trueground.errors import FitError, InputError
from trueground.grid import Grid, Window
from trueground.projection import project_bounds
from trueground.raster import ArrayRaster
from trueground.terrain import Curvature, Slope

WGS84 = CRS.from_epsg(4326)


def places(on, system=UTM33):
    x, y = np.broadcast_arrays(*on.xy(*on.window.pixel_centres()))
    if on.crs == system:
        return x, y
    return Transformer.from_crs(on.crs, system, always_xy=True).transform(x, y)


def rise(x, y):
    """The gradient of the terrain itself, whatever grid shows it."""
    return (
        (height(x + 0.5, y) - height(x - 0.5, y)) / 1.0,
        (height(x, y + 0.5) - height(x, y - 0.5)) / 1.0,
    )


def slope(x, y):
    return np.degrees(np.arctan(np.hypot(*rise(x, y))))


def aspect(x, y):
    east, north = rise(x, y)
    return np.degrees(np.arctan2(-east, -north)) % 360.0


OF = {
    "slope": lambda x, y: 0.05 * slope(x, y) - 0.3,
    "elevation": lambda x, y: 0.01 * height(x, y) - 4.0,
    "aspect": lambda x, y: 0.8 * np.cos(np.radians(2.0 * aspect(x, y) - 40.0)) + 0.2,
}


def raster(values, on):
    return ArrayRaster(array=np.asarray(values, dtype=np.float32), grid=on)


def biased(on, variable, noise=0.0):
    return dem(on, noise=noise, surface=lambda x, y: height(x, y) - OF[variable](x, y))


@pytest.mark.parametrize("model", ["bins", "polynomial"])
@pytest.mark.parametrize("variable", sorted(OF))
def test_a_known_bias_is_found(variable, model):
    on = grid((500, 500), 20.0)
    moving = biased(on, variable, noise=1.0)
    found = TerrainBias(variable=variable, model=model).fit(dem(on), moving)
    clean = biased(on, variable)
    # What is added to the DEM without noise, from the same variable of the reference.
    error = (found.apply(clean).read(on.window)[0] - height(*places(on)))[1:-1, 1:-1]
    # Lines between the medians of 30 bins, each of some 8,000 cells of 1 m; slopes of 20 m cells.
    assert np.nanstd(error) < 0.05
    assert abs(np.nanmedian(error)) < 0.02
    assert found.nmad_after == pytest.approx(1.0, abs=0.02)
    assert len(found.errors) == len(found.coefficients)
    assert np.median(found.errors) < 0.05
    assert found.variable is not None


@pytest.mark.parametrize("model", ["bins", "polynomial"])
def test_errors_are_those_of_the_scatter(model):
    on = grid((160, 160), 20.0)
    reference = dem(on)
    method = TerrainBias(variable="elevation", model=model, bins=6)
    rng = np.random.default_rng(0)
    found = [
        method.fit(reference, raster(reference.array[0] + rng.normal(0.0, 1.0, on.shape), on))
        for _ in range(40)
    ]
    scatter = np.std([f.coefficients for f in found], axis=0)
    said = np.sqrt(np.mean([np.square(f.errors) for f in found], axis=0))
    assert np.all((said / scatter > 0.6) & (said / scatter < 1.6))  # 40 draws: 11 % of scatter
    assert np.allclose(np.sqrt(np.diag(found[0].covariance)), found[0].errors)


def test_curvature_and_a_raster_of_ones_own():
    on = grid((400, 400), 20.0)
    reference = dem(on)
    for name, values in (
        ("curvature", Curvature(reference).read(on.window)[0]),
        ("forest", np.random.default_rng(0).uniform(0.0, 10.0, on.shape)),
    ):
        bias = 2.0 * np.nan_to_num(values)
        moving = raster(reference.array[0] - bias, on)
        given = name if name == "curvature" else raster(values, on)
        method = TerrainBias(variable=given, variable_name=None if name == "curvature" else name)
        found = method.fit(reference, moving)
        assert found.shape.variable == name
        out = found.apply(moving).read(on.window)[0]
        left = np.abs(out - reference.array[0])[1:-1, 1:-1]
        assert np.quantile(left, 0.99) < 0.05 * np.quantile(bias, 0.99)
        again = Correction.from_json(found.to_json())
        assert repr(again) == repr(found)
        if name == "forest":
            with pytest.raises(InputError, match="forest"):
                again.apply(moving)
            same = again.with_variable(given).apply(moving).read(on.window)[0]
            np.testing.assert_array_equal(same, out)
    with pytest.raises(InputError, match="no forest of their own"):
        again.transform(0.0, 0.0, 0.0)


@pytest.mark.parametrize("variable", sorted(OF))
@pytest.mark.parametrize("where", ["part", "finer", "zone", "geographic"])
def test_the_same_on_other_grids(variable, where):
    on = grid((400, 420), 20.0)
    moving = biased(on, variable)
    west, south, east, north = on.bounds
    inside = (west + 800.0, south + 800.0, east - 800.0, north - 800.0)
    zone = CRS.from_epsg(32632)
    reference = {
        "part": on.crop(Window(40, 40, 300, 330)),
        "finer": Grid.covering(inside, 13.0, crs=UTM33),
        "zone": Grid.covering(project_bounds(UTM33, zone, inside), 21.0, crs=zone),
        "geographic": Grid.covering(project_bounds(UTM33, WGS84, inside), (5e-4, 2e-4), crs=WGS84),
    }[where]
    found = TerrainBias(variable=variable).fit(dem(reference), moving)
    out = found.apply(moving).read(on.window)[0]
    error = (out - height(*places(on)))[1:-1, 1:-1]
    assert np.isfinite(error).all()  # where the reference ends, the DEM's own terrain is taken
    # The slope of cells of 13 to 22 m is not quite that of the ground; 12 degrees of convergence turn an aspect.
    assert abs(np.median(error)) < 0.02
    assert np.quantile(np.abs(error), 0.9) < (0.35 if variable == "aspect" else 0.05)
    alone = Correction.from_json(found.to_json()).apply(moving).read(on.window)[0]
    assert np.nanquantile(np.abs(alone - height(*places(on))), 0.9) < 0.5


def test_under_a_motion_the_variable_is_that_of_the_place_it_leads_to():
    on = grid((400, 400), 20.0)
    shift = (200.0, -140.0, 3.0)
    moving = dem(on, shift, surface=lambda x, y: height(x, y) - OF["slope"](x, y))
    initial = Alignment(
        matrix=translation(shift), centroid=(0.0, 0.0, 0.0), crs=UTM33.to_wkt(), method="test",
        nmad_before=1.0, nmad_after=1.0, samples=1,
    )  # fmt: skip
    found = TerrainBias().fit(dem(on), moving, initial=initial)
    x, y = places(on)
    want = height(x + shift[0], y + shift[1]) - shift[2]
    out = found.apply(moving).read(on.window)[0]
    inside = np.s_[20:-20, 20:-20]
    assert np.quantile(np.abs((out - want)[inside]), 0.995) < 0.05  # flat beyond the steepest bin
    x, y, z = (v[inside] for v in (x, y, moving.array[0]))
    got = found.transform(x, y, z)[2]
    np.testing.assert_allclose(got, out[inside], atol=1e-3)


def test_level_ground_has_no_aspect_and_gets_the_mean():
    on = grid((300, 300), 20.0)
    values = dem(on).array[0].copy()
    values[100:150, 100:160] = 500.0
    reference = raster(values, on)
    bias = np.where(np.isnan(Slope(reference).read(on.window)[0]), 0.0, 2.0)
    found = TerrainBias(variable="aspect").fit(reference, raster(values - bias, on))
    out = found.apply(raster(values - bias, on)).read(on.window)[0]
    np.testing.assert_allclose(out[1:-1, 1:-1], values[1:-1, 1:-1], atol=0.01)
    aspects = Variable(name="aspect", source=reference).on(on.window)
    assert (aspects[102:148, 102:158] == -1.0).all()
    level = raster(np.full(on.shape, 7.0), on)
    with pytest.raises(FitError, match="not level"):
        TerrainBias(variable="aspect").fit(level, level)
    with pytest.raises(FitError, match="nothing can depend"):
        TerrainBias(variable="elevation").fit(level, level)


def test_aspects_turn_clockwise_from_north():
    on = grid((3, 3), 10.0)
    x, y = places(on)
    for towards, want in (((1, 0), 90.0), ((0, 1), 0.0), ((-1, 0), 270.0), ((0, -1), 180.0)):
        downhill = raster(1000.0 - towards[0] * (x - x.mean()) - towards[1] * (y - y.mean()), on)
        found = Variable(name="aspect", source=downhill).on(Window(1, 1, 1, 1))
        assert found[0, 0] % 360.0 == pytest.approx(want, abs=1e-3)


def test_an_elevation_bias_that_looks_like_a_shift_is_said():
    """GlacioHack/xdem#987: on one long slope nothing tells them apart."""
    on = grid((300, 300), 20.0)

    def hillside(x, y):
        return height(x, y) + 0.3 * (y - 8_000_000.0)

    def scaled(x, y):
        return hillside(x, y) - 0.01 * (hillside(x, y) - 500.0)

    reference = dem(on, surface=hillside)
    found = TerrainBias(variable="elevation").fit(reference, dem(on, surface=scaled))
    assert any("looks like a shift" in w for w in found.warnings)
    leak = NuthKaab().fit(reference, dem(on, surface=scaled))
    assert np.hypot(leak.shift_x, leak.shift_y) > 1.0  # m: this is what is warned of
    clean = TerrainBias(variable="elevation").fit(dem(on), dem(on, noise=1.0))
    assert not clean.warnings


def test_more_bins_than_values():
    on = grid((200, 200))
    classes = np.random.default_rng(0).integers(0, 3, on.shape)
    moving = raster(dem(on).array[0] - classes, on)
    found = TerrainBias(variable=raster(classes, on), bins=50).fit(dem(on), moving)
    out = found.apply(moving).read(on.window)[0]
    np.testing.assert_allclose(out, dem(on).array[0], atol=1e-3)


def test_settings_that_make_no_sense():
    on = grid((40, 40))
    two = ArrayRaster(array=np.zeros((2, *on.shape), np.float32), grid=on)
    for settings in ({"variable": "colour"}, {"model": "cubes"}, {"bins": 1}, {"order": 0}):
        with pytest.raises(InputError):
            TerrainBias(**settings)
    with pytest.raises(InputError, match="bands"):
        TerrainBias(variable=two).fit(dem(on), dem(on))
    found = TerrainBias().fit(dem(on), dem(on, noise=1.0))
    with pytest.raises(InputError, match="no slope of their own"):
        Correction.from_json(found.to_json()).transform(0.0, 0.0, 0.0)
