"""Points in memory: what is usable, selected, drawn, projected, moved and converted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pyproj import CRS, Transformer

from trueground.datum_shift import converted
from trueground.errors import DatumError, InputError, ProjectionError
from trueground.grid import Grid
from trueground.pointcloud import PointCloud, moved
from trueground.raster import ArrayRaster
from trueground.thinning import Draw, chances_of
from trueground.vertical import Datum

UTM31 = CRS.from_epsg(32631)
WGS84 = CRS.from_epsg(4326)
NAVD88 = CRS.from_user_input("EPSG:26910+5703")  # no grid for its heights

coordinate = st.floats(-100.0, 100.0) | st.sampled_from([np.nan, np.inf, -np.inf])


def scattered(
    n: int = 500, *, crs: CRS | None = UTM31, seed: int = 3, **fields: object
) -> PointCloud:
    rng = np.random.default_rng(seed)
    x, y, z = rng.random((3, n))
    return PointCloud(
        x=500_000.0 + 9_000.0 * x, y=4_900_000.0 + 9_000.0 * y, z=1_000.0 * z, crs=crs, **fields
    )


@st.composite
def clouds(draw: st.DrawFn) -> PointCloud:
    n = draw(st.integers(0, 60))
    x, y, z = (draw(hnp.arrays(np.float64, n, elements=coordinate)) for _ in range(3))
    sigma = draw(st.none() | hnp.arrays(np.float64, n, elements=coordinate))
    return PointCloud(x=x, y=y, z=z, sigma=sigma)


@given(clouds())
@example(PointCloud(x=np.ones(3), y=np.ones(3), z=np.ones(3), sigma=np.array([0.0, -1.0, 1.0])))
def test_what_is_usable_has_finite_coordinates_and_a_positive_sigma(cloud):
    for i in range(cloud.size):
        good = all(np.isfinite([cloud.x[i], cloud.y[i], cloud.z[i]]))
        if cloud.sigma is not None:
            good = good and np.isfinite(cloud.sigma[i]) and cloud.sigma[i] > 0.0
        assert cloud.usable[i] == good
    assert cloud.finite().usable.all()
    assert cloud.finite().size == np.count_nonzero(cloud.usable)


@given(clouds(), st.tuples(*[st.floats(-100.0, 100.0)] * 4))
def test_selection_is_what_lies_inside(cloud, corners):
    west, east = sorted(corners[:2])
    south, north = sorted(corners[2:])
    inside = cloud.within((west, south, east, north))
    expected = [
        i
        for i in range(cloud.size)
        if cloud.usable[i] and west <= cloud.x[i] <= east and south <= cloud.y[i] <= north
    ]
    np.testing.assert_array_equal(inside.x, cloud.x[expected])
    np.testing.assert_array_equal(inside.z, cloud.z[expected])
    if inside.size:
        assert inside.bounds[0] >= west
        assert inside.bounds[3] <= north


def test_longitudes_are_selected_however_they_are_counted():
    cloud = PointCloud(x=np.array([-10.0, 350.5, 170.0]), y=np.zeros(3), z=np.ones(3), crs=WGS84)
    np.testing.assert_array_equal(cloud.within((345.0, -1.0, 355.0, 1.0)).x, [-10.0, 350.5])
    np.testing.assert_array_equal(cloud.within((-15.0, -1.0, -5.0, 1.0)).x, [-10.0, 350.5])


@given(clouds(), st.integers(1, 70), st.integers(0, 5))
def test_thinning_takes_usable_points_in_their_order(cloud, samples, seed):
    few = cloud.thinned(samples, seed)
    assert few.size == min(samples, np.count_nonzero(cloud.usable))
    assert few.usable.all()
    index = {id_: i for i, id_ in enumerate(zip(cloud.x, cloud.y, cloud.z, strict=True))}
    places = [index[p] for p in zip(few.x, few.y, few.z, strict=True)]
    assert len(set(index)) < cloud.size or places == sorted(set(places))


@given(st.integers(1, 500), st.integers(0, 500), st.integers(0, 2**31))
def test_more_samples_hold_those_of_fewer(few, more, seed):
    cloud = scattered()
    small, large = cloud.thinned(few, seed), cloud.thinned(few + more, seed)
    assert set(small.x) <= set(large.x)
    again = cloud.thinned(few, seed)
    np.testing.assert_array_equal(small.x, again.x)


def test_another_seed_draws_others_and_every_part_of_the_cloud_has_its_share():
    cloud = PointCloud(x=np.arange(100_000.0), y=np.zeros(100_000), z=np.zeros(100_000))
    one, two = cloud.thinned(10_000, 1), cloud.thinned(10_000, 2)
    assert len(set(one.x) & set(two.x)) == pytest.approx(1_000, abs=150)  # 5 sigma
    counts, _ = np.histogram(one.x, bins=10, range=(0, 100_000))
    assert counts == pytest.approx(np.full(10, 1_000), abs=150)


@given(st.lists(st.integers(1, 4_000), min_size=1, max_size=12), st.integers(1, 3_000))
def test_a_draw_does_not_depend_on_the_chunks(sizes, samples):
    total = sum(sizes)
    chance, order = chances_of(0, total, 7), np.arange(total)
    cut, whole = Draw(samples=samples), Draw(samples=samples)
    first = 0
    for size in sizes:
        part = slice(first, first + size)
        np.testing.assert_array_equal(chances_of(first, size, 7), chance[part])
        cut.add(chance[part], order[part], order[np.newaxis, part].astype(float))
        first += size
    whole.add(chance, order, order[np.newaxis].astype(float))
    np.testing.assert_array_equal(cut.drawn()[0], whole.drawn()[0])
    np.testing.assert_array_equal(cut.drawn()[0], np.sort(np.argsort(chance)[:samples]))


def test_what_is_dropped_was_not_needed():
    draw, chance = Draw(samples=100_000), chances_of(0, 300_000, 5)
    for first in range(0, 300_000, 50_000):
        part = slice(first, first + 50_000)
        draw.add(chance[part], np.arange(first, first + 50_000), np.empty((0, 50_000)))
    best = np.sort(np.argsort(chance)[:100_000])
    np.testing.assert_array_equal(draw.drawn()[0], best)


def test_a_long_draw_drops_what_it_cannot_need():
    draw, kept = Draw(samples=1_000), []
    for first in range(0, 2_000_000, 100_000):
        order = np.arange(first, first + 100_000)
        draw.add(chances_of(first, 100_000, 0), order, order[np.newaxis].astype(float))
        kept.append(draw._count)
    assert max(kept) < 170_000
    best = np.sort(np.argsort(chances_of(0, 2_000_000, 0))[:1_000])
    np.testing.assert_array_equal(draw.drawn()[0], best)


def test_projection_moves_places_and_no_heights():
    cloud = scattered()
    there = cloud.in_crs(WGS84)
    lon, lat = Transformer.from_crs(UTM31, WGS84, always_xy=True).transform(cloud.x, cloud.y)
    np.testing.assert_array_equal(there.x, lon)
    np.testing.assert_array_equal(there.y, lat)
    np.testing.assert_array_equal(there.z, cloud.z)
    back = there.in_crs(UTM31)
    np.testing.assert_allclose(back.x, cloud.x, rtol=0, atol=1e-6)
    assert cloud.in_crs(UTM31) is cloud
    with pytest.raises(ProjectionError):
        scattered(crs=None).in_crs(WGS84)


@pytest.mark.parametrize("vertical", [5773, 3855, 5703])
def test_what_heights_are_above_survives_a_projection(vertical):
    cloud = scattered(crs=CRS.from_user_input(f"EPSG:32631+{vertical}"))
    there = cloud.in_crs(CRS.from_user_input("EPSG:3035+5773"))
    assert there.crs is not None
    assert there.crs.sub_crs_list[-1].to_epsg() == vertical
    flat = scattered(crs=UTM31.to_3d()).in_crs(WGS84)
    assert flat.datum == Datum("ellipsoid")


def test_heights_are_converted_as_those_of_a_raster_are():
    grid = Grid(
        crs=CRS.from_user_input("EPSG:32631+5773"),
        transform=Affine(30, 0, 5e5, 0, -30, 49e5),
        shape=(20, 30),
    )
    dem = ArrayRaster(array=np.full(grid.shape, 100.0, dtype=np.float32), grid=grid)
    above = PointCloud.of_raster(dem).heights_in("ellipsoid")
    expected = converted(dem, Datum("egm96"), Datum("ellipsoid")).read(grid.window)[0]
    np.testing.assert_allclose(
        above.z.reshape(grid.shape), expected, rtol=0, atol=1e-4
    )  # float32, lattice
    assert above.datum == Datum("ellipsoid")
    back = above.heights_in("egm96")
    np.testing.assert_allclose(back.z, 100.0, rtol=0, atol=1e-9)
    given = PointCloud.of_raster(dem).heights_in("egm96", heights="ellipsoid")
    assert given.z.mean() == pytest.approx(100.0 - (expected.mean() - 100.0), abs=1e-4)


def test_a_datum_unknown_on_one_side_is_an_error():
    bare, said = scattered(), scattered(heights=Datum("egm96"))
    assert bare.heights_in(None) is bare
    assert bare.heights_in(UTM31) is bare
    with pytest.raises(DatumError, match="--points-heights"):
        bare.heights_in("egm96")
    with pytest.raises(DatumError, match=r"above EGM96, and nothing says.*--heights"):
        said.heights_in(None)
    with pytest.raises(DatumError, match="--points-crs"):
        scattered(crs=None).heights_in("ellipsoid", heights="egm96")


def test_equal_vertical_systems_need_no_grid():
    cloud = scattered(crs=NAVD88)
    assert cloud.heights_in(NAVD88) is cloud
    with pytest.raises(DatumError, match="NAVD88"):
        cloud.heights_in("ellipsoid")


def test_points_without_a_place_stay_in_their_place():
    cloud = scattered(4, heights=Datum("egm96"))
    x = cloud.x.copy()
    x[1] = np.nan
    above = PointCloud(x=x, y=cloud.y, z=cloud.z, crs=UTM31, heights=Datum("egm96")).heights_in(
        "ellipsoid"
    )
    np.testing.assert_array_equal(above.usable, [True, False, True, True])


@pytest.mark.parametrize("flip", [1, -1])
def test_cells_stand_at_their_centres(flip):
    grid = Grid(crs=UTM31, transform=Affine(10, 0, 5e5, 0, -10 * flip, 49e5), shape=(1500, 1100))
    rng = np.random.default_rng(0)
    array = rng.random(grid.shape, dtype=np.float32)
    array[3:900, 5:7] = np.nan
    dem = ArrayRaster(array=array, grid=grid)
    all_cells = PointCloud.of_raster(dem)
    row, col = np.nonzero(np.isfinite(array))
    np.testing.assert_array_equal(all_cells.z, array[row, col])
    np.testing.assert_array_equal(all_cells.x, 5e5 + 10 * (col + 0.5))
    np.testing.assert_array_equal(all_cells.y, 49e5 - 10 * flip * (row + 0.5))
    few = PointCloud.of_raster(dem, samples=5_000, seed=2)
    assert few.size == 5_000
    r, c = (v.astype(int) for v in grid.rowcol(few.x, few.y))
    np.testing.assert_array_equal(array[r, c], few.z)
    assert np.all(np.diff(r * 1100 + c) > 0)
    assert set(PointCloud.of_raster(dem, samples=500, seed=2).z) <= set(few.z)


def test_integers_with_nodata_become_points_without_it():
    grid = Grid(crs=UTM31, transform=Affine(10, 0, 5e5, 0, -10, 49e5), shape=(2, 2))
    dem = ArrayRaster(array=np.array([[1, -9999], [3, 4]], dtype=np.int16), grid=grid, nodata=-9999)
    np.testing.assert_array_equal(PointCloud.of_raster(dem).z, [1.0, 3.0, 4.0])
    with pytest.raises(InputError, match="2 bands"):
        PointCloud.of_raster(ArrayRaster(array=np.zeros((2, 2, 2)), grid=grid))


def test_the_datum_of_a_converted_raster_goes_along(tmp_path: Path):
    grid = Grid(
        crs=CRS.from_user_input("EPSG:32631+5773"),
        transform=Affine(30, 0, 5e5, 0, -30, 49e5),
        shape=(4, 4),
    )
    dem = ArrayRaster(array=np.zeros(grid.shape, dtype=np.float32), grid=grid)
    assert PointCloud.of_raster(dem).datum == Datum("egm96")
    assert PointCloud.of_raster(converted(dem, Datum("egm96"), Datum("ellipsoid"))).datum == Datum(
        "ellipsoid"
    )


def test_what_cannot_be_moved_is_left_out_of_use():
    cloud = PointCloud(
        x=np.arange(4.0), y=np.zeros(4), z=np.array([1.0, np.nan, 3.0, 4.0]), sigma=np.ones(4)
    )

    def shift(x, y, z):
        assert np.isfinite([x, y, z]).all()
        return x + 1.0, y - 2.0, np.where(x == 3.0, np.nan, z + 3.0)

    there = moved(cloud, shift)
    np.testing.assert_array_equal(there.x, [1.0, np.nan, 3.0, np.nan])
    np.testing.assert_array_equal(there.y, [-2.0, np.nan, -2.0, np.nan])
    np.testing.assert_array_equal(there.z, [4.0, np.nan, 6.0, np.nan])
    assert there.sigma is not None
    np.testing.assert_array_equal(cloud.x, np.arange(4.0))
    with pytest.raises(InputError, match=r"shapes \(2,\)"):
        moved(cloud, lambda x, y, z: (x[:2], y[:2], z[:2]))


def test_arrays_are_not_copied_and_cannot_be_changed():
    x = np.zeros(3)
    cloud = PointCloud(x=x, y=np.zeros(3), z=np.zeros(3))
    assert np.shares_memory(cloud.x, x)
    with pytest.raises(ValueError, match="read-only"):
        cloud.x[0] = 1.0
    assert x.flags.writeable


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: PointCloud(x=np.zeros(3), y=np.zeros(2), z=np.zeros(3)), "one length"),
        (lambda: PointCloud(x=np.zeros((2, 2)), y=np.zeros((2, 2)), z=np.zeros((2, 2))), "vectors"),
        (lambda: scattered().within((1.0, 0.0, 0.0, 1.0)), "west <= east"),
        (lambda: scattered().within((0.0, 0.0, np.nan, 1.0)), "finite"),
        (lambda: scattered().thinned(0), "at least 1"),
        (
            lambda: PointCloud(x=np.zeros(1), y=np.zeros(1), z=np.array([np.nan])).bounds,
            "none of its 1 points",
        ),
    ],
)
def test_what_makes_no_cloud_is_an_error(make, says):
    with pytest.raises(InputError, match=says):
        make()


def test_it_says_what_it_is():
    assert repr(scattered()) == "PointCloud(500 points, WGS 84 / UTM zone 31N, the points)"
    assert len(scattered()) == scattered().size == 500
