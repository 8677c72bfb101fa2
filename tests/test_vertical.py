"""Vertical datums: EGM96 against NGA's grid and PROJ, every way to say a datum, never a guess."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Transformer

from trueground import vertical
from trueground.errors import DatumError
from trueground.grid import Grid
from trueground.raster import ArrayRaster
from trueground.vertical import Datum
from trueground.writer import write

WGS84 = CRS.from_epsg(4326)
EGM96 = Datum.parse("egm96")
# How old GeoTIFFs say that heights are above the ellipsoid.
ELLIPSOID_WKT1 = (
    f'COMPD_CS["WGS 84 + Ellipsoid",{WGS84.to_wkt("WKT1_GDAL")},VERT_CS["Ellipsoid (metre)",'
    'VERT_DATUM["Ellipsoid",2002],UNIT["metre",1],AXIS["Up",UP]]]'
)


@pytest.fixture(autouse=True)
def _fresh_cache():
    vertical._geoid.cache_clear()
    yield
    vertical._geoid.cache_clear()


@pytest.fixture
def gtx(data_folder):
    return data_folder / "geoid" / "egm96_15.gtx"


def _smooth_geoid(folder, name, bounds=(-180.25, -90.25, 179.75, 90.25), step=0.5):
    """A grid of undulations with a formula: cos of the longitude, sin of the latitude."""
    grid = Grid.covering(bounds, step, crs=WGS84)
    lon, lat = (np.radians(a) for a in grid.xy(*grid.window.pixel_centres()))
    values = (30.0 * np.cos(lon) * np.cos(lat) + 20.0 * np.sin(lat)).astype(np.float32)
    return write(ArrayRaster(array=values, grid=grid), folder / name)


def _formula(lon, lat):
    lon, lat = np.radians(lon), np.radians(lat)
    return 30.0 * np.cos(lon) * np.cos(lat) + 20.0 * np.sin(lat)


def test_shipped_egm96_equals_ngas_grid_to_half_a_millimetre(gtx):
    raw = gtx.read_bytes()
    values = np.frombuffer(raw, ">f4", offset=40).reshape(721, 1440)[::-1]
    lat, lon = np.meshgrid(
        90.0 - 0.25 * np.arange(721), -180.0 + 0.25 * np.arange(1440), indexing="ij"
    )
    assert (
        np.abs(EGM96.undulation(lon, lat) - values).max() <= 0.51e-3
    )  # and the round-off of float32
    from_file = Datum.parse(gtx).undulation(lon, lat)
    np.testing.assert_allclose(from_file, values, atol=1e-9)


def test_egm96_equals_proj_everywhere(gtx):
    """PROJ's vgridshift, given the grid by its path: 0.5 mm for the packing."""
    oracle = Transformer.from_pipeline(
        f"+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad "
        f"+step +proj=vgridshift +grids={gtx} +multiplier=1 "
        f"+step +proj=unitconvert +xy_in=rad +xy_out=deg"
    )
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(-180.0, 180.0, 20_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 20_000)))
    seams = [-180.0, 180.0, 179.9, -179.9, 179.875, 0.0, -180.0, 12.3]
    lon = np.concatenate([lon, seams])
    lat = np.concatenate([lat, [0.1, 0.1, 10.0, 10.0, -45.3, 89.9, -89.9, 89.999]])
    _, _, expected = oracle.transform(lon, lat, np.zeros(lon.size))
    expected = np.asarray(expected)
    assert np.abs(expected).max() > 50.0  # PROJ returns zero shifts when it finds no grid
    assert np.abs(EGM96.undulation(lon, lat) - expected).max() <= 0.6e-3
    height = EGM96.to_ellipsoid(np.full(lon.size, 100.0), lon, lat)
    np.testing.assert_allclose(height, 100.0 + expected, atol=0.6e-3)


def test_seams_and_poles():
    lat = np.linspace(-90.0, 90.0, 361)
    for west, east in ((-180.0, 180.0), (0.0, 360.0), (190.0, -170.0), (-0.1, 359.9)):
        np.testing.assert_allclose(
            EGM96.undulation(np.full(361, west), lat), EGM96.undulation(np.full(361, east), lat),
            atol=1e-9,
        )  # fmt: skip
    pole = EGM96.undulation(np.linspace(-180.0, 180.0, 99), np.full(99, 90.0))
    assert np.ptp(pole) < 1e-3
    assert pole[0] == pytest.approx(13.606, abs=0.01)  # m, NGA's value at the north pole


def test_undulation_of_scalars_nan_and_nothing():
    assert EGM96.undulation(5.0, 44.0).shape == ()
    found = EGM96.undulation(np.array([np.nan, 5.0, 5.0]), np.array([44.0, np.nan, 44.0]))
    np.testing.assert_array_equal(np.isnan(found), [True, True, False])
    assert EGM96.undulation(np.empty((0, 2)), np.empty((0, 2))).shape == (0, 2)
    assert Datum("ellipsoid").undulation(np.array([5.0, np.nan]), np.array([4.0, 4.0]))[0] == 0.0
    height = np.array([1.0, np.nan])
    assert Datum("ellipsoid").to_ellipsoid(height, height, height) is height
    # A missing height needs no undulation, even where there is none.
    assert np.isnan(EGM96.to_ellipsoid(np.array([np.nan]), np.array([np.inf]), np.array([0.0])))


def test_a_global_geotiff_and_one_that_counts_from_zero(tmp_path):
    lon = np.random.default_rng(0).uniform(-180.0, 180.0, 5000)
    lat = np.random.default_rng(1).uniform(-90.0, 90.0, 5000)
    for name, bounds in (("a.tif", (-180.25, -90.25, 179.75, 90.25)),
                         ("b.tif", (-0.25, -90.25, 359.75, 90.25)),
                         ("c.tif", (-180.25, -90.25, 180.25, 90.25))):  # fmt: skip
        found = Datum.parse(_smooth_geoid(tmp_path, name, bounds)).undulation(lon, lat)
        assert np.abs(found - _formula(lon, lat)).max() < 1.5e-3  # bilinear on 0.5 degrees


def test_a_regional_grid_has_an_end(tmp_path):
    datum = Datum.parse(_smooth_geoid(tmp_path, "region.tif", (4.75, 43.75, 8.25, 46.25)))
    edge = datum.undulation(np.array([5.0, 8.0, 365.0]), np.array([44.0, 46.0, 44.0]))
    np.testing.assert_allclose(
        edge, _formula(np.array([5.0, 8.0, 5.0]), np.array([44.0, 46.0, 44.0])), atol=1e-5
    )
    with pytest.raises(DatumError, match=r"no value at longitude 4\.9000, latitude 45\.0000"):
        datum.undulation(np.array([6.0, 4.9]), np.array([45.0, 45.0]))


def test_a_dem_is_not_a_geoid(tmp_path):
    grid = Grid.covering((5.0, 44.0, 6.0, 45.0), 0.01, crs=WGS84)
    lonlat = write(
        ArrayRaster(array=np.full(grid.shape, 800.0, dtype="f4"), grid=grid), tmp_path / "dem.tif"
    )
    with pytest.raises(DatumError, match=r"800 m.*not a DEM"):
        Datum.parse(lonlat).undulation(np.array([5.5]), np.array([44.5]))
    utm = Grid(crs=CRS.from_epsg(32631), transform=Affine(10, 0, 5e5, 0, -10, 5e6), shape=(5, 5))
    path = write(ArrayRaster(array=np.zeros((5, 5), dtype="f4"), grid=utm), tmp_path / "utm.tif")
    with pytest.raises(DatumError, match="longitude and latitude"):
        Datum.parse(path)


@pytest.mark.parametrize(
    ("crs", "name"),
    [
        ("EPSG:4326+5773", "egm96"),
        ("EPSG:32631+5773", "egm96"),
        ("EPSG:9707", "egm96"),
        ("EPSG:4979", "ellipsoid"),
        (CRS.from_epsg(32631).to_3d(), "ellipsoid"),
        (ELLIPSOID_WKT1, "ellipsoid"),
        (CRS.from_user_input("EPSG:32631+5773").to_wkt("WKT1_GDAL"), "egm96"),
        (CRS.from_user_input("EPSG:4326+5773").to_wkt("WKT1_ESRI"), "egm96"),
        ("+proj=longlat +datum=WGS84 +geoidgrids=egm96_15.gtx +vunits=m", "egm96"),
    ],
)
def test_datum_of_a_crs(crs, name):
    assert Datum.of_crs(CRS.from_user_input(crs)) == Datum(name)


@pytest.mark.parametrize("crs", [None, "EPSG:4326", "EPSG:32631", "EPSG:3857"])
def test_a_flat_crs_says_nothing(crs):
    assert Datum.of_crs(None if crs is None else CRS.from_user_input(crs)) is None


@pytest.mark.parametrize(
    ("crs", "match"),
    [
        ("EPSG:4326+5703", "NAVD88.*--heights"),
        ("EPSG:2056+5728", "LN02"),
        ("EPSG:4326+8228", "foot"),
        ("EPSG:4326+5798", "--heights"),
        ("EPSG:4326+5831", "down"),
        ("+proj=longlat +datum=WGS84 +geoidgrids=nowhere.gtx +vunits=m", r"nowhere\.gtx"),
    ],
)
def test_heights_that_we_cannot_bring_to_the_ellipsoid_are_refused(crs, match):
    with pytest.raises(DatumError, match=match) as caught:
        Datum.of_crs(CRS.from_user_input(crs))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("code", [4277, 27700, 4267, 4301])
def test_heights_above_another_ellipsoid_are_refused(code):
    """Airy's ellipsoid as OSGB36 lays it is 49 m off that of WGS 84."""
    with pytest.raises(DatumError, match=r"counts heights from the ellipsoid.*--heights"):
        Datum.of_crs(CRS.from_epsg(code).to_3d())


@pytest.mark.parametrize("code", [4258, 25831, 6319, 7843, 4979])
def test_modern_ellipsoids_are_that_of_wgs84(code):
    assert Datum.of_crs(CRS.from_epsg(code).to_3d()) == Datum("ellipsoid")


def test_feet_above_the_ellipsoid_are_refused():
    text = CRS.from_epsg(4979).to_json_dict()
    text["coordinate_system"]["axis"][2]["unit"] = {
        "type": "LinearUnit", "name": "US survey foot", "conversion_factor": 0.304800609601219,
    }  # fmt: skip
    text.pop("id")
    with pytest.raises(DatumError, match="US survey foot"):
        Datum.of_crs(CRS.from_json_dict(text))


@pytest.mark.parametrize("text", ["egm96", "EGM96", "egm-96", "EGM_96"])
def test_names_are_forgiving(text):
    assert Datum.parse(text) == EGM96
    assert Datum.parse(EGM96) is EGM96
    assert str(EGM96) == "EGM96"
    assert str(Datum.parse("Ellipsoid")) == "the WGS 84 ellipsoid"


@pytest.mark.parametrize("text", ["egm2020", "no/such/grid.gtx", "", "EPSG:5773", "."])
def test_unknown_names_are_refused_with_the_remedy(text):
    with pytest.raises(DatumError, match="ellipsoid, egm96, egm2008 or a grid file") as caught:
        Datum.parse(text)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_grid_is_refused(tmp_path):
    path = tmp_path / "notes.gtx"
    path.write_text("not a grid")
    with pytest.raises(DatumError, match=r"notes\.gtx"):
        Datum.parse(path)


def test_egm2008_that_is_not_there_lists_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("PROJ_DATA", str(tmp_path))
    monkeypatch.setattr(vertical, "_EGM2008_FILES", ("no_such_grid.tif",))
    for ask in (lambda: Datum.parse("egm2008"), lambda: Datum.of_crs(CRS("EPSG:4326+3855"))):
        with pytest.raises(DatumError, match="projsync") as caught:
            ask()
        assert str(tmp_path) in str(caught.value)
        assert "/usr/share/proj" in str(caught.value)


@pytest.mark.parametrize("name", ["us_nga_egm08_25.tif", "egm08_25.tif"])
def test_egm2008_is_found_in_projs_folders(tmp_path, monkeypatch, name):
    monkeypatch.setenv("PROJ_DATA", f"/nowhere:{tmp_path}")
    monkeypatch.setattr(vertical, "_EGM2008_FILES", (name,))
    _smooth_geoid(tmp_path, name)
    datum = Datum.of_crs(CRS("EPSG:4326+3855"))
    assert datum == Datum("egm2008")
    assert datum.undulation(5.0, 44.0) == pytest.approx(_formula(5.0, 44.0), abs=1.5e-3)
