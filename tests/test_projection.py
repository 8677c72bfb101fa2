"""Projections against pyproj: the sparse lattice within its bound, the same from every window."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Transformer

from grids import turned
from trueground import projection
from trueground.errors import InputError, ProjectionError
from trueground.grid import Grid, Window
from trueground.projection import (
    WGS84,
    GridProjection,
    InaccurateProjectionWarning,
    count_longitudes_as,
    full_turn,
    horizontal,
    parse_crs,
    project,
    project_bounds,
    same_place,
    utm_of,
)

# The change of datum below is one that PROJ lacks the best grid for.
pytestmark = pytest.mark.filterwarnings("ignore::trueground.projection.InaccurateProjectionWarning")

GRIDS = {  # CRS, origin, pixel; and the CRS to go to
    "utm to lonlat": (32631, (683_217.0, 4_899_876.0), 0.5, 4326),
    "utm, big pixels": (32631, (200_000.0, 6_000_000.0), 1000.0, 4326),
    "lonlat to utm": (4326, (5.0, 45.0), 0.000833, 32631),
    "polar stereographic": (3413, (-800_000.0, -1_000_000.0), 100.0, 4326),
    "around the pole": (3413, (-51_200.0, 51_200.0), 100.0, 4326),
    "web mercator": (3857, (600_000.0, 5_500_000.0), 2.0, 4326),
    "lambert, a continent": (3034, (2_500_000.0, 3_500_000.0), 1000.0, 4326),
    "laea to utm": (3035, (4_000_000.0, 2_800_000.0), 30.0, 32632),
    "across the antimeridian": (32601, (100_000.0, 7_000_000.0), 1000.0, 4326),
    "to another utm zone": (32631, (700_000.0, 5_000_000.0), 20.0, 32632),
    "datum change": (27700, (400_000.0, 400_000.0), 25.0, 4326),
}


def _exact(grid, target, window):
    transformer = Transformer.from_crs(grid.crs, target, always_xy=True)
    x, y = np.broadcast_arrays(*grid.xy(*window.pixel_centres()))
    return transformer.transform(x, y)


def _grid(name):
    epsg, (x, y), pixel, target = GRIDS[name]
    grid = Grid(
        crs=CRS.from_epsg(epsg), transform=Affine(pixel, 0, x, 0, -pixel, y), shape=(1024, 1024)
    )
    return grid, CRS.from_epsg(target)


def _error_in_pixels(grid, target, found, exact):
    """Bring both back to the grid's CRS, where a pixel is a pixel."""
    back = Transformer.from_crs(target, grid.crs, always_xy=True)
    fx, fy = back.transform(*found)
    ex, ey = back.transform(*exact)
    return np.hypot(fx - ex, fy - ey) / grid.resolution[0]


@pytest.mark.parametrize("name", GRIDS)
def test_lattice_stays_within_its_bound(name):
    grid, target = _grid(name)
    window = Window(100, 37, 700, 800)
    found = GridProjection(grid, target).at(window)
    exact = _exact(grid, target, window)
    error = _error_in_pixels(grid, target, found, exact)
    assert np.isfinite(error).all()
    assert error.max() <= 1e-3  # px, the bound that the class promises
    if target.is_geographic:  # the jump at the antimeridian is where it is, not smeared
        assert np.abs(found[0] - exact[0]).max() < 1.0


@pytest.mark.parametrize("name", ["utm to lonlat", "around the pole", "across the antimeridian"])
@settings(max_examples=15)
@given(data=st.data())
def test_position_does_not_depend_on_the_window(name, data):
    grid, target = _grid(name)
    projection = GridProjection(grid, target)
    row, col = data.draw(st.integers(0, 900)), data.draw(st.integers(0, 900))
    window = Window(row, col, data.draw(st.integers(1, 124)), data.draw(st.integers(1, 124)))
    bigger = window.pad(data.draw(st.integers(0, 90)))
    part = window.slices_in(bigger)
    for some, all_ in zip(projection.at(window), projection.at(bigger), strict=True):
        np.testing.assert_array_equal(some, all_[part])  # to the last bit


def test_rotated_grid_and_window_beyond_the_edge():
    transform = turned((5e5, 5e6), 33.0, (10.0, -10.0))
    grid = Grid(crs=CRS.from_epsg(32631), transform=transform, shape=(300, 300))
    window = Window(-40, -70, 200, 500)
    error = _error_in_pixels(
        grid, WGS84, GridProjection(grid, WGS84).at(window), _exact(grid, WGS84, window)
    )
    assert error.max() <= 1e-3


def test_lattice_needs_few_exact_points(monkeypatch):
    """The point of the lattice: at most one exact point for 200 pixels."""
    grid, target = _grid("utm to lonlat")
    asked = []
    real = GridProjection._nodes

    def counting(self, rows, cols):
        asked.append(np.broadcast(rows, cols).size)
        return real(self, rows, cols)

    monkeypatch.setattr(GridProjection, "_nodes", counting)
    GridProjection(grid, target).at(grid.window)
    assert sum(asked) < 1024 * 1024 / 200


def test_same_crs_is_the_affine_transform_alone(utm_grid):
    projection = GridProjection(utm_grid, CRS.from_epsg(32631))
    assert projection.exact
    x, y = projection.at(Window(3, 4, 2, 2))
    np.testing.assert_array_equal(x, np.broadcast_to(utm_grid.xy(3.5, [[4.5, 5.5]])[0], (2, 2)))
    assert y.shape == (2, 2)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("EPSG:4326", "OGC:CRS84", True),
        ("EPSG:4326+5773", "EPSG:4979", True),
        ("EPSG:32631", "EPSG:32631+5773", True),
        ("EPSG:32631", CRS.from_epsg(32631).to_wkt("WKT1_GDAL"), True),
        ("EPSG:32631", "+proj=utm +zone=31 +datum=WGS84", True),
        ("EPSG:32631", CRS.from_epsg(32631).to_3d().to_wkt(), True),
        ("EPSG:32631", "EPSG:32632", False),
        ("EPSG:4326", "EPSG:4258", False),
        ("EPSG:25833", "EPSG:32633", True),  # but for the name of the datum
        ("EPSG:25833", "EPSG:32632", False),
        ("EPSG:31467", "EPSG:25832", False),
        ("EPSG:27700", "EPSG:32630", False),
    ],
)
def test_same_place_looks_at_the_horizontal_part(first, second, same):
    a, b = CRS.from_user_input(first), CRS.from_user_input(second)
    assert same_place(a, b) is same
    assert same_place(b, a) is same


def test_horizontal_part_of_compound_bound_and_3d():
    bound = CRS.from_user_input(
        "+proj=longlat +ellps=bessel +towgs84=598.1,73.7,418.2,0.202,0.045,-2.455,6.7 "
        "+geoidgrids=egm96_15.gtx +vunits=m"
    )
    for crs in (bound, CRS("EPSG:4326+5773"), CRS.from_epsg(4979), CRS.from_epsg(32631).to_3d()):
        assert len(horizontal(crs).axis_info) == 2
    # A known Helmert transformation must not get lost with the vertical part.
    lon, lat = project(bound, WGS84, 10.0, 50.0)
    assert abs(lon - 10.0) > 1e-3
    assert abs(lat - 50.0) > 1e-3


@pytest.mark.parametrize(
    "crs", ["+proj=utm +zone=31 +ellps=intl", "EPSG:4978", "EPSG:5773", 'LOCAL_CS["site"]']
)
def test_a_crs_without_known_place_is_refused(crs):
    with pytest.raises(ProjectionError):
        project(CRS.from_user_input(crs), WGS84, 500_000.0, 4_000_000.0)


def test_no_crs_and_nonsense_are_refused(utm_grid):
    with pytest.raises(ProjectionError, match="without CRS"):
        project(None, WGS84, 0.0, 0.0)
    plain = Grid(crs=None, transform=utm_grid.transform, shape=(2, 2))
    with pytest.raises(ProjectionError):
        GridProjection(plain, WGS84)
    with pytest.raises(InputError, match="EPSG:99999999"):
        parse_crs("EPSG:99999999")
    assert parse_crs(32631) == CRS.from_epsg(32631)


def test_points_that_cannot_be_projected_are_nan():
    x, y = project(WGS84, CRS.from_epsg(3857), [10.0, 10.0, np.nan], [45.0, 91.0, 45.0])
    assert np.isfinite([x[0], y[0]]).all()
    assert np.isnan([x[1:], y[1:]]).all()


def test_threads_project_at_the_same_time(utm_grid):
    expected = GridProjection(utm_grid, WGS84).at(utm_grid.window)
    found = []

    def work():
        found.append(GridProjection(utm_grid, WGS84).at(utm_grid.window))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    for x, y in found:
        np.testing.assert_array_equal(x, expected[0])
        np.testing.assert_array_equal(y, expected[1])


def test_bounds_hold_all_that_lies_inside():
    source = CRS.from_epsg(32631)
    bounds = (400_000.0, 4_000_000.0, 700_000.0, 4_800_000.0)
    west, south, east, north = project_bounds(source, WGS84, bounds)
    x, y = np.random.default_rng(0).uniform(bounds[:2], bounds[2:], (10_000, 2)).T
    lon, lat = project(source, WGS84, x, y)
    # Bulges between the 21 points of a side: 0.1 % of its length at most.
    assert west - 1e-3 <= lon.min() <= lon.max() <= east + 1e-3
    assert south - 1e-3 <= lat.min() <= lat.max() <= north + 1e-3


def test_bounds_around_a_pole_and_across_the_antimeridian():
    pole = project_bounds(CRS.from_epsg(3413), WGS84, (-5e5, -5e5, 1e6, 1e6))
    assert (pole[0], pole[2], pole[3]) == (-180.0, 180.0, 90.0)
    assert 70.0 < pole[1] < 82.0
    west, _, east, _ = project_bounds(CRS.from_epsg(32601), WGS84, (2e5, 6e6, 5e5, 61e5))
    assert east - west < 10.0
    with pytest.raises(ProjectionError, match="outside the area"):
        project_bounds(WGS84, CRS.from_epsg(3857), (10.0, 91.0, 20.0, 95.0))


def test_longitudes_are_counted_as_the_grid_does():
    grid = Grid(crs=WGS84, transform=Affine(1, 0, 0.0, 0, -1, 90), shape=(180, 360))
    lon = np.array([-10.0, 10.0, 350.0, -370.0, np.nan])
    np.testing.assert_array_equal(count_longitudes_as(grid, lon), [350, 10, 350, 350, np.nan])
    plain = Grid(crs=CRS.from_epsg(32631), transform=grid.transform, shape=(2, 2))
    assert count_longitudes_as(plain, lon) is lon


@pytest.mark.parametrize(
    ("lon", "lat", "epsg"),
    [(5.1, 44.2, 32631), (-58.5, -34.5, 32721), (180.0, 0.0, 32601), (-180.0, 10.0, 32601),
     (15.6, 78.2, 32633), (10.0, 85.0, 32661), (10.0, -81.0, 32761), (181.0, 5.0, 32601)],
)  # fmt: skip
def test_utm_of(lon, lat, epsg):
    assert utm_of(lon, lat) == CRS.from_epsg(epsg)


@pytest.mark.parametrize(
    ("crs", "turn"),
    [
        (4326, 360.0),
        (3857, 40_075_016.68557849),
        (3832, 40_075_016.68557849),
        (32631, None),
        (3035, None),
        (3031, None),
    ],
)
def test_full_turn(crs, turn):
    assert full_turn(CRS.from_epsg(crs)) == (
        None if turn is None else pytest.approx(turn, abs=1e-6)
    )


def test_coarse_shifts_between_datums_are_warned_of_once():
    """Without grids PROJ takes Helmert shifts, of metres to tens of them."""
    projection._warned.clear()
    projection._local.__dict__.clear()
    coarse = CRS.from_epsg(4202)  # AGD66, on its own ellipsoid
    match = r"'AGD66' to 'WGS 84' is accurate to \d"
    with pytest.warns(InaccurateProjectionWarning, match=match) as caught:
        project(coarse, WGS84, 145.0, -35.0)
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        project(WGS84, coarse, 145.0, -35.0)
        projection._local.__dict__.clear()  # as in another thread
        project(coarse, WGS84, 145.0, -35.0)


@pytest.mark.parametrize("code", [32631, 4258, 25831, 4269, 26910, 2154, 4283, 6668, 3857, 3031])
def test_modern_systems_make_no_warning(code):
    projection._warned.clear()
    projection._local.__dict__.clear()
    crs = CRS.from_epsg(code)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        project(WGS84, crs, 3.0, 45.0)
