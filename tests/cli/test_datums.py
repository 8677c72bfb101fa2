"""Vertical datums and the history of products, as the command line handles them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import rasterio

from cli_scene import SHIFT, Run
from trueground.raster import open_raster
from trueground.vertical import Datum


@pytest.mark.parametrize("grid", ["reference", "moving"])
def test_datums_given_beat_those_declared_and_convert_once(
    run: Run, tmp_path: Path, grid: str
) -> None:
    done = run(
        "align", "reference.tif", "moving.tif", "-o", "out/a.tif", "--transform", "out/t.json", "--grid", grid,
        "--reference-heights", "egm96", "--moving-heights", "ellipsoid", "--exclude", "outline.geojson",
        "--report", "out/r.html",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "warning:" not in done.stderr
    found = json.loads((tmp_path / "t.json").read_text())
    # EGM96 is 52 to 53 m here, and falls or rises by centimetres over the scene.
    assert 45.0 < found["shift_z"] - SHIFT[2] < 60.0
    assert found["shift_x"] == pytest.approx(SHIFT[0], abs=0.1)
    result = open_raster(tmp_path / "a.tif")
    assert Datum.of_crs(result.grid.crs) == Datum("egm96")
    with rasterio.open(tmp_path / "a.tif") as dataset:
        tags = dataset.tags()
    assert tags["TRUEGROUND_METHOD"] == "nuth-kaab"
    assert tags["TRUEGROUND_REFERENCE_HEIGHTS"] == "EGM96"
    assert tags["TRUEGROUND_MOVING_HEIGHTS"] == "the WGS 84 ellipsoid"
    assert tags["TRUEGROUND_EXCLUDE"] == "outline.geojson"


def test_a_declared_datum_may_be_contradicted(run: Run, tmp_path: Path) -> None:
    first = run(
        "diff", "reference.tif", "reference.tif", "-o", "out/zero.tif", "--reference-heights", "egm96",
        "--moving-heights", "egm96", "--exclude", "outline.geojson",
    )  # fmt: skip
    assert first.returncode == 0, first.stderr
    with rasterio.open(tmp_path / "zero.tif") as dataset:
        tags = dataset.tags()
    assert tags["TRUEGROUND_FIRST_HEIGHTS"] == tags["TRUEGROUND_SECOND_HEIGHTS"] == "EGM96"
    assert tags["TRUEGROUND_EXCLUDE"] == "outline.geojson"
    made = run(
        "align", "reference.tif", "moving.tif", "-o", "out/a.tif", "--reference-heights", "egm96",
        "--moving-heights", "egm96",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    done = run(
        "align", "out/a.tif", "moving.tif", "-o", "out/b.tif", "--transform", "out/t.json",
        "--reference-heights", "ellipsoid", "--moving-heights", "ellipsoid",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "t.json").read_text())
    assert found["shift_z"] == pytest.approx(SHIFT[2], abs=0.05)
    assert Datum.of_crs(open_raster(tmp_path / "b.tif").grid.crs) == Datum("ellipsoid")
