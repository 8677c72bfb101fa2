"""Ground control points from tables and vector files, in any CRS and datum."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from pyproj import Transformer
from shapely.geometry import LineString, Point

from trueground.errors import DatumError, InputError
from trueground.rpc.gcps import Gcps, read_gcps
from trueground.vertical import Datum

LON, LAT, HEIGHT = np.array([5.21, 5.33]), np.array([44.11, 44.27]), np.array([512.25, 1899.5])
ROW, COL = np.array([100.25, 3000.5]), np.array([7.75, 4999.0])
N = Datum.parse("egm96").undulation(LON, LAT)  # m, some 50


def table(path: Path, header: str, *columns: np.ndarray) -> Path:
    lines = [",".join(map(repr, map(float, cells))) for cells in zip(*columns, strict=True)]
    path.write_text("\n".join([header, *lines, ""]))
    return path


def utm() -> tuple[np.ndarray, np.ndarray]:
    x, y = Transformer.from_crs(4326, 32631, always_xy=True).transform(LON, LAT)
    return np.asarray(x), np.asarray(y)


def frame(
    *, with_z: bool = True, crs: str | None = "EPSG:4326", **columns: object
) -> gpd.GeoDataFrame:
    x, y = utm() if crs == "EPSG:32631" or (crs or "").startswith("EPSG:32631") else (LON, LAT)
    points = [
        Point(*p) for p in (zip(x, y, HEIGHT, strict=True) if with_z else zip(x, y, strict=True))
    ]
    return gpd.GeoDataFrame({"row": ROW, "col": COL, **columns}, geometry=points, crs=crs)


def check(gcps: Gcps, *, undulation: np.ndarray | float = 0.0) -> None:
    np.testing.assert_array_equal(gcps.row, ROW)
    np.testing.assert_array_equal(gcps.col, COL)
    np.testing.assert_allclose(gcps.lon, LON, atol=1e-10)  # 10 um
    np.testing.assert_allclose(gcps.lat, LAT, atol=1e-10)
    np.testing.assert_allclose(gcps.height, HEIGHT + undulation, atol=1e-9)


def test_table_of_longitudes_and_latitudes(tmp_path: Path) -> None:
    path = table(tmp_path / "g.csv", "height, LAT ,lon,row,col", HEIGHT, LAT, LON, ROW, COL)
    check(read_gcps(path))
    assert read_gcps(path).label == ("1", "2")
    check(read_gcps(path, heights="egm96"), undulation=N)
    assert N.min() > 40.0  # so that the datum matters here
    check(read_gcps(path, crs="EPSG:4326+5773"), undulation=N)


def test_table_of_eastings_and_northings(tmp_path: Path) -> None:
    path = table(tmp_path / "g.csv", "row,col,x,y,z", ROW, COL, *utm(), HEIGHT)
    check(read_gcps(path, crs="EPSG:32631", heights="ellipsoid"))
    check(read_gcps(path, crs="EPSG:32631+5773"), undulation=N)
    check(read_gcps(path, crs=32631, heights=Datum("egm96")), undulation=N)
    with pytest.raises(InputError, match=r"x, y and no CRS.*--crs"):
        read_gcps(path, heights="ellipsoid")
    with pytest.raises(DatumError, match=r"no declared vertical datum.*--heights \(ellipsoid"):
        read_gcps(path, crs="EPSG:32631")


def test_names_of_points(tmp_path: Path) -> None:
    path = tmp_path / "g.csv"
    path.write_text("id,row,col,lon,lat,height\nchurch,1,2,5,44,100\n\nbridge,3,4,5.1,44.1,200\n")
    assert read_gcps(path).label == ("church", "bridge")


@pytest.mark.parametrize("ending", ["geojson", "gpkg"])
def test_vector_files(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"g.{ending}"
    frame(name=["a", "b"]).to_file(path)
    given = (
        {} if ending == "geojson" else {"heights": "ellipsoid"}
    )  # RFC 7946 says what heights are above
    found = read_gcps(path, **given)
    check(found)
    assert found.label == ("a", "b")
    check(read_gcps(path, heights="egm96"), undulation=N)
    if ending == "gpkg":
        with pytest.raises(DatumError, match="no declared vertical datum"):
            read_gcps(path)


def test_geopackage_in_a_projected_compound_crs(tmp_path: Path) -> None:
    path = tmp_path / "g.gpkg"
    frame(crs="EPSG:32631+5773").to_file(path)
    check(read_gcps(path), undulation=N)


def test_heights_as_an_attribute(tmp_path: Path) -> None:
    path = tmp_path / "g.gpkg"
    frame(with_z=False, crs="EPSG:32631", Height=HEIGHT).to_file(path)
    check(read_gcps(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("row,lon,lat,height\n1,2,3,4\n", r"columns row,lon,lat,height: a header with row,col"),
        ("row,col,height\n1,2,3\n", "says nowhere where its points are"),
        ("row,col,lon,lat\n1,2,3,4\n", "has no heights"),
        ("row,col,lon,lat,height\n", "holds no ground control points"),
        ("row,col,lon,lat,height\n1,2,3,4,5\n1,2,,4,5\n", r"lon of ground control point 2 is nan"),
        ("row,col,lon,lat,height\n1,2,3,x,5\n", r"line 2: 'x' is not a number"),
    ],
)
def test_damaged_tables(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "g.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_gcps(path)
    assert "g.csv" in str(caught.value)


def test_damaged_vectors(tmp_path: Path) -> None:
    path = tmp_path / "g.gpkg"
    frame().drop(columns="col").to_file(path)
    with pytest.raises(InputError, match="row and col are needed"):
        read_gcps(path)
    lines = gpd.GeoDataFrame(
        {"row": [1.0], "col": [2.0]}, geometry=[LineString([(5, 44), (6, 45)])], crs=4326
    )
    lines.to_file(tmp_path / "l.gpkg")
    with pytest.raises(InputError, match="other things than points"):
        read_gcps(tmp_path / "l.gpkg")
    frame(with_z=False).to_file(tmp_path / "flat.gpkg")
    with pytest.raises(InputError, match="has no heights"):
        read_gcps(tmp_path / "flat.gpkg", heights="ellipsoid")
    words = frame()
    words["row"] = ["one", "two"]
    words.to_file(tmp_path / "w.gpkg")
    with pytest.raises(InputError, match="attribute row is not a number"):
        read_gcps(tmp_path / "w.gpkg", heights="ellipsoid")
    with pytest.raises(InputError, match="does not exist"):
        read_gcps(tmp_path / "no.gpkg")


def test_swapped_eastings_are_told(tmp_path: Path) -> None:
    path = table(tmp_path / "g.csv", "row,col,x,y,z", ROW, COL, [1e30, 1e30], utm()[0], HEIGHT)
    with pytest.raises(InputError, match=r"outside of 'WGS 84 / UTM zone 31N'"):
        read_gcps(path, crs="EPSG:32631", heights="ellipsoid")
    path = table(tmp_path / "g.csv", "row,col,lon,lat,height", ROW, COL, LON, LAT, HEIGHT)
    with pytest.raises(InputError, match=r"lon, lat, and the CRS given is 'WGS 84 / UTM"):
        read_gcps(path, crs="EPSG:32631")


def test_points_are_values() -> None:
    points = Gcps(row=ROW, col=COL, lon=LON, lat=LAT, height=HEIGHT)
    assert len(points) == 2
    with pytest.raises(ValueError, match="read-only"):
        points.row[0] = 1.0
    with pytest.raises(FrozenInstanceError):
        points.row = ROW  # type: ignore[misc]
    with pytest.raises(InputError, match=r"row \(1,\).*must be vectors of one length"):
        Gcps(row=ROW[:1], col=COL, lon=LON, lat=LAT, height=HEIGHT)
    with pytest.raises(InputError, match="1 labels for 2"):
        Gcps(row=ROW, col=COL, lon=LON, lat=LAT, height=HEIGHT, label=("a",))
