"""`trueground uncertainty`, end to end."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import Point, box

from cli_scene import Run
from simulated_fields import CORRELATED, GRID_ORIGIN, fields, raster
from trueground.error_model import ErrorModel
from trueground.raster import ArrayRaster
from trueground.report.uncertainty import write_uncertainty_report
from trueground.stats import statistics
from trueground.terrain import Slope
from trueground.uncertainty import mean_changes
from trueground.variogram import Variogram
from trueground.variogram_model import VariogramModel
from trueground.writer import write

SHAPE = (240, 260)
X, Y = GRID_ORIGIN
GLACIER = box(X + 300, Y - 900, X + 900, Y - 300)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A change with errors that grow with slope, a glacier that sank by 20 m, the DEM, outlines."""
    folder = tmp_path_factory.mktemp("change")
    row, col = np.mgrid[: SHAPE[0], : SHAPE[1]]
    dem = raster(300.0 + 40.0 * np.sin(row / 9.0) + 60.0 * np.sin(col / 17.0))
    slope = Slope(dem).read(dem.grid.window)[0]
    change = fields(CORRELATED, SHAPE, 0)[0] * (0.5 + np.nan_to_num(slope) / 30.0)
    change[30:90, 30:90] -= 20.0
    write(raster(change), folder / "change.tif")
    write(dem, folder / "dem.tif")
    shapes = gpd.GeoDataFrame(
        {"name": ["ice", "far"]}, geometry=[GLACIER, Point(X - 9e4, Y).buffer(50)], crs=dem.grid.crs
    )
    shapes.iloc[:1].to_file(folder / "ice.geojson")
    shapes.to_file(folder / "areas.gpkg")
    return folder


def test_table_and_files(run: Run, place: Path, tmp_path: Path) -> None:
    done = run(
        "uncertainty",
        place / "change.tif",
        "--areas",
        place / "areas.gpkg",
        "--slope-from",
        place / "dem.tif",
        "-o",
        "out/t.csv",
        "--report",
        "out/r.html",
    )
    assert done.returncode == 0, done.stderr
    header, ice, far = done.stdout.splitlines()
    assert header.split()[0] == "area"
    assert ice.split()[0] == "ice"
    assert float(ice.split()[4]) == pytest.approx(-20.0, abs=1.0)
    assert far.split()[2:] == ["0", "0", "-", "-", "0.0"]
    assert "1 of 2 areas have no cell" in done.stderr
    assert "stable terrain: 58800 cells" in done.stderr  # 3600 of 62400 are ice
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert [r["name"] for r in rows] == ["ice", "far"]
    assert float(rows[0]["area"]) == pytest.approx(360_000.0, rel=0.002)
    assert float(rows[0]["coverage"]) == 1.0
    assert 0.1 < float(rows[0]["standard_error"]) < 0.6
    assert rows[1]["mean"] == ""
    page = (tmp_path / "r.html").read_text()
    for text in ("How errors are correlated", "How large errors are", "ice", "Make it again"):
        assert text in page


def test_json_holds_the_models_and_gpkg_the_polygons(run: Run, place: Path, tmp_path: Path) -> None:
    change, ice = place / "change.tif", place / "ice.geojson"
    for name in ("a.json", "b.json", "c.gpkg"):
        done = run(
            "-q",
            "uncertainty",
            change,
            "--areas",
            ice,
            "-o",
            f"out/{name}",
            "--threads",
            "2" if name[0] == "b" else "1",
        )
        assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "a.json").read_text())
    assert found == json.loads((tmp_path / "b.json").read_text())
    model = VariogramModel.from_dict(found["model"])
    assert model.parts[0].range == pytest.approx(100.0, rel=0.3)
    assert found["error_model"] is None
    assert Variogram.from_dict(found["variogram"]).lag[0] == pytest.approx(10.0)
    assert found["stable_terrain"]["count"] == 58_800
    shapes = gpd.read_file(tmp_path / "c.gpkg")
    assert shapes.geometry.iloc[0].equals(GLACIER)
    assert shapes["standard_error"][0] == pytest.approx(found["areas"][0]["standard_error"])


def test_areas_may_be_stable_terrain(run: Run, place: Path) -> None:
    done = run(
        "uncertainty", place / "change.tif", "--areas", place / "ice.geojson", "--areas-are-stable"
    )
    assert done.returncode == 0, done.stderr
    assert "stable terrain: 62400 cells" in done.stderr
    done = run(
        "uncertainty",
        place / "change.tif",
        "--areas",
        place / "areas.gpkg",
        "--exclude",
        place / "ice.geojson",
        "--areas-are-stable",
    )
    assert "stable terrain: 58800 cells" in done.stderr


def test_a_median_off_zero_is_told(run: Run, place: Path, tmp_path: Path) -> None:
    write(raster(fields(CORRELATED, SHAPE, 1)[0] + 3.0), tmp_path / "off.tif")
    done = run("uncertainty", tmp_path / "off.tif", "--areas", place / "ice.geojson")
    assert done.returncode == 0
    assert "align the elevation models first" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["-o", "out/x.shp"], 2, "give a name that ends so"),
        (["--report", "out/x.pdf"], 2, "give a name that ends so"),
        (["--name", "nonsense"], 1, "no column nonsense"),
        (["--exclude", "nonsense.gpkg"], 1, "does not exist"),
        (["--kind", "linear"], 2, "linear"),
    ],
)
def test_wrong_words_end_in_one_line(
    run: Run, place: Path, words: list[str], code: int, text: str
) -> None:
    done = run("-q", "uncertainty", place / "change.tif", "--areas", place / "ice.geojson", *words)
    assert done.returncode == code
    assert text in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert done.stdout == ""


def test_all_terrain_masked(run: Run, place: Path) -> None:
    done = run(
        "-q",
        "uncertainty",
        place / "change.tif",
        "--areas",
        place / "ice.geojson",
        "--include",
        place / "ice.geojson",
    )
    assert done.returncode == 1
    assert "error: 0 cells with data: a variogram needs at least 100" in done.stderr


def test_report_without_error_model_and_with_many_areas(tmp_path: Path) -> None:
    dh = raster(fields(CORRELATED, (200, 200), 0)[0])
    boxes = [box(X + 50 * i, Y - 400, X + 50 * i + 40, Y - 100) for i in range(6)]
    areas = gpd.GeoDataFrame(geometry=boxes, crs=dh.grid.crs)
    variogram = Variogram.of(dh, samples=5000)
    model = VariogramModel.fit(variogram)
    path = tmp_path / "r.html"
    for errors in (
        None,
        ErrorModel.fit(dh, {"slope": ArrayRaster(array=np.abs(dh.array), grid=dh.grid)}),
    ):
        write_uncertainty_report(
            path,
            changes=mean_changes(dh, areas, model),
            stable=statistics(dh),
            variogram=variogram,
            model=model,
            error_model=errors,
            difference=dh,
            areas=areas,
            inputs={"difference": "a/b.tif"},
        )
        page = path.read_text()
        assert "Mean changes of b.tif" in page
        assert ("How large errors are" in page) == (errors is not None)
        assert "nan" not in page.split("<main")[-1].replace("nano", "").split("data:")[0].lower()
    assert math.isfinite(model.sill)
