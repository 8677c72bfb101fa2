"""docs/from-gdal.md: what it says is the equivalent of an option gives what GDAL gives, where GDAL is right."""

from __future__ import annotations

import re
import struct
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import CRS
from rasterio.transform import RPCTransformer

import rpc_products as products
from trueground.adjusted import Adjusted
from trueground.dem import Dem
from trueground.errors import InputError
from trueground.grid import Grid
from trueground.raster import ArrayRaster, open_raster
from trueground.rpc.classic import Gdal
from trueground.rpc.readers import rpc_of_image
from trueground.rpc.writers import exact_tags
from trueground.status import Status
from trueground.writer import write

# rasterio warns of points that GDAL fails on; that they fail is what is tested.
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.TransformWarning")

SAME = 1e-8  # px: GDAL counts in the same double precision
STRAIGHT = products.rpc()
# Seen from the side, so that heights matter: 0.45 px a metre.
RPC = replace(STRAIGHT, samp_num=(*STRAIGHT.samp_num[:3], 0.02, *STRAIGHT.samp_num[4:]))
CELL = 1e-3  # degrees
WEST, NORTH, SHAPE = 5.25, 44.17, (70, 80)
HOLE = np.s_[30:42, 35:50]
MISSING = 700.0
VERTICAL = 'VERT_CS["G",VERT_DATUM["G",2005,EXTENSION["PROJ4_GRIDS","./N.GTX"]],UNIT["METRE",1],AXIS["UP",UP]]'
PAGE = Path(__file__).parents[2] / "docs" / "from-gdal.md"


@pytest.fixture
def scene(tmp_path, write_tif):
    """The RPC as GDAL holds it, and a DEM with a hole, as files."""
    grid = Grid(crs=None, transform=Affine.identity(), shape=(4, 5))
    image = write(
        ArrayRaster(array=np.ones((4, 5), dtype=np.uint8), grid=grid), tmp_path / "image.tif", rpc_tags=exact_tags(RPC)
    )  # fmt: skip
    row, col = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    z = 1000.0 + 200.0 * np.sin(row / 6.0) * np.cos(col / 9.0)
    z[HOLE] = -9999.0
    transform = Affine(CELL, 0.0, WEST, 0.0, -CELL, NORTH)
    dem = write_tif(
        z.astype(np.float32), "dem.tif", crs="EPSG:4326", transform=transform, nodata=-9999.0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(image) as dataset:
            yield rpc_of_image(str(image)), dataset.rpcs, dem


@pytest.fixture
def points():
    """Longitude and latitude over the DEM and around it; each has its place in the DEM, (row, col)."""
    row, col = np.random.default_rng(7).uniform(-10.0, 90.0, (2, 800))
    return WEST + CELL * col, NORTH - CELL * row, row, col


def gdal(rpcs, lon, lat, **options):
    """Ground to image, point by point: along lines of points GDAL has other rules (see the page)."""
    with RPCTransformer(rpcs, **{k: str(v) for k, v in options.items()}) as transformer:
        found = [
            transformer.rowcol([x], [y], op=lambda v: v) for x, y in zip(lon, lat, strict=True)
        ]
    out = np.array(found, dtype=np.float64).reshape(-1, 2).T
    out[~np.isfinite(out)] = np.nan
    return out


def ours(rpc, dem, lon, lat):
    return np.array(rpc.project(lon, lat, dem.heights(lon, lat)))


def surrounded(row, col):
    """Points all of whose four nodes lie in the hole; points off the DEM; points with all of their nodes."""
    first_row, first_col = np.floor(row - 0.5).astype(int), np.floor(col - 0.5).astype(int)
    inside = (
        (first_row >= 0)
        & (first_col >= 0)
        & (first_row < SHAPE[0] - 1)
        & (first_col < SHAPE[1] - 1)
    )
    hole = np.zeros((102, 102), dtype=int)
    hole[HOLE] = 1
    number = sum(hole[first_row + i, first_col + j] for i in (0, 1) for j in (0, 1))
    off = (row < -1) | (col < -1) | (row > SHAPE[0] + 1) | (col > SHAPE[1] + 1)
    return inside & (number == 4), off, inside & (number == 0)


ROWS = [
    ({}, {}, {}),
    ({"RPC_DEMINTERPOLATION": "bilinear"}, {}, {"interpolation": "bilinear"}),
    ({"RPC_DEMINTERPOLATION": "near"}, {}, {"interpolation": "nearest"}),
    ({"RPC_HEIGHT": 100}, {"offset": 100.0}, {}),
    ({"RPC_HEIGHT_SCALE": 0.5}, {"scale": 0.5}, {}),
    ({"RPC_HEIGHT": -50, "RPC_HEIGHT_SCALE": 1.5}, {"scale": 1.5, "offset": -50.0}, {}),
]


@pytest.mark.parametrize(("options", "change", "how"), ROWS)
def test_heights_from_a_dem(scene, points, options, change, how):
    rpc, rpcs, path = scene
    lon, lat, row, col = points
    dem = Dem.open(Adjusted(source=open_raster(path), **change), heights="ellipsoid", **how)
    found, expected = ours(rpc, dem, lon, lat), gdal(rpcs, lon, lat, RPC_DEM=path, **options)
    _, _, whole = surrounded(row, col)
    assert whole.sum() > 300
    assert np.isfinite(found[:, whole]).all()
    np.testing.assert_allclose(found[:, whole], expected[:, whole], atol=SAME)


def test_one_height(scene, points):
    rpc, rpcs, _ = scene
    lon, lat, *_ = points
    np.testing.assert_allclose(
        rpc.project(lon, lat, 600.0), gdal(rpcs, lon, lat, RPC_HEIGHT=600), atol=SAME
    )


def test_gdals_cubic_smooths_and_ours_keeps_the_nodes(scene):
    rpc, rpcs, path = scene
    lon, lat = WEST + CELL * (np.arange(10, 30) + 0.5), np.full(20, NORTH - CELL * 10.5)
    nodes = open_raster(path).read(open_raster(path).grid.window)[0][10, 10:30]
    cubic = Dem.open(path, heights="ellipsoid", interpolation="cubic")
    np.testing.assert_allclose(cubic.heights(lon, lat), nodes, atol=1e-4)
    expected = gdal(rpcs, lon, lat, RPC_DEM=path, RPC_DEMINTERPOLATION="cubic")
    assert np.abs(ours(rpc, cubic, lon, lat) - expected).max() > 0.5


def test_missing_heights(scene, points):
    rpc, rpcs, path = scene
    lon, lat, row, col = points
    hole, off, whole = surrounded(row, col)
    assert min(hole.sum(), off.sum(), whole.sum()) > 5
    plain, expected = (
        ours(rpc, Dem.open(path, heights="ellipsoid"), lon, lat),
        gdal(rpcs, lon, lat, RPC_DEM=path),
    )
    assert np.isnan(plain[:, hole | off]).all()
    assert np.isnan(expected[:, hole | off]).all()
    filled = Adjusted(source=open_raster(path), missing=MISSING)
    found = ours(rpc, Dem.open(filled, heights="ellipsoid"), lon, lat)
    expected = gdal(rpcs, lon, lat, RPC_DEM=path, RPC_DEM_MISSING_VALUE=MISSING)
    np.testing.assert_allclose(found[:, hole | whole], expected[:, hole | whole], atol=SAME)
    # On purpose: beyond the DEM a height is not known because one is missing within it.
    np.testing.assert_allclose(
        expected[:, off], np.array(rpc.project(lon, lat, MISSING))[:, off], atol=SAME
    )
    assert np.isnan(found[:, off]).all()


def test_missing_heights_on_the_way_from_image_to_ground(scene):
    rpc, rpcs, path = scene
    rows, cols = np.random.default_rng(8).uniform(2, 9, (2, 300))
    lon, lat = WEST + CELL * (37 + cols), NORTH - CELL * (30 + rows)  # within the hole
    row, col = rpc.project(lon, lat, MISSING)
    exact = {"RPC_PIXEL_ERROR_THRESHOLD": "1e-7", "RPC_MAX_ITERATIONS": "200"}
    with RPCTransformer(rpcs, RPC_DEM=str(path), RPC_DEM_MISSING_VALUE=str(MISSING), **exact) as t:
        x, y = t.xy(row - 0.5, col - 0.5)
    found = rpc.localize_on(Dem.open(path, heights="ellipsoid"), row, col, on_nodata=MISSING)
    assert (found.status == Status.OK).all()
    np.testing.assert_allclose(found.lon, lon, atol=1e-10)
    np.testing.assert_allclose((x, y), (found.lon, found.lat), atol=1e-10)
    failed = rpc.localize_on(Dem.open(path, heights="ellipsoid"), row, col)
    assert (failed.status == Status.NO_DATA).all()


def test_vertical_datum(scene, points, tmp_path, monkeypatch):
    """GDAL applies the geoid where PROJ finds the grid. A grid of our own: the name in capitals is rasterio's doing."""
    rpc, rpcs, path = scene
    lon, lat, row, col = points
    _, _, whole = surrounded(row, col)
    monkeypatch.chdir(tmp_path)
    south, west = np.mgrid[0:9, 0:9]
    undulation = (50.0 + 0.3 * west - 0.2 * south).astype(">f4")
    header = struct.pack(">ddddii", 43.0, 4.0, 0.25, 0.25, *undulation.shape)
    (tmp_path / "N.GTX").write_bytes(header + undulation.tobytes())
    system = f'COMPD_CS["X",{CRS.from_epsg(4326).to_wkt("WKT1_GDAL")},{VERTICAL}]'
    dem = Dem.open(path, heights=tmp_path / "N.GTX")
    found = ours(rpc, dem, lon, lat)[:, whole]
    expected = gdal(rpcs, lon, lat, RPC_DEM=path, RPC_DEM_SRS=system)[:, whole]
    # We keep heights above the ellipsoid as float32, to 6e-5 m at 1000 m; GDAL adds the undulation to each point.
    np.testing.assert_allclose(found, expected, atol=2e-4)
    plain = ours(rpc, Dem.open(path, heights="ellipsoid"), lon, lat)[:, whole]
    assert np.abs(found - plain).max() > 5.0
    unshifted = gdal(
        rpcs, lon, lat, RPC_DEM=path, RPC_DEM_SRS=system, RPC_DEM_APPLY_VDATUM_SHIFT="FALSE"
    )
    np.testing.assert_allclose(plain, unshifted[:, whole], atol=SAME)


def test_horizontal_reference_system(scene, points, write_tif):
    """RPC_DEM_SRS for a DEM whose file says nothing, or something wrong."""
    rpc, rpcs, path = scene
    lon, lat, row, col = points
    _, _, whole = surrounded(row, col)
    with rasterio.open(path) as dataset:
        silent = write_tif(
            dataset.read(), "silent.tif", crs=None, transform=dataset.transform, nodata=-9999.0
        )
    given = open_raster(silent)
    given = replace(given, grid=replace(given.grid, crs=CRS.from_epsg(4326)))
    found = ours(rpc, Dem.open(given, heights="ellipsoid"), lon, lat)
    expected = gdal(rpcs, lon, lat, RPC_DEM=silent, RPC_DEM_SRS="EPSG:4326")
    np.testing.assert_allclose(found[:, whole], expected[:, whole], atol=SAME)
    with pytest.raises(InputError, match="no CRS"):
        Dem.open(silent, heights="ellipsoid")


@pytest.mark.parametrize(
    "settings", [{}, {"tolerance": 1e-6, "max_iterations": 100}, {"max_iterations": 1}]
)
def test_threshold_and_iterations(scene, settings):
    rpc, rpcs, path = scene
    lon, lat = np.random.default_rng(9).uniform((5.26, 44.11), (5.28, 44.135), (200, 2)).T
    row, col = rpc.project(lon, lat, 1000.0)
    options = {"RPC_PIXEL_ERROR_THRESHOLD": settings.get("tolerance", 0.1),
               "RPC_MAX_ITERATIONS": settings.get("max_iterations", 20)}  # fmt: skip
    with RPCTransformer(rpcs, RPC_DEM=str(path), **{k: str(v) for k, v in options.items()}) as t:
        x, y = np.array([t.xy([r - 0.5], [c - 0.5]) for r, c in zip(row, col, strict=True)])[
            ..., 0
        ].T
    found = rpc.localize_on(Dem.open(path, heights="ellipsoid"), row, col, solver=Gdal(**settings))
    ok = found.status == Status.OK
    np.testing.assert_array_equal(ok, np.isfinite(x))
    assert ok.any() != (settings == {"max_iterations": 1})
    np.testing.assert_allclose((found.lon[ok], found.lat[ok]), (x[ok], y[ok]), atol=1e-9)


def test_footprint(scene, points):
    """GDAL's polygon of ground positions, from ground to image; from image to ground it fails, ours need not."""
    rpc, rpcs, _ = scene
    lon, lat, *_ = points
    polygon = shapely.Polygon([(5.26, 44.11), (5.29, 44.12), (5.28, 44.15)])
    expected = gdal(rpcs, lon, lat, RPC_HEIGHT=900, RPC_FOOTPRINT=polygon.wkt)
    inside = shapely.contains_xy(polygon, lon, lat)
    assert 10 < inside.sum() < 300
    np.testing.assert_array_equal(np.isfinite(expected[0]), inside)
    found = rpc.localize(*rpc.project(lon, lat, 900.0), 900.0)
    np.testing.assert_array_equal(shapely.contains_xy(polygon, found.lon, found.lat), inside)


@pytest.mark.parametrize(
    "option",
    [
        "RPC_HEIGHT", "RPC_HEIGHT_SCALE", "RPC_DEM", "RPC_DEMINTERPOLATION", "RPC_DEM_MISSING_VALUE", "RPC_DEM_SRS",
        "RPC_DEM_APPLY_VDATUM_SHIFT", "RPC_PIXEL_ERROR_THRESHOLD", "RPC_MAX_ITERATIONS", "RPC_INVERSE_VERBOSE",
        "RPC_INVERSE_LOG", "RPC_FOOTPRINT", "-et", "-wo NUM_THREADS", "-multi", "-t_srs", "-tr", "-te",
    ],
)  # fmt: skip
def test_the_page_has_a_line_for_every_option(option):
    lines = [line.split("|") for line in PAGE.read_text().splitlines() if line.startswith("|")]
    found = [cells for cells in lines if re.search(rf"`{re.escape(option)}\b", cells[1])]
    assert len(found) == (2 if option == "RPC_HEIGHT" else 1)  # with and without a DEM
    assert all(len(cell.strip()) > 3 for cells in found for cell in cells[2:5])


def test_the_page_names_options_that_exist():
    from trueground.cli import app

    text = PAGE.read_text()
    used = re.findall(r"`(?:trueground )?(\w+)((?: --?[\w-]+[^`]*)+)`", text)
    known = {
        name: _options(app, name)
        for name in ("locate", "ortho", "project", "converge", "info", "rpc")
    }
    asked = [(name, option) for name, rest in used if name in known
             for option in re.findall(r"(?<!\S)--[\w-]+", rest)]  # fmt: skip
    assert len(asked) > 12
    for name, option in asked:
        assert option in known[name], (name, option)


def _options(app, name):
    return {
        option
        for argument in app[name].assemble_argument_collection()
        for option in argument.parameter.name or ()
    }


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"scale": 0.0}, "scale 0"),
        ({"scale": float("nan")}, "scale nan"),
        ({"offset": float("inf")}, "offset inf"),
        ({"missing": float("nan")}, "missing nan"),
    ],
)
def test_adjustments_are_numbers(change, rule):
    flat = ArrayRaster(
        array=np.ones((2, 2)), grid=Grid(crs=None, transform=Affine.identity(), shape=(2, 2))
    )
    with pytest.raises(InputError, match=rule):
        Adjusted(source=flat, **change)
