"""No RPC and no input kills it: random models, and arrays of every form."""

from __future__ import annotations

import warnings
from datetime import timedelta

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pyproj import CRS

from pushbroom import SHAPE, scene
from trueground.dem import Dem
from trueground.errors import RpcError, TruegroundError
from trueground.grid import Grid
from trueground.raster import ArrayRaster
from trueground.rpc.model import Rpc
from trueground.rpc.patch import Patch
from trueground.status import Status

EPS = np.finfo(float).eps
NAMES = ("line_num", "line_den", "samp_num", "samp_den")

terms = st.floats(-1.0, 1.0) | st.sampled_from([0.0, 1.0, -1.0, 1e-12, 1e8, -1e300, 5e-324])
coefficients = hnp.arrays(np.float64, (4, 20), elements=terms, fill=st.just(0.0))
sizes = st.floats(-12.0, 12.0).map(lambda power: 10.0**power) | st.sampled_from([1e300, 5e-324])
scales = st.builds(lambda size, sign: size * sign, sizes, st.sampled_from([1.0, -1.0]))
usual = st.fixed_dictionaries(
    {
        "line_off": st.floats(-1e5, 1e5), "samp_off": st.floats(-1e5, 1e5), "lat_off": st.floats(-90.0, 90.0),
        "long_off": st.floats(-180.0, 360.0), "height_off": st.floats(-1e4, 1e4),
    }
)  # fmt: skip
scale_names = ("line_scale", "samp_scale", "lat_scale", "long_scale", "height_scale")
everyday = st.sampled_from([0.01, -0.1, 1.0, 500.0, -1e4])


@st.composite
def models(draw):
    """RPCs of any numbers; half of them with a plain affine part, so that some points can be solved."""
    values = draw(usual)
    size = draw(st.sampled_from([scales, everyday]))
    values |= {name: draw(size) for name in scale_names}
    parts = draw(coefficients)
    if draw(st.booleans()):
        parts = np.clip(parts, -1.0, 1.0) * draw(st.sampled_from([0.0, 0.003, 0.1, 1.0]))
        parts[1::2, 0] = 1.0
        parts[0, 2], parts[2, 1] = -1.0, 1.0
    values |= dict(zip(NAMES, parts, strict=True))
    try:
        return Rpc(**values)
    except RpcError:
        return None


def ground_of(rpc, x, y, h):
    with np.errstate(over="ignore"):
        return (
            rpc.long_off + x * rpc.long_scale,
            rpc.lat_off + y * rpc.lat_scale,
            rpc.height_off + h * rpc.height_scale,
        )


def is_resolved(rpc):
    """Whether scales are so much larger than the last digits of offsets that rounding acts linearly."""
    pairs = (
        (rpc.long_off + 360.0, rpc.long_scale),
        (rpc.lat_off, rpc.lat_scale),
        (rpc.height_off, rpc.height_scale),
    )
    return all(EPS * abs(off) < 1e-9 * abs(scale) for off, scale in pairs)


def assert_consistent(rpc, row, col, found):
    """Every point is found and projects to where it was looked for, or is NaN."""
    ok = found.status == Status.OK
    for values in found[:3]:
        np.testing.assert_array_equal(np.isfinite(values), ok)
    if not is_resolved(rpc):
        return
    point = [a[ok] for a in found[:3]]
    assert (np.abs(point[0]) <= 180.0).all()
    assert (np.abs(point[1]) <= 90.0).all()
    off = np.max(np.abs(np.subtract(rpc.project(*point), (row[ok], col[ok]))), axis=0, initial=0.0)
    assert not (off > 1e-6 + rounding(rpc, *point)).any()  # NaN where derivatives overflow


def rounding(rpc, lon, lat, height):
    """What an image position moves by where each number on the way is rounded a few times [px]."""
    row, col, jacobian = rpc.project_jacobian(lon, lat, height)
    with np.errstate(over="ignore", invalid="ignore"):
        ends = np.stack(
            [
                np.abs(lon) + abs(rpc.long_off) + 360.0,
                np.abs(lat) + abs(rpc.lat_off),
                np.abs(height) + abs(rpc.height_off),
            ],
            axis=-1,
        )
        moved = (np.abs(jacobian) * ends[..., np.newaxis, :]).sum(axis=-1).max(axis=-1)
        return (
            8.0
            * EPS
            * (moved + np.abs(row) + np.abs(col) + abs(rpc.line_scale) + abs(rpc.samp_scale))
        )


normal = hnp.arrays(np.float64, (3, 6), elements=st.floats(-2.0, 2.0))


@settings(max_examples=300)
@given(models(), normal)
def test_any_model_answers_or_says_why_not(rpc, places):
    if rpc is None:
        return
    lon, lat, height = ground_of(rpc, *places)
    row, col = rpc.project(lon, lat, height)
    np.testing.assert_array_equal(np.isfinite(row), np.isfinite(col))
    assert not np.isinf(row).any()
    found = rpc.localize(row, col, height)
    assert_consistent(rpc, row, col, found)
    for seen in (rpc.viewing(row, col, height), rpc.ground_sampling(row, col, height)):
        for values in seen[:2]:
            np.testing.assert_array_equal(np.isfinite(values), seen.status == Status.OK)
    beyond = rpc.extrapolation(lon, lat, height)
    assert not (np.stack(beyond) < 0.0).any()
    assert rpc.in_domain(lon, lat, height).shape == (6,)


def ground_and_points(rpc, seed):
    """Return rough ground with holes below a model, and image positions that look at it, or beside it."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(-1.0, 1.0, (40, 50)) * min(abs(rpc.height_scale), 4000.0) + rpc.height_off
    z[rng.random(z.shape) < 0.05] = np.nan
    width, tall = (min(max(3.0 * abs(s), 1e-6), 60.0) for s in (rpc.long_scale, rpc.lat_scale))
    transform = Affine(
        width / 50, 0, rpc.long_off - width / 2, 0, -tall / 40, rpc.lat_off + tall / 2
    )
    grid = Grid(crs=CRS.from_epsg(4326), transform=transform, shape=z.shape)
    dem = Dem.open(ArrayRaster(array=z.astype(np.float32), grid=grid), heights="ellipsoid")
    x, y = rng.uniform(-1.5, 1.5, (2, 30))
    return dem, *rpc.project(*ground_of(rpc, x, y, 0.0))


@settings(max_examples=60, deadline=timedelta(seconds=20))
@given(models(), st.integers(0, 1000))
def test_any_model_ends_on_a_dem(rpc, seed):
    if rpc is None:
        return
    dem, row, col = ground_and_points(rpc, seed)
    try:
        found = rpc.localize_on(dem, row, col)
    except TruegroundError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    assert_consistent(rpc, row, col, found)


@pytest.mark.parametrize("change", [{"long_scale": 100.0}, {"lat_scale": 10.0, "lat_off": 85.0}])
def test_places_beyond_the_globe_are_none(change):
    """Two scales from the centre: 200 degrees of longitude away, or at 105 degrees of latitude."""
    one, x, y = np.eye(20)[:3]
    values = dict.fromkeys(("lat_off", "long_off", "height_off", "line_off", "samp_off"), 0.0)
    values |= dict.fromkeys(scale_names, 1.0) | change
    rpc = Rpc(**values, line_num=y, line_den=one, samp_num=x, samp_den=one)
    found = rpc.localize(2.5, 2.5, 0.0)  # the half pixel, and two scales
    assert found.status == Status.DIVERGED
    assert np.isnan(found[:3]).all()


def test_neighbours_of_the_last_digit_do_not_recurse_for_ever():
    """Where the model cannot be inverted, a piece is halved down to its points, however near they are."""
    row = np.array([1e7, np.nextafter(1e7, 2e7)])
    found = VIEW.localize_on(DEM, row, 100.0)
    assert np.isnan(found.lon).all()
    assert (found.status != Status.OK).all()


@pytest.mark.parametrize("row", [[-1.7e308, 1.7e308], [1e307, 1.7e308]])
def test_positions_at_the_end_of_numbers_leak_no_warnings(row):
    assert (VIEW.localize_on(DEM, row, 100.0).status != Status.OK).all()


# ------------------------------------------------------------------------------------- any form of input


def flat_dem(rpc):
    size = 1e-3
    transform = Affine(size, 0, rpc.long_off - 0.2, 0, -size, rpc.lat_off + 0.2)
    grid = Grid(crs=CRS.from_epsg(4326), transform=transform, shape=(400, 400))
    z = np.random.default_rng(0).uniform(400.0, 600.0, (400, 400)).astype(np.float32)
    return Dem.open(ArrayRaster(array=z, grid=grid), heights="ellipsoid")


VIEW = scene(7.0, 46.0).rpc
DEM = flat_dem(VIEW)
FROM_IMAGE = {
    "localize": VIEW.localize,
    "localize_on": lambda row, col, _height: VIEW.localize_on(DEM, row, col),
    "viewing": VIEW.viewing,
    "ground_sampling": VIEW.ground_sampling,
}
FROM_GROUND = {
    "project": VIEW.project,
    "project_jacobian": VIEW.project_jacobian,
    "extrapolation": VIEW.extrapolation,
    "in_domain": lambda *point: (VIEW.in_domain(*point),),
}
ALL = {**FROM_IMAGE, **FROM_GROUND}


def inputs(name, shape=(4, 6), *, seed=0):
    rng = np.random.default_rng(seed)
    low, high = (
        ((0.0, 0.0, 0.0), (*SHAPE, 2000.0))
        if name in FROM_IMAGE
        else ((6.95, 45.97, 0.0), (7.05, 46.03, 2000.0))
    )
    return [rng.uniform(a, b, shape) for a, b in zip(low, high, strict=True)]


def frozen(a):
    a = a.copy()
    a.flags.writeable = False
    return a


FORMS = {
    "Fortran order": np.asfortranarray,
    "transposed twice": lambda a: np.ascontiguousarray(a.T).T,
    "strided": lambda a: np.repeat(a, 3, axis=1)[:, ::3],
    "backwards": lambda a: np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
    "read-only": frozen,
    "lists": lambda a: a.tolist(),
    "big endian": lambda a: a.astype(">f8"),
    "not aligned": lambda a: np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(np.float64).reshape(a.shape),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ALL)
def test_arrays_of_any_form_give_the_same_and_stay_as_they_are(name, form):
    plain = inputs(name)
    expected = ALL[name](*plain)
    given_ = [FORMS[form](a) for a in plain]
    found = ALL[name](*given_)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    for before, after in zip(plain, given_, strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("dtype", [np.int16, np.int64, np.uint32, np.float32, np.bool_])
@pytest.mark.parametrize("name", FROM_IMAGE)
def test_numbers_of_any_type_are_taken(name, dtype):
    given_ = [a.astype(dtype) for a in inputs(name)]
    expected = ALL[name](*(a.astype(np.float64) for a in given_))
    for one, other in zip(ALL[name](*given_), expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 3, 4), (0,), (3, 0), (0, 0, 2)])
@pytest.mark.parametrize("name", ALL)
def test_shapes_come_back(name, shape):
    for values in ALL[name](*inputs(name, shape)):
        assert values.shape[: len(shape)] == shape
        assert isinstance(values, np.ndarray)
        values[...] = 0  # its own, and writable


@pytest.mark.parametrize("name", ALL)
def test_what_is_missing_stays_missing_and_changes_nothing_else(name):
    """NaN and infinities in any coordinate; points of a line of sight are found to 1e-6 px whoever is beside them."""
    whole = inputs(name, (60,))
    holed = [a.copy() for a in whole]
    rng = np.random.default_rng(1)
    used = 2 if name == "localize_on" else 3
    bad = np.zeros(60, dtype=bool)
    for a in holed[:used]:
        at = rng.integers(0, 60, 5)
        a[at] = rng.choice([np.nan, np.inf, -np.inf], 5)
        bad[at] = True
    expected = ALL[name](*(a[~bad] for a in whole))
    found = ALL[name](*holed)
    exact = 1e-11 if name == "localize_on" else 0.0  # degrees
    for values, others in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            values[~bad], others, rtol=0, atol=exact if others.dtype == float else 0
        )
    if name in FROM_IMAGE:
        assert (found.status[bad] == Status.BAD_INPUT).all()
        assert all(np.isnan(v[bad]).all() for v in found if v.dtype == np.float64)
    elif name != "in_domain":
        assert np.isnan(found[-1][bad]).all()


def test_broken_models_leak_no_warnings():
    """Overflow on the way, division by zero, and starts that cannot be fitted."""
    base = dict.fromkeys(scale_names, 1.0) | dict.fromkeys(
        ("line_off", "samp_off", "lat_off", "long_off", "height_off"), 0.0
    )
    zeros, one = np.zeros(20), np.eye(20)[0]
    huge = np.full(20, 1e300)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for num, den in (
            (zeros, one),
            (huge, one),
            (one, huge),
            (np.eye(20)[1], np.eye(20)[1]),
            (huge, huge),
        ):
            rpc = Rpc(**base, line_num=num, line_den=den, samp_num=num, samp_den=den)
            for height in (0.0, 1e308, -1e308, np.inf, 1e-300):
                for found in (
                    rpc.localize(3.0, 3.0, height),
                    rpc.viewing(3.0, 3.0, height),
                    rpc.ground_sampling(3.0, 3.0, height),
                ):
                    assert found.status != Status.OK
                    assert np.isnan(found[0])
                rpc.project(0.0, 0.0, height)
                rpc.project_jacobian(0.0, 0.0, height)
                rpc.extrapolation(0.0, 0.0, height)
                rpc.footprint(10, 10, height=height)


def test_a_model_that_bends_over_all_heights_takes_few_slabs(monkeypatch):
    """Found by hypothesis: 12,000 pieces, of 200 slabs a point, and fewer points found than with 16 slabs."""
    values = {
        "line_off": 1.1, "samp_off": 73809.17332275363, "lat_off": 39.05153019693668,
        "long_off": 64.44190276958622, "height_off": 0.0, "line_scale": 1.0, "samp_scale": 1.0,
        "lat_scale": -0.1, "long_scale": 1.0, "height_scale": -10000.0,
    }  # fmt: skip
    parts = np.zeros((4, 20))
    parts[1::2, 0], parts[0, 2], parts[2, 1] = 1.0, -1.0, 1.0
    parts[0, [6, 12, 16, 17]] = 0.003, -0.003, -0.003, 0.003
    parts[[0, 2], 11] = -0.0011149040647714875, -0.0018332256455770915
    parts[3, 1] = 0.003
    rpc = Rpc(**values, **dict(zip(NAMES, parts, strict=True)))
    dem, row, col = ground_and_points(rpc, 832)
    pieces = []
    attempt = Patch.attempt
    monkeypatch.setattr(Patch, "attempt", lambda *a, **k: pieces.append(a) or attempt(*a, **k))
    found = rpc.localize_on(dem, row, col)
    assert len(pieces) < 40 * row.size
    assert (found.status == Status.OK).sum() == 21
    assert not (found.status == Status.DIVERGED).any()
    assert_consistent(rpc, row, col, found)
