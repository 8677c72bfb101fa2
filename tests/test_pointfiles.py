"""Files of points: written by other libraries, read to the last digit, written anew with all else kept."""

from __future__ import annotations

import builtins
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import laspy
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import CRS

from trueground import pointfiles
from trueground.errors import DatumError, InputError, TruegroundError, WriteError
from trueground.pointcloud import PointCloud
from trueground.pointfiles import is_point_file, open_points, write_points
from trueground.pointfiles.source import CHUNK
from trueground.vertical import Datum

UTM31 = "EPSG:32631"
EGM96 = CRS.from_user_input("EPSG:32631+5773")
N = 200
ALL = [".csv", ".tsv", ".txt", ".gpkg", ".shp", ".fgb", ".geojson", ".parquet", ".las", ".laz"]
VECTOR = [".gpkg", ".shp", ".fgb", ".geojson", ".parquet"]


@pytest.fixture
def xyz() -> np.ndarray:
    rng = np.random.default_rng(11)
    x, y, z = rng.random((3, N))
    return np.stack([500_000 + 9_000 * x, 4_900_000 + 9_000 * y, 1_000 * z - 100])


def frame(xyz: np.ndarray) -> pd.DataFrame:
    """A table with all kinds of other columns."""
    n = xyz.shape[1]
    return pd.DataFrame(
        {
            "beam": [f"gt{i % 3}, left" if i % 2 else 'a "b"' for i in range(n)],
            "easting": xyz[0],
            "Northing": xyz[1],
            "h_mean": xyz[2],
            "h_sigma": 0.1 + np.arange(n) / 7,
            "count": np.arange(n) + 2**40,
        }
    )


def shapes(xyz: np.ndarray, *, crs: Any = EGM96, flat: bool = False) -> gpd.GeoDataFrame:
    table = frame(xyz).drop(columns=["easting", "Northing"])
    if not flat:
        table = table.drop(columns=["h_mean"])
    points = shapely.points(*xyz[:2]) if flat else shapely.points(*xyz)
    return gpd.GeoDataFrame(table, geometry=points, crs=crs)


def lidar(
    xyz: np.ndarray, *, crs: Any = EGM96, version: str = "1.4", point_format: int = 6
) -> laspy.LasData:
    rng = np.random.default_rng(5)
    header = laspy.LasHeader(point_format=point_format, version=version)
    header.scales, header.offsets = np.full(3, 1e-3), np.array([500_000.0, 4_900_000.0, 0.0])
    header.system_identifier = "a scanner"
    if crs is not None:
        header.add_crs(CRS.from_user_input(crs))
    header.add_extra_dim(laspy.ExtraBytesParams("h_sigma", np.float32))
    header.add_extra_dim(laspy.ExtraBytesParams("colour", "3u2"))
    header.vlrs.append(laspy.VLR("somebody", 77, "ours", b"kept bytes"))
    las = laspy.LasData(header)
    las.x, las.y, las.z = xyz
    n = xyz.shape[1]
    las.intensity = rng.integers(0, 65_535, n)
    las.classification = rng.integers(0, 18, n)
    las.return_number = rng.integers(1, 5, n)
    las.gps_time = rng.random(n) * 1e9
    las.h_sigma = rng.random(n).astype(np.float32) + 0.1
    las.colour = rng.integers(0, 65_535, (n, 3))
    return las


def make(path: Path, xyz: np.ndarray) -> Path:
    """Write points with the library that everybody writes such a file with."""
    suffix = path.suffix
    if suffix in (".csv", ".tsv", ".txt"):
        sep = {".csv": ",", ".tsv": "\t", ".txt": ";"}[suffix]
        frame(xyz).to_csv(path, sep=sep, index=False)
    elif suffix == ".parquet":
        shapes(xyz).to_parquet(path)
    elif suffix in (".las", ".laz"):
        lidar(xyz).write(path)
    elif suffix == ".geojson":
        shapes(xyz, crs=UTM31).to_file(
            path, driver="GeoJSON", SIGNIFICANT_FIGURES=17, COORDINATE_PRECISION=12
        )
    else:
        options = {"SPATIAL_INDEX": "NO"} if suffix == ".fgb" else {}
        shapes(xyz).to_file(path, **options)
    return path


def opened(path: Path, **options: Any) -> PointCloud:
    return open_points(path, crs=EGM96, **options)


def shift(x, y, z):
    return x + 12.5, y - 7.25, z + 3.125


def others(path: Path) -> Any:
    """All columns but those that move, by an independent reader."""
    suffix = path.suffix
    if suffix in (".csv", ".tsv", ".txt"):
        table = pd.read_csv(path, sep={".csv": ",", ".tsv": "\t", ".txt": ";"}[suffix], dtype=str)
        return table.drop(columns=["easting", "Northing", "h_mean"])
    if suffix in (".las", ".laz"):
        las = laspy.read(path)
        return pd.DataFrame(
            {
                n: list(np.asarray(las[n]))
                for n in las.point_format.dimension_names
                if n not in "XYZ"
            }
        ).astype(str)
    table = gpd.read_parquet(path) if suffix == ".parquet" else gpd.read_file(path)
    return pd.DataFrame(table.drop(columns="geometry"))


@pytest.mark.parametrize("suffix", ALL)
def test_every_format_is_read_to_the_last_digit(tmp_path, xyz, suffix):
    cloud = opened(make(tmp_path / f"points{suffix}", xyz))
    if suffix in (".las", ".laz"):
        las = laspy.read(tmp_path / f"points{suffix}")
        expected, sigma = np.stack([las.x, las.y, las.z]), np.asarray(las.h_sigma, dtype=float)
        np.testing.assert_allclose(expected, xyz, rtol=0, atol=5.1e-4)
    else:
        expected, sigma = xyz, 0.1 + np.arange(N) / 7
    tolerance = 1e-9 if suffix == ".geojson" else 0.0  # the writer's decimals
    np.testing.assert_allclose(
        np.stack([cloud.x, cloud.y, cloud.z]), expected, rtol=0, atol=tolerance
    )
    assert cloud.sigma is not None
    np.testing.assert_allclose(cloud.sigma, sigma, rtol=1e-14 if suffix == ".shp" else 0)
    assert cloud.datum == Datum("egm96")
    assert cloud.name.endswith(suffix)
    assert cloud.usable.all()


@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".fgb", ".parquet", ".las", ".laz"])
def test_the_file_says_its_crs_and_what_heights_are_above(tmp_path, xyz, suffix):
    cloud = open_points(make(tmp_path / f"points{suffix}", xyz))
    assert cloud.datum == Datum("egm96")
    assert cloud.crs is not None
    assert cloud.crs.sub_crs_list[0].to_epsg() == 32631


@pytest.mark.parametrize("suffix", ALL)
@pytest.mark.parametrize("in_place", [False, True])
def test_moved_points_are_written_with_all_else_kept(tmp_path, xyz, suffix, in_place):
    path = make(tmp_path / f"points{suffix}", xyz)
    before, rest = opened(path), others(path)
    target = path if in_place else tmp_path / f"moved{suffix}"
    written = write_points(path, target, shift)
    assert (written.count, written.moved, written.kept) == (N, N, 0)
    after = opened(target)
    atol = (
        1e-6 if suffix in (".las", ".laz") else 0.0
    )  # 12.5 and the rest are whole steps of 1 mm, but for round-off
    for name, add in (("x", 12.5), ("y", -7.25), ("z", 3.125)):
        np.testing.assert_allclose(
            getattr(after, name), getattr(before, name) + add, rtol=0, atol=atol
        )
    np.testing.assert_array_equal(after.sigma, before.sigma)
    pd.testing.assert_frame_equal(others(target), rest)
    if suffix not in (".csv", ".tsv", ".txt"):
        assert open_points(target).crs == open_points(make(path, xyz)).crs
    names = {p.stem for p in tmp_path.iterdir()}
    assert names == ({"points"} if in_place else {"points", "moved"})


@pytest.mark.parametrize("suffix", ALL)
def test_what_cannot_be_moved_stays_as_it_is_and_is_counted(tmp_path, xyz, suffix):
    path = make(tmp_path / f"points{suffix}", xyz)
    before = opened(path)
    limit = np.median(before.z)

    def some(x, y, z):
        return x + 1.0, y, np.where(z < limit, np.nan, z)

    written = write_points(path, tmp_path / f"moved{suffix}", some)
    after = opened(tmp_path / f"moved{suffix}")
    stay = before.z < limit
    assert written.moved == N - np.count_nonzero(stay)
    assert f"{written.moved} of {N} points moved; {written.kept} could not be moved" in str(written)
    np.testing.assert_array_equal(after.x[stay], before.x[stay])
    np.testing.assert_allclose(after.x[~stay], before.x[~stay] + 1.0, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(after.z, before.z)


@pytest.mark.parametrize("kind", [ArithmeticError, ValueError, RuntimeError, InputError])
@pytest.mark.parametrize("suffix", ALL)
def test_a_failure_is_passed_on_and_leaves_the_files_unharmed(tmp_path, xyz, suffix, kind):
    path = make(tmp_path / f"points{suffix}", xyz)
    files = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def fails(x, y, z):
        raise kind("no such place")

    with pytest.raises(kind, match=r"^no such place"):
        write_points(path, path, fails)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == files


@pytest.mark.parametrize("suffix", ALL)
def test_samples_are_those_of_the_whole_cloud(tmp_path, xyz, suffix):
    path = make(tmp_path / f"points{suffix}", xyz)
    few, cloud = opened(path, samples=30, seed=4), opened(path)
    np.testing.assert_array_equal(few.x, cloud.thinned(30, 4).x)
    np.testing.assert_array_equal(few.sigma, cloud.thinned(30, 4).sigma)
    assert opened(path, samples=10 * N).size == N


@pytest.mark.parametrize("suffix", [".csv", ".gpkg", ".fgb", ".las", ".laz", ".parquet"])
def test_chunks_leave_no_trace(tmp_path, xyz, suffix, monkeypatch):
    path = make(tmp_path / f"points{suffix}", xyz)
    whole = opened(path)
    write_points(path, tmp_path / f"one{suffix}", shift)
    for module in ("text", "vector", "las", "parquet"):
        monkeypatch.setattr(f"trueground.pointfiles.{module}.CHUNK", 7)
    parts = opened(path)
    np.testing.assert_array_equal(parts.z, whole.z)
    np.testing.assert_array_equal(opened(path, samples=20).z, whole.thinned(20).z)
    write_points(path, tmp_path / f"two{suffix}", shift)
    np.testing.assert_array_equal(
        opened(tmp_path / f"one{suffix}").x, opened(tmp_path / f"two{suffix}").x
    )
    pd.testing.assert_frame_equal(others(tmp_path / f"two{suffix}"), others(path))


# ------------------------------------------------------------------ text

TABLES = {
    "comma": "x,y,z\n1.5,2.5,3.5\n4,5,6\n",
    "semicolon and decimal comma": "X;Y;Z\n1,5;2,5;3,5\n4;5;6\n",
    "tab and quotes": '"x"\t"y"\t"z"\n"1.5"\t2.5\t3.5\n4\t5\t6\n',
    "blanks": "  x    y   z\n 1.5  2.5 3.5\n4 5 6\n",
    "no header": "1.5 2.5 3.5\n4 5 6\n",
    "header in a comment": "// made by hand\n//X Y Z\n1.5 2.5 3.5\n4 5 6\n",
    "comments and blank lines": "# a\n\nx|y|z\n1.5|2.5|3.5\n\n# b\n4|5|6",
    "byte order mark, Windows": "\ufeffx,y,z\r\n1.5,2.5,3.5\r\n4,5,6\r\n",
    "exponents": "lon,id,lat,elevation\n15e-1,a,+2.5,.35E1\n4.,b,5,6\n",
    "text of two lines": 'note,x,y,z\n"one\ntwo, three",1.5,2.5,3.5\n"a ""b""",4,5,6\n',
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_are_read_however_they_are_written(tmp_path, kind):
    path = tmp_path / "a.txt"
    path.write_bytes(TABLES[kind].encode())
    cloud = open_points(path, crs="EPSG:4326")
    np.testing.assert_array_equal(
        np.stack([cloud.x, cloud.y, cloud.z]), [[1.5, 4], [2.5, 5], [3.5, 6]]
    )


@pytest.mark.parametrize("kind", TABLES)
def test_tables_keep_every_letter_that_does_not_move(tmp_path, kind):
    path, out = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_bytes(TABLES[kind].encode())
    write_points(path, out, lambda x, y, z: (x, y, np.where(x > 3, np.nan, z)), crs="EPSG:4326")
    assert out.read_bytes() == path.read_bytes()
    write_points(path, out, lambda x, y, z: (x, y, z + 0.25), crs="EPSG:4326")
    cloud = open_points(out, crs="EPSG:4326")
    np.testing.assert_array_equal(
        np.stack([cloud.x, cloud.y, cloud.z]), [[1.5, 4], [2.5, 5], [3.75, 6.25]]
    )
    was, now = path.read_bytes().split(b"\n"), out.read_bytes().split(b"\n")
    assert len(was) == len(now)
    assert sum(a != b for a, b in zip(was, now, strict=True)) == 2


def test_bytes_that_are_no_utf8_are_kept(tmp_path):
    path, out = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_bytes("name,x,y,z\nZürich,1,2,3\n".encode("latin-1"))
    write_points(path, out, shift)
    assert out.read_bytes() == "name,x,y,z\nZürich,13.5,-5.25,6.125\n".encode("latin-1")


numbers = st.floats(allow_nan=False, allow_infinity=False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    st.lists(
        st.tuples(numbers, numbers, st.text("ab\"', ;\n#é", max_size=5)), min_size=1, max_size=20
    )
)
def test_any_table_of_pandas_survives(tmp_path, rows):
    path, out = tmp_path / "a.csv", tmp_path / "b.csv"
    table = pd.DataFrame(rows, columns=["x", "y", "text"])
    table.insert(1, "z", np.arange(len(rows)) / 8)
    table.to_csv(path, index=False)
    cloud = open_points(path, crs=UTM31)
    np.testing.assert_array_equal(cloud.x, table["x"])
    np.testing.assert_array_equal(cloud.y, table["y"])
    write_points(path, out, lambda x, y, z: (y, x, z + 1.0))
    back = pd.read_csv(out, keep_default_na=False)
    np.testing.assert_array_equal(back["x"], table["y"])
    np.testing.assert_array_equal(back["y"], table["x"])
    np.testing.assert_array_equal(back["z"], table["z"] + 1.0)
    was = pd.read_csv(path, keep_default_na=False, dtype=str)["text"]
    pd.testing.assert_series_equal(pd.read_csv(out, keep_default_na=False, dtype=str)["text"], was)


def test_columns_are_named_or_counted_from_one(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,a,b,c,d\n7,1,2,3,4\n")
    cloud = open_points(path, x="a", y="B", z=4, sigma="5", crs=UTM31)
    assert (cloud.x[0], cloud.y[0], cloud.z[0]) == (1, 2, 3)
    assert cloud.sigma is not None
    assert cloud.sigma[0] == 4


def test_the_crs_tells_longitudes_from_eastings(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("lon,lat,x,y,h\n3,45,500000,5000000,1\n")
    assert open_points(path, crs=UTM31).x[0] == 500_000
    assert open_points(path, crs="EPSG:4326").x[0] == 3


def test_cells_without_a_number_are_points_out_of_use(tmp_path, xyz):
    path, out = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text("x,y,z,s\n1,2,3,a\n4,5,,b\n6,7,NaN,c\n8,,9,d\n10,11\n12,13,14,e\n")
    cloud = open_points(path, crs=UTM31)
    np.testing.assert_array_equal(cloud.usable, [True, False, False, False, False, True])
    written = write_points(path, out, shift)
    assert (written.count, written.moved) == (6, 2)
    assert out.read_text() == (
        "x,y,z,s\n13.5,-5.25,6.125,a\n4,5,,b\n6,7,NaN,c\n8,,9,d\n10,11\n24.5,5.75,17.125,e\n"
    )


BAD_TABLES = [
    ("x,y,z\n1,2,3\n", {"crs": None}, r"declares no CRS.*--points-crs"),
    ("", {}, "holds no points"),
    ("# nothing\n", {}, "holds no points"),
    ("x,y,z\n", {}, "holds no points"),
    ("x,y,z\n1,2,\n", {}, "none of its 1 points has a finite"),
    ("x,y,z\n1,2,high\n", {}, "line 2: 'high' in column z is not a number"),
    ("x,y,z\n1,2,3\n1,2,1_000\n", {}, "line 3: '1_000' in column z is not a number"),
    ("x,y,depth\n1,2,3\n", {}, r"x, y, depth: none is a height.*--points-z"),
    ("a,b,z\n1,2,3\n", {}, r"a, b, z: none says.*--points-x and --points-y"),
    ("x,y,z\n1,2,3\n", {"z": "h"}, "no column 'h' for z, but x, y, z"),
    ("x,y,z\n1,2,3\n", {"sigma": 9}, "no column 9 for sigma"),
    ("x,y,z\n1,2,3\n", {"x": 0, "y": 1}, "no column 0 for x"),
    ("x,y,z\n1,2,3\n", {"x": "x"}, "give both"),
    ("x,y,z\n1,2,3\n", {"x": "x", "y": "x"}, "columns 1, 1, 3: they must be different"),
    (
        "x,y,z,height\n1,2,3,4\n",
        {},
        r"z, height could all be the height; say which with --points-z",
    ),
    ("x,easting,y,northing,z\n1,2,3,4,5\n", {}, "could all be x and y"),
    ("1,2\n3,4\n", {}, "2 columns without a name"),
    ("lat,lon,z\n1,200,3\n100,4,5\n", {"crs": "EPSG:4326"}, "a latitude is 100"),
    ("x,y,z\n1,2,3\n", {"crs": "EPSG:nothing"}, "not understood"),
    (
        "x,y,z\n1,2,3\n" + '"1,2,3\n' + "1,2,3\n" * 200,
        {},
        "quotation mark in record 3 is not closed",
    ),
]


@pytest.mark.parametrize(("text", "options", "says"), BAD_TABLES)
def test_a_table_that_cannot_be_used_says_why(tmp_path, text, options, says):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        open_points(path, **{"crs": UTM31, **options})


def test_what_is_no_table_says_so(tmp_path, xyz):
    path = tmp_path / "a.csv"
    path.write_text("x,y,z\n1,2,3\n", encoding="utf-16")
    with pytest.raises(InputError, match="not text in UTF-8"):
        open_points(path, crs=UTM31)
    make(tmp_path / "b.las", xyz).rename(path)
    with pytest.raises(InputError, match="not text in UTF-8"):
        open_points(path, crs=UTM31)


# ------------------------------------------------------------------ vector


@pytest.mark.parametrize("suffix", VECTOR)
def test_heights_may_be_a_column_of_points_in_the_plane(tmp_path, xyz, suffix):
    path, out = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    table = shapes(xyz, crs=UTM31, flat=True)
    if suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_file(path, **({"SPATIAL_INDEX": "NO"} if suffix == ".fgb" else {}))
    cloud = open_points(path)
    np.testing.assert_allclose(cloud.z, xyz[2], rtol=1e-14)
    write_points(path, out, shift)
    after = open_points(out)
    np.testing.assert_allclose(after.z, cloud.z + 3.125, rtol=1e-14)
    np.testing.assert_allclose(after.x, cloud.x + 12.5, rtol=1e-14)
    frame_of = gpd.read_parquet if suffix == ".parquet" else gpd.read_file
    assert not frame_of(out).has_z.any()


@pytest.mark.parametrize("suffix", [".gpkg", ".fgb", ".geojson", ".parquet"])
def test_features_without_a_place_are_kept(tmp_path, xyz, suffix):
    table = shapes(xyz, crs="EPSG:4326" if suffix == ".geojson" else UTM31).astype(
        {"count": "Int64"}
    )
    table.loc[[0, 3, N - 1], "geometry"] = None
    table.loc[[1, 3], "count"] = pd.NA
    table["when"] = pd.to_datetime("2021-03-04T05:06:07.089Z")
    path, out = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    if suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_file(path, **({"SPATIAL_INDEX": "NO"} if suffix == ".fgb" else {}))
    cloud = open_points(path, crs=UTM31)
    np.testing.assert_array_equal(np.flatnonzero(~cloud.usable), [0, 3, N - 1])
    written = write_points(path, out, shift)
    assert (written.count, written.kept) == (N, 3)
    again = open_points(out, crs=UTM31)
    np.testing.assert_array_equal(again.x[again.usable], cloud.x[cloud.usable] + 12.5)
    pd.testing.assert_frame_equal(others(out), others(path))


@pytest.mark.parametrize("suffix", [".gpkg", ".parquet"])
def test_measures_multipoints_of_one_and_mixed_dimensions(tmp_path, suffix):
    texts = [
        "POINT ZM (1 2 3 9)",
        "MULTIPOINT Z ((4 5 6))",
        "POINT (7 8)",
        "POINT EMPTY",
        "POINT Z (1 1 1)",
    ]
    geometry = gpd.GeoSeries.from_wkt(texts, crs=UTM31)
    path, out = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    if suffix == ".gpkg":
        table = pa.table({"geom": pa.array([shapely.to_wkb(g, flavor="iso") for g in geometry])})
        pyogrio.write_arrow(
            table, path, geometry_name="geom", geometry_type="Unknown", crs=CRS(UTM31).to_wkt()
        )
    else:
        wkb = [shapely.to_wkb(g, flavor="iso") for g in geometry]
        geo = {
            "version": "1.1.0",
            "primary_column": "geometry",
            "columns": {
                "geometry": {
                    "encoding": "WKB",
                    "geometry_types": [],
                    "crs": CRS(UTM31).to_json_dict(),
                }
            },
        }
        table = pa.table({"geometry": pa.array(wkb, pa.large_binary())})
        pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)
    cloud = open_points(path)
    np.testing.assert_array_equal(cloud.usable, [True, True, False, False, True])
    np.testing.assert_array_equal(cloud.z[[0, 1, 4]], [3, 6, 1])
    assert write_points(path, out, shift).moved == 3
    after = open_points(out)
    np.testing.assert_array_equal(after.x[cloud.usable], cloud.x[cloud.usable] + 12.5)
    np.testing.assert_array_equal(after.z[cloud.usable], cloud.z[cloud.usable] + 3.125)
    assert after.x[2] == 7
    if suffix == ".gpkg":
        with pyogrio.open_arrow(out, use_pyarrow=True) as (_, reader):
            found = shapely.from_wkb(reader.read_all()["geom"].to_pylist())
    else:
        found = gpd.read_parquet(out).geometry.to_numpy()
    assert [g.geom_type for g in found] == ["Point", "MultiPoint", "Point", "Point", "Point"]
    assert shapely.get_m(found[0]) == 9


def test_feature_numbers_of_a_geopackage_are_kept(tmp_path, xyz):
    path, out = tmp_path / "a.gpkg", tmp_path / "b.gpkg"
    shapes(xyz).to_file(path, SPATIAL_INDEX="NO", layer="tracks")
    base = sqlite3.connect(path)
    base.execute("UPDATE tracks SET fid = fid + 1000 WHERE fid > 50")
    base.commit()
    base.close()
    write_points(path, out, shift)
    assert pyogrio.list_layers(out)[0, 0] == "tracks"
    was, now = (pyogrio.read_dataframe(p, fid_as_index=True).index for p in (path, out))
    assert list(was) == list(now)
    assert list(now)[49:51] == [50, 1051]


def test_a_table_of_styles_beside_the_points_does_no_harm(tmp_path, xyz):
    path = tmp_path / "a.gpkg"
    shapes(xyz).to_file(path, layer="points")
    pyogrio.write_dataframe(pd.DataFrame({"style": ["red"]}), path, layer="layer_styles")
    assert open_points(path).size == N
    shapes(xyz).to_file(path, layer="more")
    with pytest.raises(InputError, match="in the layers points, more"):
        open_points(path)


def test_heights_of_a_geojson_are_above_the_ellipsoid(tmp_path):
    table = gpd.GeoDataFrame(geometry=shapely.points([[3.0, 45.0, 6.0]]), crs=4326)
    table.to_file(tmp_path / "a.geojson")
    assert open_points(tmp_path / "a.geojson").datum == Datum("ellipsoid")
    assert open_points(tmp_path / "a.geojson", heights="egm96").datum == Datum("egm96")


def test_foreign_members_of_a_geojson_are_kept(tmp_path):
    whole = {
        "type": "FeatureCollection",
        "name": "tracks",
        "provenance": {"by": "us", "é": [1, 2.5, None]},
        "features": [
            {
                "type": "Feature",
                "id": "a-1",
                "style": {"colour": "red"},
                "properties": {"n": 2**60, "deep": {"a": [1]}, "t": "01"},
                "geometry": {"type": "Point", "coordinates": [3.1, 45.2, 6.3]},
            },
            {"type": "Feature", "properties": {"n": None}, "geometry": None},
        ],
    }
    path, out = tmp_path / "a.geojson", tmp_path / "b.json"
    path.write_text(json.dumps(whole))
    written = write_points(path, out, lambda x, y, z: (x + 1, y, z - 1))
    assert (written.count, written.moved) == (2, 1)
    whole["features"][0]["geometry"]["coordinates"] = [3.1 + 1, 45.2, 6.3 - 1]
    assert json.loads(out.read_text()) == whole


def test_bounds_in_a_geoparquet_follow_its_points(tmp_path, xyz):
    path, out = tmp_path / "a.parquet", tmp_path / "b.parquet"
    shapes(xyz).to_parquet(
        path, write_covering_bbox=True, schema_version="1.1.0", compression="zstd"
    )
    write_points(path, out, shift)
    geo = json.loads(pq.read_schema(out).metadata[b"geo"])["columns"]["geometry"]
    moved = open_points(out)
    assert "bbox" not in geo
    west, _, _, north = moved.bounds
    found = gpd.read_parquet(out, bbox=(west, north - 1.0, west + 9_000.0, north))
    assert 1 <= len(found) == np.count_nonzero(moved.y >= north - 1.0)
    boxes = pq.read_table(out)["bbox"].combine_chunks()
    np.testing.assert_array_equal(boxes.field("xmin"), moved.x)
    assert pq.ParquetFile(out).metadata.row_group(0).column(0).compression == "ZSTD"


def test_a_plain_parquet_table_has_columns(tmp_path, xyz):
    path, out = tmp_path / "a.parquet", tmp_path / "b.parquet"
    frame(xyz).astype({"h_mean": "float32"}).to_parquet(path)
    with pytest.raises(InputError, match="--points-crs"):
        open_points(path)
    cloud = open_points(path, crs=UTM31)
    np.testing.assert_array_equal(cloud.x, xyz[0])
    write_points(path, out, shift)
    after = pd.read_parquet(out)
    np.testing.assert_array_equal(after["easting"], xyz[0] + 12.5)
    assert after["h_mean"].dtype == np.float32
    unmoved = ["beam", "h_sigma", "count"]
    pd.testing.assert_frame_equal(after[unmoved], pd.read_parquet(path)[unmoved])


def bad_vector(kind: str, path: Path) -> None:
    lines = gpd.GeoSeries.from_wkt(["LINESTRING Z (0 0 0, 1 1 1)"], crs=UTM31)
    pair = gpd.GeoSeries.from_wkt(["POINT Z (1 1 1)", "MULTIPOINT Z (0 0 0, 1 1 1)"], crs=UTM31)
    flat = gpd.GeoDataFrame({"h": ["high"]}, geometry=shapely.points([[0.0, 1.0]]), crs=UTM31)
    match kind:
        case "lines":
            lines.to_file(path)
        case "pair":
            pair.to_file(path, geometry_type="Unknown")
        case "text":
            flat.to_file(path)
        case "no height":
            flat.drop(columns="h").to_file(path)
        case "no crs":
            gpd.GeoSeries(shapely.points([[0.0, 1.0, 2.0]])).to_file(path)
        case "empty":
            gpd.GeoDataFrame({"h": [1.0]}, geometry=shapely.points([[0.0, 1.0]]), crs=UTM31)[
                :0
            ].to_file(path, geometry_type="Point")
        case "noise":
            path.write_bytes(b"noise" * 100)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("lines", "holds no points, but LineString Z"),
        ("pair", "feature 2 is no point, or more than one"),
        ("text", "column h is not one of numbers"),
        ("no height", "none is a height"),
        ("no crs", "--points-crs"),
        ("empty", "holds no points"),
        ("noise", "not a vector file that GDAL can read"),
    ],
)
@pytest.mark.filterwarnings("ignore:'crs' was not provided:UserWarning")
def test_a_vector_file_that_cannot_be_used_says_why(tmp_path, kind, says):
    path = tmp_path / "a.gpkg"
    bad_vector(kind, path)
    with pytest.raises(InputError, match=says):
        open_points(path)


# ------------------------------------------------------------------ LAS


@pytest.mark.parametrize("suffix", [".las", ".laz"])
@pytest.mark.parametrize(("version", "point_format"), [("1.2", 3), ("1.4", 6), ("1.4", 7)])
def test_header_and_records_of_a_las_file_are_kept(tmp_path, xyz, suffix, version, point_format):
    path, out = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    crs = UTM31 if version == "1.2" else EGM96
    las = lidar(xyz, crs=crs, version=version, point_format=point_format)
    if version == "1.4":
        las.evlrs = laspy.vlrs.vlrlist.VLRList([laspy.VLR("somebody", 78, "long", b"x" * 70_000)])
    las.write(path)
    write_points(path, out, shift)
    was, now = laspy.read(path), laspy.read(out)
    assert now.header.version == was.header.version
    assert now.header.point_format == was.header.point_format
    assert now.header.system_identifier == "a scanner"
    assert now.header.creation_date == was.header.creation_date
    np.testing.assert_array_equal(now.header.scales, was.header.scales)
    np.testing.assert_array_equal(now.header.offsets, was.header.offsets)
    np.testing.assert_array_equal(
        now.header.number_of_points_by_return, was.header.number_of_points_by_return
    )
    np.testing.assert_allclose(now.header.mins - was.header.mins, [12.5, -7.25, 3.125], atol=1e-9)
    assert [v.record_data_bytes() for v in now.vlrs] == [v.record_data_bytes() for v in was.vlrs]
    assert [v.record_data_bytes() for v in now.evlrs or []] == [
        v.record_data_bytes() for v in was.evlrs or []
    ]
    np.testing.assert_array_equal(now.points.array["X"], was.points.array["X"] + 12_500)
    rest = [n for n in was.points.array.dtype.names if n not in "XYZ"]
    np.testing.assert_array_equal(now.points.array[rest], was.points.array[rest])


@pytest.mark.parametrize("suffix", [".las", ".laz"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.999])
def test_a_las_file_that_was_cut_says_so(tmp_path, xyz, suffix, share):
    path = make(tmp_path / f"a{suffix}", xyz)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match="damaged or cut short"):
        open_points(path)
    with pytest.raises(InputError, match="damaged or cut short"):
        write_points(path, tmp_path / f"b{suffix}", shift)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_las_file_that_was_cut_between_points_says_so(tmp_path, xyz):
    path = make(tmp_path / "a.las", xyz)
    las = laspy.read(path)
    size = las.header.point_format.size
    path.write_bytes(path.read_bytes()[: -10 * size])
    with pytest.raises(InputError, match="cut short"):
        open_points(path)
    with pytest.raises(InputError, match="cut short"):
        write_points(path, tmp_path / "b.las", shift)
    assert not (tmp_path / "b.las").exists()


def test_las_becomes_laz_and_dimensions_may_be_the_height(tmp_path, xyz):
    path, out = make(tmp_path / "a.las", xyz), tmp_path / "b.laz"
    write_points(path, out, shift)
    assert out.stat().st_size < path.stat().st_size
    assert laspy.read(out).header.are_points_compressed
    odd = open_points(path, z="h_sigma", sigma="gps_time")
    las = laspy.read(path)
    np.testing.assert_array_equal(odd.z, las.h_sigma)
    np.testing.assert_array_equal(odd.sigma, las.gps_time)
    np.testing.assert_array_equal(open_points(path, z="Z").z, las.z)
    write_points(path, out, shift, z="h_sigma")
    np.testing.assert_array_equal(laspy.read(out).h_sigma, las.h_sigma + np.float32(3.125))
    np.testing.assert_array_equal(laspy.read(out).Z, las.Z)
    with pytest.raises(InputError, match="dimension intensity holds whole numbers"):
        write_points(path, out, shift, z="intensity")
    with pytest.raises(InputError, match="colour holds 3 numbers"):
        open_points(path, z="colour")
    with pytest.raises(InputError, match="leave out --points-x"):
        open_points(path, x="gps_time", y="intensity")
    with pytest.raises(InputError, match="no column 'nothing' for z"):
        open_points(path, z="nothing")


def test_points_out_of_the_reach_of_a_las_scale_are_an_error(tmp_path, xyz):
    path, out = make(tmp_path / "a.las", xyz), tmp_path / "b.las"
    with pytest.raises(InputError, match=r"stores x in steps of 0\.001 from 500000"):
        write_points(path, out, lambda x, y, z: (x + 3e6, y, z))
    assert not out.exists()


def geokeys(**keys: int) -> laspy.vlrs.known.GeoKeyDirectoryVlr:
    entries = [(int(k[1:]), 0, 1, v) for k, v in keys.items()]
    data = np.array([(1, 1, 0, len(entries)), *entries], dtype="<u2").tobytes()
    vlr = laspy.vlrs.known.GeoKeyDirectoryVlr()
    vlr.parse_record_data(data)
    return vlr


def test_geotiff_keys_say_what_heights_are_above(tmp_path, xyz):
    path = tmp_path / "a.las"
    for keys, datum in (({"k4096": 5773}, Datum("egm96")), ({"k4099": 9001}, None)):
        las = lidar(xyz, crs=None, version="1.2", point_format=1)
        las.header.vlrs.append(geokeys(k1024=1, k3072=32631, **keys))
        las.write(path)
        cloud = open_points(path)
        assert cloud.datum == datum
        assert cloud.crs is not None
        assert cloud.in_crs(CRS(UTM31)) is cloud
    las = lidar(xyz, crs=None, version="1.2", point_format=1)
    las.header.vlrs.append(geokeys(k1024=1, k3072=32631, k4099=9003))
    las.write(path)
    with pytest.raises(DatumError, match="EPSG:9003; they must be metres"):
        open_points(path)


def test_a_las_file_without_a_crs_or_without_points(tmp_path, xyz):
    path = tmp_path / "a.las"
    lidar(xyz, crs=None).write(path)
    with pytest.raises(InputError, match="--points-crs"):
        open_points(path)
    assert open_points(path, crs=UTM31, heights="egm96").datum == Datum("egm96")
    lidar(xyz[:, :0]).write(path)
    with pytest.raises(InputError, match="holds no points"):
        open_points(path)
    path.write_text("x,y,z\n1,2,3\n")
    with pytest.raises(InputError, match="not a LAS or LAZ file"):
        open_points(path)


def test_heights_in_feet_are_an_error(tmp_path, xyz):
    path = tmp_path / "a.las"
    lidar(xyz, crs="EPSG:32631+8228").write(path)  # NAVD88 height in feet
    with pytest.raises(DatumError, match="metres"):
        open_points(path)


def test_a_copc_file_becomes_a_plain_one(tmp_path, xyz):
    path, out = tmp_path / "a.copc.laz", tmp_path / "b.laz"
    las = lidar(xyz)
    las.header.vlrs.insert(0, laspy.VLR("copc", 1, "info", b"\0" * 160))
    las.evlrs = laspy.vlrs.vlrlist.VLRList([laspy.VLR("copc", 1000, "hierarchy", b"\0" * 32)])
    las.write(path)
    write_points(path, out, shift)
    now = laspy.read(out)
    assert not [v for v in [*now.vlrs, *(now.evlrs or [])] if v.user_id == "copc"]
    assert len(now.points) == N


# ------------------------------------------------------------------ all


@pytest.mark.parametrize("suffix", ["", ".asc", ".tif", ".csv.gz", ".e57"])
def test_other_endings_are_refused(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_text("1 2 3")
    with pytest.raises(InputError, match=r"is not one of points; give one of \.csv"):
        open_points(path)
    assert not is_point_file(path)
    assert is_point_file("A.LAZ")


def test_files_that_are_not_there_and_endings_that_differ(tmp_path, xyz):
    with pytest.raises(InputError, match="does not exist"):
        open_points(tmp_path / "none.csv")
    path = make(tmp_path / "a.csv", xyz)
    with pytest.raises(InputError, match=r"with the ending \.csv"):
        write_points(path, tmp_path / "b.gpkg", shift)
    with pytest.raises(WriteError, match="does not exist; make it first"):
        write_points(path, tmp_path / "nowhere" / "b.csv", shift)


@pytest.mark.parametrize(
    ("suffix", "module", "extra"), [(".las", "laspy", "las"), (".parquet", "pyarrow", "arrow")]
)
def test_a_missing_library_is_named_with_its_extra(
    tmp_path, xyz, suffix, module, extra, monkeypatch
):
    path = make(tmp_path / f"a{suffix}", xyz)
    real: Callable[..., Any] = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name.split(".", maxsplit=1)[0] == module:
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        InputError, match=rf"needs {module}; install it with pip install 'trueground\[{extra}\]'"
    ):
        open_points(path)


def test_vector_files_are_read_without_pyarrow(tmp_path, xyz, monkeypatch):
    path = make(tmp_path / "a.gpkg", xyz)
    real: Callable[..., Any] = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name.split(".", maxsplit=1)[0] == "pyarrow":
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    assert open_points(path).size == N
    with pytest.raises(InputError, match="needs pyarrow"):
        write_points(path, tmp_path / "b.gpkg", shift)


def test_all_errors_are_ours_and_names_are_exported():
    assert issubclass(InputError, TruegroundError)
    assert set(pointfiles.__all__) >= {"open_points", "write_points"}
    assert CHUNK > 1_000
