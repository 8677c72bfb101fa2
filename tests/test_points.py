"""Tables of points: nothing is lost on the way in and out."""

from __future__ import annotations

import csv
import io
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueground.errors import InputError
from trueground.points import read_points, to_csv, to_geojson
from trueground.status import Status


@pytest.fixture
def table(tmp_path):
    def make(text, encoding="utf-8"):
        path = tmp_path / "points.csv"
        path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
        return path

    return make


@given(
    values=st.lists(
        st.tuples(*[st.floats(allow_nan=True, allow_infinity=False)] * 2), min_size=0, max_size=20
    )
)
def test_no_digit_is_lost(values, tmp_path_factory):
    row, col = (np.array([v[i] for v in values], dtype=np.float64) for i in range(2))
    status = np.zeros(len(values), dtype=np.uint8)
    path = tmp_path_factory.mktemp("p") / "p.csv"
    path.write_text(to_csv({"row": row, "col": col}, status, ()), encoding="utf-8")
    back = read_points(path, ("row", "col"))
    np.testing.assert_array_equal(back["row"], row)
    np.testing.assert_array_equal(back["col"], col)


def test_columns_in_any_order_among_others(table):
    path = table("name; x,COL ,Row\nA,1.5,2.5\nB,-3e2,0x\n".replace("0x", "4"))
    found = read_points(path, ("row", "col"))
    assert found["row"].tolist() == [2.5, 4.0]
    assert found["col"].tolist() == [1.5, -300.0]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_byte_order_mark_and_line_endings(table, ending):
    found = read_points(
        table("row,col\n1,2\n3,4".replace("\n", ending), "utf-8-sig"), ("row", "col")
    )
    assert found["row"].tolist() == [1.0, 3.0]


def test_empty_cells_are_nan_and_rows_stay_in_place(table):
    found = read_points(table("row,col\n1,\n,\n,5\nnan,6\n\n7\n"), ("row", "col"))
    np.testing.assert_array_equal(found["row"], [1, np.nan, np.nan, np.nan, 7])
    np.testing.assert_array_equal(found["col"], [np.nan, np.nan, 5, 6, np.nan])


def test_a_header_alone(table):
    found = read_points(table("row,col\n"), ("row", "col"))
    assert found["row"].shape == (0,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("row,column\n1,2\n", r"columns row,column: a header with row,col is needed"),
        ("", r"columns \(none\)"),
        ("1,2\n3,4\n", "a header with row,col"),
        ("row,col\n1,2\n3,four\n", r"line 3: 'four' is not a number"),
        ("row,col\n1_000,2\n", "line 2: '1_000' is not a number"),
        (b"row,col\n\xff\xfe,2\n", "is not a CSV file"),
    ],
)
def test_what_cannot_be_read_is_named(table, text, message):
    with pytest.raises(InputError, match=message):
        read_points(table(text), ("row", "col"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.csv cannot be read"):
        read_points(tmp_path / "absent.csv", ("row",))


COLUMNS = {
    "row": np.array([1.0, 2.0, 3.0]),
    "lon": np.array([0.1 + 0.2, 7.0, np.nan]),
    "lat": np.array([45.0, 7.0, np.nan]),
    "height": np.array([1e-17, 7.0, np.nan]),
}
STATUS = np.array([Status.OK, Status.OUTSIDE_DEM, Status.BAD_INPUT], dtype=np.uint8)
COMPUTED = ("lon", "lat", "height")


def test_failed_points_have_empty_numbers_and_a_reason():
    rows = list(csv.DictReader(io.StringIO(to_csv(COLUMNS, STATUS, COMPUTED))))
    assert [r["status"] for r in rows] == ["ok", "outside dem", "bad input"]
    assert [r["row"] for r in rows] == ["1.0", "2.0", "3.0"]
    assert [r["lon"] for r in rows] == ["0.30000000000000004", "", ""]
    assert rows[0]["height"] == "1e-17"


def test_geojson():
    found = json.loads(to_geojson(COLUMNS, STATUS, COMPUTED), parse_constant=pytest.fail)
    first, second, third = found["features"]
    assert found["type"] == "FeatureCollection"
    assert first["geometry"] == {"type": "Point", "coordinates": [0.1 + 0.2, 45.0, 1e-17]}
    assert first["properties"]["status"] == "ok"
    assert second["geometry"] is None
    assert second["properties"] == {
        "row": 2.0,
        "lon": None,
        "lat": None,
        "height": None,
        "status": "outside dem",
    }
    assert third["geometry"] is None


def test_geojson_holds_no_infinity_and_points_without_height():
    columns = {
        "lon": np.array([1.0, np.inf]),
        "lat": np.array([2.0, 2.0]),
        "row": np.array([np.inf, 1.0]),
    }
    status = np.array([0, 0], dtype=np.uint8)
    found = json.loads(to_geojson(columns, status, ("row",)), parse_constant=pytest.fail)
    assert found["features"][0]["geometry"]["coordinates"] == [1.0, 2.0]
    assert found["features"][1]["geometry"] is None


def test_every_status_has_a_word():
    codes = np.array(list(Status), dtype=np.uint8)
    lines = to_csv({"row": np.zeros(codes.size)}, codes, ()).splitlines()
    assert lines[1:] == [f"0.0,{s.label}" for s in Status]
    assert math.prod(len(s.label) for s in Status) > 0
