"""Tilts and bends of a DEM: known ones come back, on any grid; corrections written and read."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from known_terrain import ORIGIN, UTM33, dem, grid, height
from trueground.coreg import Alignment, Correction, Deramp
from trueground.coreg.base import translation
from trueground.coreg.bias.method import regressed
from trueground.coreg.bias.shapes import Surface, powers
from trueground.errors import FitError, InputError, OverlapError
from trueground.grid import Grid, Window
from trueground.raster import ArrayRaster
from trueground.stats import nmad

WGS84 = CRS.from_epsg(4326)


def places(on):
    return np.broadcast_arrays(*on.xy(*on.window.pixel_centres()))


def raster(values, on):
    return ArrayRaster(array=np.asarray(values, dtype=np.float32), grid=on)


def bend(x, y):
    """Metres, of a quadratic with a cross term: 0 to some tens over 20 km."""
    u, v = (x - ORIGIN[0]) / 1000.0, (y - ORIGIN[1]) / 1000.0
    return 3.0 + 0.4 * u - 0.7 * v + 0.05 * u**2 - 0.03 * u * v + 0.02 * v**2


def tilted(x, y):
    return height(x, y) - bend(x, y)


def added(correction, on):
    """What a correction adds at the nodes of a grid, without the rounding of heights to float32."""
    x, y = places(on)
    if on.crs != UTM33:
        from pyproj import Transformer

        x, y = Transformer.from_crs(on.crs, UTM33, always_xy=True).transform(x, y)
    return correction.shape.at(x, y), bend(x, y)


def test_a_tilt_of_a_tenth_of_a_metre_a_kilometre_is_found_to_a_thousandth_of_it():
    on = grid((1200, 1200), 100.0)
    x, y = places(on)
    rng = np.random.default_rng(0)
    ramp = 1e-4 * (x - ORIGIN[0]) - 0.4e-4 * (y - ORIGIN[1])
    moving = raster(500.0 - ramp + rng.normal(0.0, 1.0, on.shape), on)
    found = Deramp(samples=2_000_000).fit(raster(np.full(on.shape, 500.0), on), moving)
    # 1,440,000 cells over 120 km: a standard error of 2.4e-5 m/km.
    assert found.shape.tilt == pytest.approx((0.1, -0.04), abs=1e-4)
    assert found.samples == on.shape[0] * on.shape[1]
    assert found.nmad_after == pytest.approx(1.0, abs=0.01)
    assert found.on_samples["after"]["median"] == pytest.approx(0.0, abs=0.01)
    assert (
        found.on_samples["added"]["least"]
        < found.on_samples["added"]["q05"]
        < found.on_samples["added"]["q95"]
    )
    # Three independent coefficients of orthogonal columns, u and v in -1..1: s / sqrt(n), times sqrt(3).
    want = np.array([1.0, math.sqrt(3.0), math.sqrt(3.0)]) / 1200.0
    assert np.allclose(found.errors, want, rtol=0.5)  # of a covariance from 100 squares
    assert np.allclose(np.sqrt(np.diag(found.covariance)), found.errors)


def test_errors_are_those_of_the_scatter():
    on = grid((120, 120), 100.0)
    level = raster(np.full(on.shape, 500.0), on)
    rng = np.random.default_rng(1)
    found = [
        Deramp().fit(level, raster(500.0 + rng.normal(0.0, 1.0, on.shape), on)) for _ in range(40)
    ]
    scatter = np.std([f.coefficients for f in found], axis=0)
    said = np.sqrt(np.mean([np.square(f.errors) for f in found], axis=0))
    assert np.all((said / scatter > 0.6) & (said / scatter < 1.6))  # 40 draws: 11 % of scatter


@pytest.mark.parametrize("crs", [UTM33, CRS.from_epsg(32632), WGS84])
def test_a_part_of_the_reference_finds_what_is_right_everywhere(crs):
    """The fault of peers that count rows and columns: wrong on any other grid."""
    on = grid((600, 640), 30.0)
    moving = dem(on, surface=tilted)
    whole = on.bounds
    if crs == UTM33:
        part = on.crop(Window(100, 150, 400, 420))
    else:
        from trueground.projection import project_bounds

        west, south, east, north = whole
        inside = (west + 3000.0, south + 3000.0, east - 3000.0, north - 3000.0)
        pixel = (4e-4, 2.5e-4) if crs == WGS84 else 25.0
        part = Grid.covering(project_bounds(UTM33, crs, inside), pixel, crs=crs)
    coarse = grid((250, 260), 45.0, origin=(ORIGIN[0] + 4010.0, ORIGIN[1] - 3005.0))
    for reference in (dem(part), dem(coarse)):
        found = Deramp(order=2).fit(reference, moving)
        got, want = added(found, on)
        if CRS.from_wkt(found.crs) == UTM33:
            # Cubic interpolation of 30 m cells errs by centimetres where it is curved, and averages out.
            assert np.abs(got - want).max() < 0.01
        out = found.apply(moving).read(on.window)[0]
        assert np.abs(out - height(*places(on))).max() < 0.01


def test_other_axes_and_large_coordinates():
    turned = Affine(20.0, 5.0, 8_000_000.0, 5.0, -20.0, 8_100_000.0)
    on = Grid(crs=None, transform=turned, shape=(300, 300))
    x, y = places(on)
    want = 1.0 + 2e-4 * (x - 8e6) + 1e-8 * (y - 8e6) ** 2
    for order in (2, 6, 10):
        found = Deramp(order=order).fit(raster(0.0 * x, on), raster(-want, on))
        assert np.abs(found.shape.at(x, y) - want).max() < 1e-3 * np.ptp(want)
        assert found.nmad_after < 1e-4


def test_against_numpy():
    rng = np.random.default_rng(2)
    x, values = rng.uniform(-1.0, 1.0, 5000), rng.normal(0.0, 1e-3, 5000)
    values += 1.0 + 2.0 * x - 3.0 * x**3
    design = np.polynomial.polynomial.polyvander(x, 3)
    # Without blunders the biweight is 95 % efficient: it differs by a fifth of the standard error, about 8e-5.
    want = np.polyfit(x, values, 3)[::-1]
    assert np.abs(regressed(design, values, np.ones(5000)) - want).max() < 8e-5
    values[::20] += 50.0
    assert np.abs(regressed(design, values, np.ones(5000)) - want).max() < 2e-4


def test_the_surface_against_its_sum():
    rng = np.random.default_rng(3)
    x, y = rng.uniform(0.0, 10.0, (2, 7, 9))
    for order in range(1, 6):
        c = tuple(rng.normal(size=len(powers(order))))
        shape = Surface(order=order, centre=(4.0, 6.0), scale=(2.0, 3.0), coefficients=c)
        u, v = (x - 4.0) / 2.0, (y - 6.0) / 3.0
        want = sum(k * u**i * v**j for k, (i, j) in zip(c, powers(order), strict=True))
        np.testing.assert_allclose(shape.at(x, y), want, atol=1e-9)


def test_blunders_holes_masks_and_weights():
    on = grid((400, 400))
    reference, moving = dem(on), dem(on, noise=1.0, holes=0.1, surface=tilted)
    values = moving.array[0].copy()
    values[50:150, 50:130] += 50.0  # 5 % of the cells
    spoilt = raster(values, on)
    got, want = added(Deramp(order=2).fit(reference, spoilt), on)
    assert np.abs(got - want).max() < 0.1  # 1 m noise, 144,000 cells, at the corners of a quadratic
    values[:, 200:] += 80.0  # half of all: only a mask helps
    stable = np.ones(on.shape, dtype=np.uint8)
    stable[:, 200:] = 0
    valid = raster(stable, on)
    masked = Deramp(order=2).fit(reference, raster(values, on), valid=valid)
    weighted = Deramp(order=2).fit(
        reference, raster(values, on), weights=raster(np.where(stable, 1.0, 0.0), on)
    )
    assert masked.coefficients == weighted.coefficients
    got, want = added(masked, on)
    assert np.abs(got - want)[:, :200].max() < 0.1


def test_trimming_is_of_what_the_fit_leaves():
    on = grid((300, 300), 100.0)
    moving = dem(on, noise=0.5, surface=tilted)
    found = Deramp(order=2, trim=1.5).fit(dem(on), moving)
    got, want = added(found, on)
    # A part of the bend itself lies beyond 1.5 NMADs of its median: nothing of it was lost.
    beyond = np.abs(want - np.median(want)) > 1.5 * nmad(want)
    assert beyond.mean() > 0.05
    assert np.abs(got - want).max() < 0.05
    assert found.samples == want.size  # the figures are of all cells


def test_under_an_initial_motion_places_are_where_the_motion_brings_them():
    on = grid((300, 300))
    shift = (300.0, -200.0, 4.0)
    moving = dem(on, shift, surface=tilted)
    initial = Alignment(
        matrix=translation(shift), centroid=(*ORIGIN, 0.0), crs=UTM33.to_wkt(), method="test",
        nmad_before=1.0, nmad_after=1.0, samples=1,
    )  # fmt: skip
    found = Deramp(order=2).fit(dem(on), moving, initial=initial)
    x, y = places(on)
    np.testing.assert_allclose(found.shape.at(x, y), bend(x, y), atol=0.01)
    out = found.apply(moving).read(on.window)[0]
    np.testing.assert_allclose(out, height(x + shift[0], y + shift[1]) - shift[2], atol=0.01)
    _, _, z = found.transform(x, y, moving.array[0])
    np.testing.assert_allclose(z, out, atol=1e-3)
    assert Correction.from_json(found.to_json()).motion.shift_x == 300.0
    elsewhere = replace(initial, crs=CRS.from_epsg(32632).to_wkt())
    with pytest.raises(InputError, match="must be the same"):
        Deramp().fit(dem(on), moving, initial=elsewhere)


def test_apply_does_not_resample_its_own_grid_and_resamples_another_once():
    on = grid((120, 130))
    moving = dem(on, holes=0.1, surface=tilted)
    found = Deramp(order=2).fit(dem(on), moving)
    out = found.apply(moving)
    assert out.grid == on
    read = out.read(on.window)
    np.testing.assert_array_equal(np.isnan(read), np.isnan(moving.array))
    parts = np.concatenate([out.read(Window(r, 0, 40, 130)) for r in (0, 40, 80)], axis=1)
    np.testing.assert_array_equal(parts, read)
    assert np.isnan(out.read(Window(-5, -5, 5, 5))).all()
    other = grid((60, 60), 25.0)
    np.testing.assert_allclose(
        found.apply(dem(on, surface=tilted), grid=other).read(other.window)[0],
        dem(other).array[0], atol=0.5,
    )  # fmt: skip
    with pytest.raises(InputError, match="bands"):
        found.apply(ArrayRaster(array=np.zeros((2, *on.shape), np.float32), grid=on))


def test_points_in_another_crs():
    on = grid((120, 130))
    found = Deramp(order=2).fit(dem(on), dem(on, surface=tilted))
    x, y = (v[::20, ::20] for v in places(on))
    from pyproj import Transformer

    lon, lat = Transformer.from_crs(UTM33, WGS84, always_xy=True).transform(x, y)
    got = found.transform(lon, lat, tilted(x, y), crs=WGS84)
    np.testing.assert_array_equal(got[0], lon)
    np.testing.assert_allclose(got[2], height(x, y), atol=1e-3)


@given(
    nmads=st.tuples(*[st.one_of(st.floats(0.0, 1e6), st.just(math.nan))] * 2),
    order=st.integers(1, 3),
    converged=st.booleans(),
)
def test_json_round_trip_is_the_identity(nmads, order, converged):
    count = len(powers(order))
    one = Correction(
        shape=Surface(
            order=order, centre=(1.0, 2.0), scale=(3.0, 4.0),
            coefficients=tuple(0.1 * k for k in range(count)),
        ),
        crs=UTM33.to_wkt(), method="deramp", nmad_before=nmads[0], nmad_after=nmads[1], samples=7,
        errors=(0.5,) * count, covariance=np.eye(count), converged=converged,
        found={"explained": nmads[0]}, parameters={"order": order, "slope_range": [5.0, 40.0]},
        on_samples={"before": {"median": nmads[1]}}, warnings=("odd",),
    )  # fmt: skip
    text = one.to_json()
    json.loads(text, parse_constant=pytest.fail)  # neither NaN nor Infinity: any program reads it
    again = Correction.from_json(text)
    assert repr(again) == repr(one)
    assert again.to_json() == text


def test_a_fit_comes_back_from_json():
    on = grid((60, 60))
    found = Deramp(order=3, slope_range=(0.0, 60.0), trim=5.0).fit(dem(on), dem(on, noise=1.0))
    assert Correction.from_json(found.to_json()) == found
    bare = replace(found, crs=None)
    assert Correction.from_json(bare.to_json()) == bare


GOOD = json.loads(Deramp().fit(dem(grid((30, 30))), dem(grid((30, 30)), noise=1.0)).to_json())


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "null", "{}",
        json.dumps({k: v for k, v in GOOD.items() if k != "correction"}),
        json.dumps({**GOOD, "correction": {"kind": "magic"}}),
        json.dumps({**GOOD, "correction": {**GOOD["correction"], "coefficients": [1.0]}}),
        json.dumps({**GOOD, "correction": {**GOOD["correction"], "scale": [0.0, 1.0]}}),
        json.dumps({**GOOD, "correction": {**GOOD["correction"], "centre": [1.0]}}),
        json.dumps({**GOOD, "correction": {**GOOD["correction"], "coefficients": [1, 2, None]}}),
        json.dumps({**GOOD, "covariance": [[1.0]]}),
        json.dumps({**GOOD, "errors": [1.0]}),
        json.dumps({**GOOD, "crs": "EPSG:nowhere"}),
        json.dumps({**GOOD, "motion": {"shift_x": 1}}),
        json.dumps({**GOOD, "samples": "many"}),
    ],
)  # fmt: skip
def test_malformed_json_is_one_clear_error(text):
    with pytest.raises(InputError):
        Correction.from_json(text)


def test_what_cannot_be_fitted_is_refused():
    on = grid((40, 40))
    with pytest.raises(InputError, match="order 0"):
        Deramp(order=0)
    with pytest.raises(InputError, match="trim"):
        Deramp(trim=-1.0)
    with pytest.raises(InputError, match="slope range"):
        Deramp(slope_range=(5.0, 1.0))
    line = np.zeros(on.shape, dtype=np.uint8)
    line[7] = 1
    with pytest.raises(FitError, match="usable cells"):
        Deramp().fit(dem(on), dem(on), valid=raster(line, on))
    with pytest.raises(FitError, match="one row or column"):
        Deramp().fit(dem(grid((1, 400))), dem(grid((5, 400))))
    diagonal = raster(np.eye(400, dtype=np.uint8), grid((400, 400)))
    with pytest.raises(FitError, match="do not fix"):
        Deramp().fit(dem(grid((400, 400))), dem(grid((400, 400))), valid=diagonal)
    empty = raster(np.full(on.shape, np.nan), on)
    with pytest.raises(OverlapError):
        Deramp().fit(dem(on), empty)


def test_more_cells_than_samples_are_chosen_by_the_seed():
    on = grid((200, 200))
    reference, moving = dem(on), dem(on, noise=1.0, surface=tilted)
    one, two, three = (Deramp(samples=5000, seed=s).fit(reference, moving) for s in (0, 0, 1))
    assert one == two
    assert one.coefficients != three.coefficients
    assert 4500 < one.samples < 5500
