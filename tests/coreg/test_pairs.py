"""The cells at which two DEMs are compared: chosen by a hash, whatever the blocks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Transformer

from known_terrain import UTM33, dem, grid
from trueground.coreg import Alignment, Deramp, NuthKaab, VerticalShift, cells, choosing, pairs
from trueground.coreg.base import translation
from trueground.coreg.cells import hashed
from trueground.coreg.pairs import Pair, shared
from trueground.datum_shift import converted
from trueground.engine import Serial
from trueground.errors import DatumError, InputError
from trueground.grid import Grid, Window
from trueground.pointcloud import PointCloud
from trueground.projection import WGS84, project
from trueground.raster import ArrayRaster
from trueground.vertical import Datum


def pair(reference, moving, **settings):
    standard = {"engine": Serial(), "samples": 10**9, "resampling": "bilinear"}
    return Pair.of(reference, moving, **{**standard, **settings})


def shifted(pair, x, y):
    """Return dh under a shift."""
    crs = None if pair.crs is None else pair.crs.to_wkt()
    return pair.dh(
        Alignment(
            matrix=translation((x, y, 0.0)), centroid=pair.centroid, crs=crs, method="test",
            nmad_before=0.0, nmad_after=0.0, samples=0,
        )
    )  # fmt: skip


def test_the_hash_belongs_to_the_pixel():
    whole = hashed(Window(0, 0, 200, 300), 1)
    np.testing.assert_array_equal(hashed(Window(17, 23, 50, 60), 1), whole[17:67, 23:83])
    assert not np.array_equal(hashed(Window(0, 0, 200, 300), 2), whole)


def test_the_hash_is_uniform_and_does_not_follow_rows_or_columns():
    values = hashed(Window(100_000, 50_000, 500, 500), 0)
    assert 0.0 <= values.min() < values.max() < 1.0
    # A quarter of a million uniform numbers: standard error of a mean 0.0006, of 500: 0.013.
    assert values.mean() == pytest.approx(0.5, abs=0.003)
    assert values.std() == pytest.approx(12**-0.5, abs=0.002)
    assert values.mean(axis=0).std() == pytest.approx(0.0129, rel=0.2)
    assert values.mean(axis=1).std() == pytest.approx(0.0129, rel=0.2)
    assert abs(np.corrcoef(values[:, 1:].ravel(), values[:, :-1].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(values[1:].ravel(), values[:-1].ravel())[0, 1]) < 0.01


def test_a_sample_has_about_its_size_and_is_within_the_whole():
    on = grid((200, 300))
    small = pair(dem(on), dem(on), samples=6000)
    x, y = small.cells.x, small.cells.y
    assert x.size == pytest.approx(6000, abs=4 * 6000**0.5)
    assert np.unique(np.column_stack([x, y]), axis=0).shape[0] == x.size


@pytest.mark.parametrize("block", [16, 33, 1000])
def test_blocks_change_nothing(monkeypatch, block):
    on = grid((90, 100))
    reference, moving = dem(on, holes=0.1), dem(on, (7.0, -3.0, 1.0))
    whole = pair(reference, moving, samples=3000)
    monkeypatch.setattr(choosing, "_BLOCK", block)
    cut = pair(reference, moving, samples=3000)
    np.testing.assert_array_equal(
        np.sort(shifted(cut, 3.0, 4.0)), np.sort(shifted(whole, 3.0, 4.0))
    )
    for one, two in zip(cut.cells, whole.cells, strict=True):
        np.testing.assert_array_equal(np.sort(one), np.sort(two))
    assert cut.centroid == whole.centroid


TRANSFORMS = [
    Affine(20, 0, 5e5, 0, -20, 8e6),
    Affine(20, 0, 5e5, 0, 20, 8e6),
    Affine(15, 0, 5e5, 0, -30, 8e6),
    Affine.translation(5e5, 8e6) @ Affine.rotation(40.0) @ Affine.scale(20.0, -20.0),
]


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_slopes_of_a_plane(transform):
    on = grid((30, 40), transform=transform)
    plane = dem(on, surface=lambda x, y: 50 + 0.25 * (x - 5e5) - 0.5 * (y - 8e6))
    east, north = pair(plane, plane).cells[3:5]
    assert east.size == 28 * 38
    # float32 heights of 1000 m are rounded to 6e-5 m, over 30 m
    np.testing.assert_allclose(east, 0.25, atol=1e-5)
    np.testing.assert_allclose(north, -0.5, atol=1e-5)


def test_dh_is_reference_minus_shifted_moving():
    on = grid((60, 70))
    reference, moving = dem(on), dem(on, (40.0, -20.0, 3.0))
    dh = shifted(pair(reference, moving), 40.0, -20.0)
    np.testing.assert_allclose(dh[np.isfinite(dh)], 3.0, atol=2e-4)  # float32 at 600 m


def test_centroid():
    on = grid((60, 70))
    x, y, z = pair(dem(on), dem(on)).centroid
    assert (x, y) == ((on.bounds[0] + on.bounds[2]) / 2, (on.bounds[1] + on.bounds[3]) / 2)
    assert z == pytest.approx(np.median(dem(on).array[0, 1:-1, 1:-1]), abs=6e-4)


def test_a_mask_s_gaps_are_not_valid():
    on = grid((30, 30))
    mask = np.ones(on.shape, dtype=np.float32)
    mask[:15] = np.nan
    chosen = pair(dem(on), dem(on), valid=ArrayRaster(array=mask, grid=on), with_slopes=False)
    assert chosen.cells.x.size == 15 * 30
    small = grid((15, 30))  # a mask that ends within the reference
    ones = ArrayRaster(array=np.ones(small.shape, dtype=np.uint8), grid=small)
    chosen = pair(dem(on), dem(on), valid=ones, with_slopes=False)
    assert chosen.cells.x.size == 15 * 30
    marked = ArrayRaster(array=np.ones(small.shape, dtype=np.uint8), grid=small, nodata=255)
    chosen = pair(dem(on), dem(on), valid=marked, with_slopes=False)
    assert chosen.cells.x.size == 15 * 30


def test_no_samples_at_all_make_no_sense():
    on = grid((30, 30))
    with pytest.raises(InputError, match="0 samples"):
        pair(dem(on), dem(on), samples=0)


ABOVE_EGM96 = CRS.from_user_input("EPSG:32633+5773")


@pytest.mark.parametrize("method", [NuthKaab(), VerticalShift()])
def test_declared_datums_are_brought_together(method):
    on = grid((150, 160), crs=ABOVE_EGM96)
    reference = dem(on, system=ABOVE_EGM96)
    same = dem(on, (7.0, -3.0, 1.0), system=ABOVE_EGM96)
    lifted = converted(same, Datum("egm96"), Datum("ellipsoid"))
    window = on.window
    assert np.mean(lifted.read(window) - same.read(window)) > 20.0
    one, two = method.fit(reference, same), method.fit(reference, lifted)
    # float32 at 600 m, up and down: 1e-4 m
    for axis in ("shift_x", "shift_y", "shift_z"):
        assert getattr(two, axis) == pytest.approx(getattr(one, axis), abs=1e-3)


def test_points_above_the_same_surface_need_no_grid_for_it():
    navd88 = CRS.from_user_input("EPSG:26910+5703")
    on = grid((60, 60), crs=navd88)
    points = PointCloud.of_raster(dem(on, system=navd88))
    shift = NuthKaab().fit(points, dem(on, (7.0, -3.0, 1.0), system=navd88)).shift_x
    assert shift == pytest.approx(7.0, abs=0.2)


def test_one_declared_datum_alone_is_an_error():
    on = grid((30, 30), crs=ABOVE_EGM96)
    plain, declared = dem(grid((30, 30))), dem(on, system=ABOVE_EGM96)
    for one, two in ((plain, declared), (declared, plain)):
        with pytest.raises(DatumError, match="no declared vertical datum"):
            pair(one, two)


class _Lazy:
    """A raster that notes which windows are read."""

    count, dtype, nodata = 1, np.dtype(np.float32), math.nan

    def __init__(self, source):
        self.source, self.grid, self.windows = source, source.grid, []

    def read(self, window):
        self.windows.append(window)
        return self.source.read(window)


def test_a_lazy_raster_is_kept_by_blocks(monkeypatch):
    on = grid((90, 100))
    moving = _Lazy(dem(on, holes=0.1))
    monkeypatch.setattr(pairs, "_BAND", 32)
    kept = pair(dem(on), moving).moving
    assert max(w.size for w in moving.windows) <= 32 * 100
    assert sum(w.size for w in moving.windows) == 90 * 100
    np.testing.assert_array_equal(kept.read(on.window), moving.source.array)


@pytest.mark.parametrize("code", [32632, 4326])
def test_a_pair_in_two_systems(monkeypatch, code):
    on = grid((200, 210))
    to = Transformer.from_crs(UTM33, code, always_xy=True)
    west, south, east, north = to.transform_bounds(*on.bounds)
    step = ((east - west) / 200, (north - south) / 200)
    other = Grid.covering((west, south, east, north), step, crs=CRS.from_epsg(code))

    def sorted_dh():
        return np.sort(
            shifted(pair(dem(on), dem(other), with_slopes=False, samples=3000), 3.0, 4.0)
        )

    all_at_once = sorted_dh()
    # The same terrain, shifted by (3, 4) m under slopes below 1, with the sag of bilinear cells.
    assert np.nanmax(np.abs(all_at_once)) < 5.0
    for block in (16, 77):
        monkeypatch.setattr(choosing, "_BLOCK", block)
        np.testing.assert_allclose(sorted_dh(), all_at_once, atol=1e-6)


def test_a_reference_in_degrees_is_looked_at_in_metres(monkeypatch):
    on = grid((200, 210))
    to = Transformer.from_crs(UTM33, 4326, always_xy=True)
    west, south, east, north = to.transform_bounds(*on.bounds)
    there = Grid.covering(
        (west, south, east, north), ((east - west) / 200, (north - south) / 200), crs=CRS(4326)
    )
    plane = dem(there, surface=lambda x, y: 50 + 0.25 * (x - 5e5) - 0.5 * (y - 8e6))
    for sparse in (0.0, 2.0):  # by the lattice, and each cell alone
        monkeypatch.setattr(cells, "_SPARSE", sparse)
        looked = pair(plane, plane)
        assert looked.crs == UTM33
        x, y, z, east_slope, north_slope, weight = looked.cells
        # The lattice may be off by 1e-3 px of 20 m, float32 by 6e-5 m.
        np.testing.assert_allclose(z, 50 + 0.25 * (x - 5e5) - 0.5 * (y - 8e6), atol=0.02)
        np.testing.assert_allclose(east_slope, 0.25, atol=2e-5)
        np.testing.assert_allclose(north_slope, -0.5, atol=2e-5)
        assert (weight == 1.0).all()
    assert looked.pixel == pytest.approx(20.0, rel=0.05)


def test_weights_lie_where_they_say():
    on = grid((40, 50))
    half = grid((20, 50))  # weights for the northern half alone
    given = np.full(half.shape, 4.0, dtype=np.float32)
    given[:5] = 0.0
    chosen = pair(dem(on), dem(on), weights=ArrayRaster(array=given, grid=half), with_slopes=False)
    assert chosen.cells.x.size == 15 * 50
    assert (chosen.cells.weight == 4.0).all()
    assert chosen.cells.y.max() < on.bounds[3] - 5 * 20.0


def test_slopes_may_be_limited():
    on = grid((100, 110))
    chosen = pair(dem(on), dem(on), slope_range=(2.0, 6.0)).cells
    slope = np.degrees(np.arctan(np.hypot(chosen.slope_x, chosen.slope_y)))
    assert 2.0 <= slope.min() < slope.max() <= 6.0
    assert 0 < chosen.x.size < pair(dem(on), dem(on)).cells.x.size


def test_of_what_is_too_large_some_tiles_are_looked_at(monkeypatch):
    on = grid((1000, 1100))
    reference, moving = dem(on), dem(on, (7.0, -3.0, 1.0))
    monkeypatch.setattr(pairs, "_IN_MEMORY", 600_000)
    lazy = _Lazy(moving)
    looked = pair(reference, lazy, samples=50_000)
    tiles = {(w.row // 256, w.col // 256) for w, _ in looked.parts}
    assert len(tiles) == 3
    assert looked.cells.x.size == pytest.approx(50_000, rel=0.05)
    dh = shifted(looked, 7.0, -3.0)
    np.testing.assert_allclose(dh[np.isfinite(dh)], 1.0, atol=0.5)  # the sag of bilinear cells
    lazy.windows.clear()
    shifted(looked, 3000.0, -3.0)
    assert lazy.windows  # far off, and read anew


def _hills(on, shift=(0.0, 0.0, 0.0)):
    """Heights of hills that are known everywhere; quickly, for large grids."""
    t, (rows, cols) = on.transform, on.shape
    x = t.c + t.a * (np.arange(cols) + 0.5) + shift[0]
    y = (t.f + t.e * (np.arange(rows) + 0.5) + shift[1])[:, np.newaxis]
    z = 300.0 * np.sin(x / 900.0) * np.sin(y / 700.0) + 90.0 * np.cos(x / 310.0) * np.sin(y / 350.0)
    return ArrayRaster(array=(z - shift[2]).astype(np.float32), grid=on)


def _masked(share, *, tiles=1.0, seed=3):
    """A mask of cells that are scattered over some of the tiles of 256 px."""
    on, rng = grid((2400, 2200)), np.random.default_rng(seed)
    whole = rng.random((10, 9)) < tiles
    keep = np.kron(whole, np.ones((256, 256), dtype=bool))[:2400, :2200]
    return ArrayRaster(array=(keep & (rng.random(on.shape) < share)).astype(np.uint8), grid=on)


def _strip(shown):
    on = grid((2400, 2200))
    keep = np.zeros(on.shape, dtype=np.uint8)
    keep[round((1.0 - shown) * 2400) :] = 1
    return ArrayRaster(array=keep, grid=on)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("valid", "samples"),
    [
        (None, (25_000, 35_000)),
        (_strip(0.2), (15_000, 60_000)),
        (_strip(0.02), (15_000, 60_000)),
        (_masked(0.1), (15_000, 60_000)),
        (_masked(0.01), (8_000, 16_000)),  # all of 20 tiles
        (_masked(1.0, tiles=0.15), (8_000, 45_000)),
        (_masked(0.01, tiles=0.5), (8_000, 16_000)),
    ],
    ids=["all", "strip", "narrow strip", "scattered", "rare", "few tiles", "rare in some tiles"],
)
def test_what_is_too_large_is_read_once_however_many_steps_a_fit_takes(
    monkeypatch, valid, samples, seed
):
    """Were all that is asked for a little more than what is remembered, each step would read all anew."""
    on = grid((2400, 2200))
    reference, moving = _Lazy(_hills(on)), _Lazy(_hills(on, (37.0, -23.0, 1.0)))
    monkeypatch.setattr(pairs, "_IN_MEMORY", 20 * 416**2)
    fit = NuthKaab(samples=30_000, seed=seed).fit(reference, moving, valid=valid, engine=Serial())
    assert len(fit.iterations) >= 3
    assert (fit.shift_x, fit.shift_y) == pytest.approx((37.0, -23.0), abs=0.2)
    assert samples[0] < fit.samples < samples[1]
    assert max(w.height for w in moving.windows) <= 416
    assert len(moving.windows) <= 20
    for window in reference.windows:  # of the file's own tiles each is decoded once
        assert window.row // 256 == (window.row + window.height - 1) // 256


def _steps(looked, *shift):
    """Return the pixels of a lazy moving DEM that are read at a first step, and at two more."""
    lazy, counts = looked.moving.source, []
    for x, y in (shift, (shift[0] + 1.0, shift[1]), shift):
        lazy.windows.clear()
        shifted(looked, x, y)
        counts.append(sum(w.size for w in lazy.windows))
    return counts


@pytest.mark.parametrize("times", [8.0, 2.0, 0.4])
def test_tiles_are_as_large_as_their_moving_dem_can_be_remembered(monkeypatch, times):
    on = grid((round((1600 if times < 1.0 else 3200) / times),) * 2)
    other = Grid.covering(on.bounds, on.resolution[0] / times, crs=on.crs)
    monkeypatch.setattr(pairs, "_IN_MEMORY", 12 * 416**2)
    looked = pair(_hills(on), _Lazy(_hills(other)), samples=30_000)
    assert 10 <= len(looked.parts) <= 14
    first, *later = _steps(looked, 7.0, -3.0)
    assert 0 < first <= 12 * 416**2
    assert later == [0, 0]


@pytest.mark.parametrize("beside", [0, 40])
def test_tiles_beside_a_moving_dem_are_not_looked_for_in_all_of_it(monkeypatch, beside):
    """The moving DEM ends on the border of a tile, or within one, and is moved away from it."""
    on = grid((2400, 2200))
    inner = on.crop(Window(512, 512, 1280 + beside, 1280))
    monkeypatch.setattr(pairs, "_IN_MEMORY", 6 * 416**2)
    looked = pair(_hills(on), _Lazy(_hills(inner)), samples=30_000)
    first, *later = _steps(looked, 600.0, -600.0)
    assert first <= 6 * 416**2
    assert later == [0, 0]


@pytest.mark.parametrize("turn", [45.0, -20.0])
def test_a_moving_dem_that_lies_askew_is_read_once(monkeypatch, turn):
    on = grid((2400, 2200))
    middle = Affine.translation(on.bounds[0] + 22_000.0, on.bounds[1] + 24_000.0)
    transform = (
        middle
        @ Affine.rotation(turn)
        @ Affine.scale(20.0, -20.0)
        @ Affine.translation(-1200, -1200)
    )
    askew = ArrayRaster(
        array=np.zeros((2400, 2400), dtype=np.float32),
        grid=Grid(crs=on.crs, shape=(2400, 2400), transform=transform),
    )
    monkeypatch.setattr(pairs, "_IN_MEMORY", 12 * 500**2)
    looked = pair(_hills(on), _Lazy(askew), samples=30_000)
    assert len(looked.parts) >= 5
    first, *later = _steps(looked, 7.0, -3.0)
    assert 0 < first <= 12 * 500**2
    assert later == [0, 0]


def test_what_is_too_large_is_fitted_all_the_same(monkeypatch):
    on = grid((1000, 1100))
    reference, moving = dem(on), dem(on, (7.0, -3.0, 1.0))
    whole = NuthKaab().fit(reference, moving)
    monkeypatch.setattr(pairs, "_IN_MEMORY", 600_000)
    part = NuthKaab(samples=100_000).fit(reference, moving)
    assert (part.shift_x, part.shift_y) == pytest.approx((whole.shift_x, whole.shift_y), abs=0.02)
    assert part.samples < 200_000 < whole.samples


def test_what_is_shared_across_the_antimeridian_is_found_after_a_start_too():
    """A moving DEM in UTM comes back with longitudes of -180 to 180, and the reference counts beyond 180."""
    utm = CRS.from_epsg(32660)
    x, y = (float(v) for v in project(WGS84, utm, 180.0, 60.0))
    step = 10.0 / 55_800.0, 10.0 / 111_400.0
    reference = Grid(
        crs=WGS84, shape=(200, 200),
        transform=Affine(step[0], 0, 180.0 - 100 * step[0], 0, -step[1], 60.0 + 100 * step[1]),
    )  # fmt: skip
    moving = Grid(crs=utm, transform=Affine(10, 0, x - 900, 0, -10, y + 900), shape=(180, 180))
    plain = shared(reference, moving)
    started = shared(reference, moving, Alignment.of_shift(30.0, -20.0, 1.0, crs=utm))
    assert plain.size > 180 * 180
    assert abs(started.col - plain.col) <= 5
    assert abs(started.width - plain.width) <= 5


@pytest.mark.parametrize("method", [NuthKaab(), VerticalShift(), Deramp(), NuthKaab() + Deramp()])
def test_what_is_no_raster_is_told_how_to_be_one(method):
    some = dem(grid((30, 30)))
    for pair_of in (("a.tif", some), (some, "a.tif"), (some, some.array)):
        with pytest.raises(InputError, match="open_raster"):
            method.fit(*pair_of)
