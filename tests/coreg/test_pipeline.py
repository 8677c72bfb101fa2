"""Methods one after the other: one motion about one point, one resampling, one file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Transformer

from known_terrain import ORIGIN, UTM33, dem, grid, height
from trueground.coreg import (
    METHODS,
    Alignment,
    Chain,
    Correction,
    Deramp,
    DirectionalBias,
    Lzd,
    NuthKaab,
    Pipeline,
    TerrainBias,
    VerticalShift,
    method_named,
    motion,
    read_result,
)
from trueground.coreg.base import translation
from trueground.coreg.bias.variable import Variable
from trueground.coreg.pipeline import _about
from trueground.datum_shift import converted
from trueground.errors import FitError, InputError
from trueground.grid import Window
from trueground.pointcloud import PointCloud
from trueground.raster import ArrayRaster, open_raster
from trueground.stats import nmad
from trueground.vertical import Datum

SHIFT = (13.0, -7.0, 1.5)


def places(on):
    return np.broadcast_arrays(*on.xy(*on.window.pixel_centres()))


def ramp(x, y):
    return 2.0 + 4e-4 * (x - ORIGIN[0]) - 3e-4 * (y - ORIGIN[1])


def ramped(x, y):
    return height(x, y) - ramp(x, y)


def raster(values, on):
    return ArrayRaster(array=np.asarray(values, dtype=np.float32), grid=on)


@dataclass
class Counting:
    """A raster that counts how often each of its cells is read."""

    source: ArrayRaster
    times: np.ndarray = field(init=False)

    def __post_init__(self):
        self.times = np.zeros(self.source.grid.shape, dtype=int)
        self.grid, self.count = self.source.grid, self.source.count
        self.dtype, self.nodata = self.source.dtype, self.source.nodata

    def read(self, window):
        inside = window.intersect(self.grid.window)
        self.times[inside.slices_in(self.grid.window)] += 1
        return self.source.read(window)


def in_turns(*methods, times):
    """Each method in its turn, again and again: what two of them share is divided a little better each time."""
    return Pipeline(steps=methods * times)


def turned_away(on, shift, degrees):
    """The DEM that a small motion about the middle of a grid brings onto the truth."""
    west, south, east, north = on.bounds
    centre = np.array([(west + east) / 2, (south + north) / 2, 400.0])
    step = motion.small([*shift, *np.radians(degrees), 0.0])
    x, y = places(on)
    z = height(x, y)
    for _ in range(30):
        at = motion.transform_points(step, centre, x, y, z)
        z = z + height(at[0], at[1]) - at[2]
    return raster(z, on), step, centre


def test_plus_is_associative_and_keeps_the_order():
    a, b, c = NuthKaab(), Deramp(order=2), VerticalShift()
    assert (a + b) + c == a + (b + c) == Pipeline(steps=(a, b, c))
    assert Pipeline(steps=(a, Pipeline(steps=(b, c)))) == a + b + c
    assert (a + b + c).steps == (a, b, c)
    assert (b + a).name == "deramp + nuth-kaab"
    with pytest.raises(TypeError):
        a + 1
    with pytest.raises(InputError, match="at least one"):
        Pipeline(steps=())


def test_rigid_steps_make_one_alignment_that_moves_points_as_the_steps_do():
    """The fault of peers that multiply matrices about different centroids."""
    on = grid((300, 320))
    moving, step, centre = turned_away(on, SHIFT, (0.03, -0.02, 0.04))
    reference = dem(on)
    methods = (NuthKaab(samples=40_000), Lzd(), VerticalShift(samples=20_000, seed=3))
    found = Pipeline(steps=methods).fit(reference, moving)
    assert isinstance(found, Alignment)
    x, y, z = (v[::40, ::40] for v in (*places(on), moving.array[0].astype(float)))
    want = motion.transform_points(step, centre, x, y, z)
    for got, true in zip(found.transform(x, y, z), want, strict=True):
        assert np.abs(got - true).max() < 0.05
    # Each step by itself, on points that the one before has moved.
    total, points = None, (x, y, z)
    for method in methods:
        before = total
        total = method.fit(reference, moving, initial=total)
        if before is None:
            points = total.transform(x, y, z)
        else:
            undone = before.inverse()
            points = total.transform(*undone.transform(*points))
    for got, true in zip(found.transform(x, y, z), points, strict=True):
        np.testing.assert_allclose(got, true, atol=1e-6)
    parts = [line["part"] for line in found.iterations]
    assert parts == sorted(parts)
    assert set(parts) == {1, 2, 3}
    assert found.method == "nuth-kaab + lzd + vertical-shift"
    assert [s["method"] for s in found.parameters["steps"]] == [
        "nuth-kaab",
        "lzd",
        "vertical-shift",
    ]
    assert (
        np.count_nonzero(np.diag(found.covariance)) == 6
    )  # what Lzd found of the rest, and the height anew
    assert repr(read_result(found.to_json())) == repr(found)


def test_one_method_is_that_method():
    on = grid((120, 120))
    reference, moving = dem(on), dem(on, SHIFT, noise=0.5)
    one = NuthKaab().fit(reference, moving)
    assert Pipeline(steps=(NuthKaab(),)).fit(reference, moving) == one


def test_a_chain_finds_shift_and_tilt_and_resamples_once():
    on = grid((500, 520), 20.0)
    moving = dem(on, SHIFT, noise=0.5, surface=ramped)
    reference = dem(on)
    found = in_turns(NuthKaab(), Deramp(), times=3).fit(reference, moving)
    assert isinstance(found, Chain)
    assert (found.shift_x, found.shift_y) == pytest.approx(SHIFT[:2], abs=0.06)  # 0.003 px
    x, y = places(on)
    moved = [v + s for v, s in zip((x, y), SHIFT, strict=False)]
    _, _, z = found.transform(x, y, height(*moved) - SHIFT[2] - ramp(*moved))
    assert np.abs(z - height(*moved)).max() < 0.05
    # As good as the best that one interpolation can do: with the truth itself.
    truth = replace(found.alignment, matrix=translation(SHIFT))
    better = raster(moving.array[0] + ramp(*moved), on)
    for how in ("bilinear", "cubic"):
        out, best = (
            a.apply(m, resampling=how).read(on.window)[0] - reference.array[0]
            for a, m in ((found, moving), (truth, better))
        )
        assert nmad(out) <= 1.002 * nmad(best)
        assert np.isfinite(out).sum() == np.isfinite(best).sum()
    assert found.nmad_after < 0.6 < found.nmad_before
    assert found.converged
    assert found.on_samples["after"]["nmad"] == found.nmad_after


def test_reading_a_chain_reads_each_cell_once():
    on = grid((64, 64))
    found = (Deramp() + NuthKaab() + Deramp() + VerticalShift()).fit(
        dem(on), dem(on, SHIFT, surface=ramped)
    )
    source = Counting(dem(on, surface=ramped))
    found.apply(source).read(on.window)
    assert source.times.max() == 1


def test_holes_grow_by_the_kernel_alone():
    on = grid((80, 80))
    found = (NuthKaab() + Deramp() + VerticalShift()).fit(dem(on), dem(on, SHIFT, surface=ramped))
    values = dem(on).array[0].copy()
    values[40, 40] = np.nan
    holed = raster(values, on)
    chain = np.isnan(found.apply(holed).read(on.window))
    one = np.isnan(found.alignment.apply(holed).read(on.window))
    np.testing.assert_array_equal(chain, one)


def test_a_correction_under_a_rotation_raster_and_points_agree():
    on = grid((300, 320))
    moving, step, centre = turned_away(on, SHIFT, (0.03, -0.02, 0.04))
    x, y = places(on)
    at = motion.transform_points(step, centre, x, y, moving.array[0].astype(float))
    jitter = 2.0 * np.sin(2.0 * np.pi * ((at[0] - ORIGIN[0]) + (at[1] - ORIGIN[1])) / 3000.0)
    shaken = raster(moving.array[0] - jitter, on)
    wave = DirectionalBias(angle=45.0, model="sines")
    found = in_turns(Lzd(), wave, times=3).fit(dem(on), shaken)
    assert not np.array_equal(np.asarray(found.alignment.matrix)[:3, :3], np.eye(3))
    inside = np.s_[20:-20:7, 20:-20:7]
    z = shaken.array[0].astype(float)
    moved = found.transform(x[inside], y[inside], z[inside])
    # Two waves fit into the area: what of them is a rotation is not quite settled after three turns.
    assert np.abs(moved[2] - height(*moved[:2])).max() < 0.3
    assert found.nmad_after < 0.1
    assert found.nmad_before > 1.0
    # The same from the raster, at the places where the points have come to lie.
    better = found.alignment.apply(found.apply(shaken).source, resampling="cubic")
    np.testing.assert_allclose(
        better.heights(*(v.ravel() for v in moved[:2])), moved[2].ravel(), atol=0.02
    )


def test_points_as_the_reference():
    on = grid((300, 320))
    rng = np.random.default_rng(0)
    x = rng.uniform(ORIGIN[0] + 400.0, ORIGIN[0] + 5900.0, 40_000)
    y = rng.uniform(ORIGIN[1] - 5600.0, ORIGIN[1] - 400.0, 40_000)
    points = PointCloud(x=x, y=y, z=height(x, y), crs=UTM33)
    moving = dem(on, SHIFT, surface=ramped)
    found = in_turns(NuthKaab(), Deramp(), times=3).fit(points, moving)
    raster_found = in_turns(NuthKaab(), Deramp(), times=3).fit(dem(on), moving)
    assert found.shift_x == pytest.approx(raster_found.shift_x, abs=0.5)
    assert found.nmad_after < 0.2
    for variable in ("slope", "elevation"):
        bias = TerrainBias(variable=variable)
        steep = raster(
            dem(on).array[0] - 0.05 * Variable(name=variable, source=dem(on)).on(on.window), on
        )
        one = bias.fit(points, steep)
        assert one.variable is None  # the terrain is the DEM's own
        assert one.nmad_after < 0.2 * one.nmad_before
        out = one.apply(steep).read(on.window)[0] - dem(on).array[0]
        assert np.nanquantile(np.abs(out), 0.9) < 0.5


def test_points_are_refused_before_the_first_step():
    on = grid((60, 60))
    points, told = PointCloud.of_raster(dem(on)), []
    with pytest.raises(InputError, match="leave out the methods that correct"):
        (NuthKaab() + Deramp()).fit(dem(on), points, progress=lambda *done: told.append(done))
    assert not told


def test_the_order_matters_as_it_is_written():
    on = grid((200, 200))
    reference, moving = dem(on), dem(on, SHIFT, noise=0.5, surface=ramped)
    first = (Deramp() + NuthKaab()).fit(reference, moving)
    last = (NuthKaab() + Deramp()).fit(reference, moving)
    assert first.corrections[0].motion is None
    assert last.corrections[0].motion.shift_x == last.shift_x
    assert first.method == "deramp + nuth-kaab"
    # By the tilt the shift alone is wrong; without it, it is right.
    assert abs(first.shift_x - SHIFT[0]) < abs(last.shift_x - SHIFT[0])
    assert [i["part"] for i in first.iterations] == [1] * len(first.iterations)


@pytest.mark.parametrize("crs", [CRS.from_epsg(32632), CRS.from_epsg(4326)])
def test_other_systems(crs):
    from trueground.grid import Grid
    from trueground.projection import project_bounds

    on = grid((400, 420), 20.0)
    pixel = 20.0 if crs.is_projected else (6e-4, 1.8e-4)
    other = Grid.covering(project_bounds(UTM33, crs, on.bounds), pixel, crs=crs)
    moving = dem(other, SHIFT, surface=ramped)  # noise-free, in the system of the reference
    found = in_turns(NuthKaab(), Deramp(), times=5).fit(dem(on), moving)
    assert (found.shift_x, found.shift_y) == pytest.approx(SHIFT[:2], abs=0.06)
    out = found.apply(moving, grid=on).read(on.window)[0]
    error = np.abs(out - height(*places(on)))
    assert np.nanmedian(error) < 0.05
    x, y = (v[::50, ::50] for v in places(other))
    ex, ny = Transformer.from_crs(crs, UTM33, always_xy=True).transform(x, y)
    z = height(ex + SHIFT[0], ny + SHIFT[1]) - SHIFT[2] - ramp(ex + SHIFT[0], ny + SHIFT[1])
    got = found.transform(x, y, z, crs=crs)
    gx, gy = Transformer.from_crs(crs, UTM33, always_xy=True).transform(*got[:2])
    assert np.abs(got[2] - height(gx, gy)).max() < 0.1


def test_an_initial_motion_is_begun_with_and_included():
    on = grid((300, 300))
    far = (700.0, -400.0, 30.0)
    moving = dem(on, far, surface=ramped)
    initial = Alignment(
        matrix=translation((690.0, -405.0, 0.0)), centroid=(*ORIGIN, 0.0), crs=UTM33.to_wkt(),
        method="guess", nmad_before=1.0, nmad_after=1.0, samples=1,
    )  # fmt: skip
    found = in_turns(NuthKaab(), Deramp(), times=2).fit(dem(on), moving, initial=initial)
    assert (found.shift_x, found.shift_y) == pytest.approx(far[:2], abs=2.0)
    assert found.iterations[0]["shift_x"] > 600.0
    alone = Deramp() + Deramp(order=2)
    kept = alone.fit(dem(on), moving, initial=replace(initial, matrix=translation(far)))
    assert kept.shift_x == far[0]
    assert kept.nmad_after < 0.02


def test_corrections_alone_leave_the_nodes_where_they_are():
    on = grid((100, 100))
    moving = dem(on, surface=ramped, holes=0.1)
    found = (Deramp() + TerrainBias()).fit(dem(on), moving)
    assert isinstance(found, Chain)
    assert found.alignment.method == "none"
    assert (found.shift_x, found.shift_y, found.shift_z) == (0.0, 0.0, 0.0)
    one = found.apply(moving).read(on.window)[0]
    known = np.isfinite(one)
    np.testing.assert_allclose(one[known], dem(on).array[0][known], atol=0.01)


def test_a_vertical_datum_that_only_the_user_knows_is_kept():
    on = grid((100, 100))
    ellipsoid = Datum.parse("ellipsoid")
    reference = converted(dem(on), ellipsoid, ellipsoid)
    moving = converted(dem(on, SHIFT, surface=ramped), ellipsoid, ellipsoid)
    found = (Deramp() + NuthKaab() + VerticalShift()).fit(reference, moving)
    assert isinstance(found, Chain)
    assert found.nmad_after < 1.0


def test_what_fails_says_which_step():
    on = grid((100, 100))
    flat = raster(np.full(on.shape, 7.0), on)
    with pytest.raises(FitError, match="step 2 of 3, nuth-kaab"):
        (VerticalShift() + NuthKaab() + Deramp()).fit(flat, flat)


def test_progress_runs_through_all_steps():
    on = grid((100, 100))
    seen = []
    (NuthKaab() + Deramp() + VerticalShift()).fit(
        dem(on), dem(on, SHIFT), progress=lambda done, total: seen.append((done, total))
    )
    assert {total for _, total in seen} == {3000}
    assert [d for d, _ in seen] == sorted(d for d, _ in seen)
    assert seen[-1][0] > 2000


def chain():
    on = grid((120, 120))
    moving = dem(on, SHIFT, noise=0.5, surface=ramped)
    steps = (
        NuthKaab(slope_range=(0.1, 40.0), trim=5.0) + Deramp(order=2) + TerrainBias()
        + DirectionalBias(angle=30.0, model="sines") + VerticalShift()
    )  # fmt: skip
    return steps.fit(dem(on), moving), moving


def test_json_round_trip_is_the_identity():
    found, moving = chain()
    text = found.to_json()
    json.loads(text, parse_constant=pytest.fail)
    again = read_result(text)
    assert isinstance(again, Chain)
    assert repr(again) == repr(found)
    assert again.to_json() == text
    with_variable = again.with_variable(raster(np.zeros(moving.grid.shape), moving.grid))
    assert with_variable.corrections[1].variable.given
    out = again.apply(moving).read(Window(20, 20, 60, 60))
    # The slopes of the noisy DEM itself, not of the reference: the same to the width of that table.
    np.testing.assert_allclose(found.apply(moving).read(Window(20, 20, 60, 60)), out, atol=1.0)
    with pytest.raises(InputError):
        Alignment.from_json(text)  # which would forget the corrections
    with pytest.raises(InputError):
        Correction.from_json(text)
    marked = found.with_statistics(before={"count": 3})
    assert read_result(marked.to_json()).statistics == {"before": {"count": 3}}


def test_malformed_json_is_one_clear_error():
    found, _ = chain()
    good = found.to_dict()
    bad = [
        "", "nothing", "[]", "null", "{}",
        json.dumps({**good, "corrections": 7}),
        json.dumps({**good, "corrections": [{}]}),
        json.dumps({**good, "alignment": None}),
        json.dumps({k: v for k, v in good.items() if k != "alignment"}),
        json.dumps({**good, "shift_x": 99.0}),
        json.dumps({**good, "samples": "many"}),
    ]  # fmt: skip
    for text in bad:
        with pytest.raises(InputError):
            read_result(text)


def test_each_kind_is_read_as_what_it_is():
    on = grid((60, 60))
    kinds = [Alignment, Correction, Chain]
    methods = [NuthKaab(), Deramp(), NuthKaab() + Deramp()]
    for kind, method in zip(kinds, methods, strict=True):
        found = method.fit(dem(on), dem(on, SHIFT, noise=0.5))
        assert type(found) is kind
        assert repr(read_result(found.to_json())) == repr(found)


@given(
    way=st.tuples(*[st.floats(-1e4, 1e4)] * 3),
    step=st.tuples(*[st.floats(-1e-6, 1e-6)] * 4),
)
def test_a_covariance_is_carried_to_another_centroid(way, step):
    """By the sample covariance of one motion: v v' of its seven numbers."""
    numbers = np.array([0.3, -0.2, 0.1, *step])
    moved = motion.about(motion.small(numbers), np.zeros(3), np.array(way))
    want = np.array([*moved[:3, 3], *step])
    got = _about(np.outer(numbers, numbers), (0.0, 0.0, 0.0), way)
    np.testing.assert_allclose(got, np.outer(want, want), atol=1e-6)


def test_methods_by_name():
    assert (
        method_named(" nuth-kaab+ deramp:2 +vertical-shift ")
        == NuthKaab() + Deramp(order=2) + VerticalShift()
    )
    assert method_named("terrain-bias:aspect").steps == (TerrainBias(variable="aspect"),)
    assert method_named("lzd:translation").steps == (Lzd(motion="translation"),)
    for name in METHODS:
        assert method_named(name).steps[0].name == name
    for text, says in (
        ("magic", "nuth-kaab"), ("", "deramp"), ("nuth-kaab +", "vertical-shift"),
        ("deramp:two", "whole number"), ("deramp:0", "order 0"), ("terrain-bias:moon", "slope"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=says):
            method_named(text)


@pytest.mark.data
def test_the_tilt_of_the_longyearbyen_pair_is_its_known_rotation(data_folder):
    folder = data_folder / "longyearbyen"
    reference = open_raster(folder / "aligned_by_xdem.tif")
    steps = (NuthKaab(samples=200_000), Deramp(samples=200_000)) * 2
    found = Pipeline(steps=steps).fit(reference, open_raster(folder / "DEM_1990.tif"))
    tilt = np.sum([c.shape.tilt for c in found.corrections], axis=0)
    # Rotations of (0.0070322, -0.0074533) degrees about x and y.
    about_x, about_y = np.radians([0.0070322, -0.0074533])
    assert tilt == pytest.approx([-1000.0 * about_y, 1000.0 * about_x], abs=0.01)
    assert (found.shift_x, found.shift_y) == pytest.approx((10.25, 1.91), abs=0.3)  # 0.015 px
    assert found.nmad_after < 0.25
