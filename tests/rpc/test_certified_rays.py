"""200,000 lines of sight against brute force: no first intersection missed, none wrong, no failure without a cause."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pyproj import Transformer

import ray_reference as brute
import ray_scenes as scenes
from ray_verdicts import Verdicts, judge
from reference import march_plainly
from trueground.rpc.localize import localize_on
from trueground.status import Status


def judged(scene: scenes.Scene) -> Verdicts:
    found = localize_on(scene.rpc, scene.dem, scene.row, scene.col)
    verdicts, bad = judge(scene, found)
    where = [(scene.row[k], scene.col[k], found.status[k], found.height[k]) for k in bad[:3]]
    assert verdicts.bad == 0, (scene.name, verdicts, where)
    # Lines that touch the surface to within round-off are rare: a judge who excuses many sees nothing.
    assert verdicts.tangent <= max(2, 1e-3 * verdicts.rays), (scene.name, verdicts)
    return verdicts


# ------------------------------------------------------------------ the judge himself


@pytest.mark.parametrize(
    ("scene", "number"),
    [
        (scenes.city(50, 29.0, size=60), 1200),
        (scenes.noise(50, 5.0, fractal=False), 500),
        (scenes.patchwork(50, 4), 3000),
        (scenes.patchwork(50, 21), 1500),
        (scenes.patchwork(50, 33), 3000),
    ],
    ids=lambda a: a.name if isinstance(a, scenes.Scene) else "",
)
def test_the_compiled_march_is_the_plain_one(scene, number):
    found = brute.march(scene.rpc, scene.grid, scene.nodes, scene.row, scene.col)
    differ = 0
    for k in range(scene.row.size):
        height, status = march_plainly(
            scene.rpc, scene.grid, scene.nodes, scene.row[k], scene.col[k], number=number
        )
        if status != found.status[k] or (
            status == Status.OK and abs(height - found.height[k]) > 1e-6
        ):
            differ += 1
    # The plain one takes no care of thin meetings, nor of surfaces just behind the border of a hole.
    assert differ <= 1
    assert (found.status == Status.OK).sum() > 10


def test_the_march_knows_utm():
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(0.0, 6.0, 1000), rng.uniform(0.0, 80.0, 1000)
    x, y = Transformer.from_crs(4326, 32631, always_xy=True).transform(lon, lat)
    ours = np.array([brute._utm(31.0, *at) for at in zip(lon, lat, strict=True)])
    np.testing.assert_allclose(ours, np.stack([x, y], axis=1), atol=1e-7)


def test_the_judge_sees_every_kind_of_fault():
    scene = scenes.city(500, 35.0, size=60, seed=5)
    found = localize_on(scene.rpc, scene.dem, scene.row, scene.col)
    hits = np.flatnonzero(found.status == Status.OK)
    beside = np.flatnonzero(found.status != Status.OK)
    assert judge(scene, found)[0].bad == 0
    for shift, kind in ((-1e-3, "missed"), (1e-3, "wrong")):
        height = found.height.copy()
        height[hits[:20]] += shift
        at = scene.rpc.localize(scene.row, scene.col, height)
        verdicts, bad = judge(scene, found._replace(lon=at.lon, lat=at.lat, height=height))
        assert getattr(verdicts, kind) == verdicts.bad == 20
        np.testing.assert_array_equal(bad, hits[:20])
    lon = found.lon.copy()
    lon[hits[:20]] += 1e-10  # 1e-5 m
    assert judge(scene, found._replace(lon=lon))[0].off_line == 20
    status = found.status.copy()
    status[hits[:20]] = Status.OUTSIDE_DEM
    assert judge(scene, found._replace(status=status))[0].failed == 20
    status = found.status.copy()
    status[beside] = Status.NO_DATA
    assert judge(scene, found._replace(status=status))[0].status == beside.size > 20


# ------------------------------------------------------------------ localize_on


@pytest.mark.data
@pytest.mark.parametrize("factor", [1.0, 3.0, 5.0])
@pytest.mark.parametrize("view", [None, (8.0, 110.0), (15.0, 20.0), (30.0, 290.0)])
def test_mountains(data_folder, factor, view):
    verdicts = judged(scenes.mountains(data_folder, 5000, factor=factor, view=view))
    assert verdicts.hits > 4900


@pytest.mark.data
@pytest.mark.parametrize("view", [(8.0, 20.0), (30.0, 250.0)])
def test_mountains_higher_than_any(data_folder, view):
    judged(scenes.mountains(data_folder, 5000, factor=5.0, view=view, summit=True))


@pytest.mark.parametrize(
    ("degrees", "bearing", "crs"),
    [(23.0, 70.0, scenes.UTM31), (29.0, 160.0, scenes.LONLAT), (35.0, 300.0, scenes.LONLAT)],
)
def test_a_city_with_vertical_walls(degrees, bearing, crs):
    scene = scenes.city(20_000, degrees, bearing=bearing, crs=crs)
    verdicts = judged(scene)
    assert verdicts.hits > 18_000
    assert verdicts.thin > 0  # corners of roofs are touched


@pytest.mark.parametrize("fractal", [False, True])
@pytest.mark.parametrize(("amplitude", "degrees"), [(1.0, 10.0), (10.0, 30.0)])
def test_noise(fractal, amplitude, degrees):
    assert judged(scenes.noise(10_000, amplitude, fractal=fractal, degrees=degrees)).hits > 9000


def test_patchworks_with_holes():
    total = Verdicts()
    seen = set()
    for seed in range(40):
        scene = scenes.patchwork(500, seed)
        total += judged(scene)
        found = localize_on(scene.rpc, scene.dem, scene.row, scene.col)
        seen |= set(found.status.tolist())
    assert seen == {Status.OK, Status.OUTSIDE_DEM, Status.NO_DATA}
    assert total.hits > 5000


@settings(max_examples=100)
@given(
    z=hnp.arrays(
        np.float32,
        st.tuples(st.integers(2, 14), st.integers(2, 14)),
        elements=st.floats(0.0, 60.0, width=32) | st.just(float("nan")),
        fill=st.floats(0.0, 60.0, width=32) | st.just(float("nan")),
    ),
    angle=st.sampled_from(scenes.ANGLES),
    bearing=st.sampled_from(scenes.BEARINGS),
    crs=st.sampled_from([scenes.UTM31, scenes.LONLAT]),
    seed=st.integers(0, 1000),
)
@example(np.array([[5.0, 5.0], [np.nan, 5.0]], dtype=np.float32), 32.0, 10.0, scenes.UTM31, 0)
def test_dems_that_hypothesis_makes(z, angle, bearing, crs, seed):
    if np.isnan(z).all():
        z = z.copy()
        z[0, 0] = 1.0
    rpc = scenes.slanted(angle, bearing, (-500.0, 2000.0))
    rng = np.random.default_rng(seed)
    source = scenes.raster(z, pixel=4.0, crs=crs)
    judged(scenes.aimed("hypothesis", rpc, source, 200, rng, margin=0.1))
