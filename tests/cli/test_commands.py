"""Every command end to end, as a process of its own."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
import rasterio

from cli_scene import SHIFT, Run, hills, simple_rpc


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_align_recovers_the_shift_and_writes_all_it_was_asked_for(run: Run, tmp_path: Path) -> None:
    done = run(
        "align", "reference.tif", "moving.tif", "-o", "out/aligned.tif", "--exclude", "outline.geojson",
        "--transform", "out/t.json", "--report", "out/r.html",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "t.json").read_text())
    for name in (
        "shift_x",
        "shift_y",
        "shift_z",
        "matrix",
        "centroid",
        "nmad_before",
        "nmad_after",
    ):
        assert name in found
    assert found["shift_x"] == pytest.approx(SHIFT[0], abs=0.1)  # 0.01 px of 10 m
    assert found["shift_y"] == pytest.approx(SHIFT[1], abs=0.1)
    assert found["shift_z"] == pytest.approx(SHIFT[2], abs=0.05)
    assert found["nmad_after"] < 0.2 * found["nmad_before"]
    with rasterio.open(tmp_path / "aligned.tif") as aligned:
        rows, cols = np.mgrid[10:230, 10:230]
        x, y = aligned.xy(rows.ravel(), cols.ravel())
        error = aligned.read(1)[10:230, 10:230].ravel() - hills(np.array(x), np.array(y))
        assert np.nanmedian(np.abs(error)) < 0.1  # bilinear interpolation of 10 m cells
        assert aligned.tags()["TRUEGROUND_REFERENCE"] == "reference.tif"
        assert json.loads(aligned.tags()["TRUEGROUND_TRANSFORM"])["shift_x"] == found["shift_x"]
    page = (tmp_path / "r.html").read_text()
    assert "<img" in page
    assert "://" not in page.replace("http://www.w3.org", "")
    assert "no" not in done.stdout.lower().split()  # nothing but results on standard output
    assert done.stderr.count("warning:") == 1  # both DEMs are silent about their datum


def test_align_says_what_it_found_as_json(run: Run, tmp_path: Path) -> None:
    words = ["-q", "align", "reference.tif", "moving.tif", "-o", "out/a.tif"]
    done = run(*words, "--transform", "out/t.json", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((tmp_path / "t.json").read_text())
    assert json.loads(run(*words, "--blocks", "80", "--json").stdout)["verdicts"]


def test_align_on_the_grid_of_the_reference(run: Run, tmp_path: Path) -> None:
    done = run(
        "-q",
        "align",
        "moving.tif",
        "reference.tif",
        "-o",
        "out/a.tif",
        "--grid",
        "reference",
        "--cog",
    )
    assert done.returncode == 0, done.stderr
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_ortho_lands_on_the_grid_asked_for(run: Run, tmp_path: Path) -> None:
    done = run(
        "ortho", "image.tif", "--dem", "reference.tif", "--heights", "ellipsoid", "-o", "out/o.tif",
        "--crs", "EPSG:32632", "--resolution", "2.5", "--bounds", "400000", "5144800", "400400", "5145200",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with rasterio.open(tmp_path / "o.tif") as ortho:
        assert ortho.bounds == (400000, 5144800, 400400, 5145200)
        assert ortho.res == (2.5, 2.5)
        assert ortho.dtypes == ("uint16",)
        assert ortho.nodata == 0
        assert (ortho.read(1) > 0).mean() > 0.9
        assert ortho.tags()["TRUEGROUND_HEIGHTS"] == "the WGS 84 ellipsoid"
    done = run("ortho", "image.tif", "--dem", "reference.tif", "--heights", "ellipsoid", "-o", "out/p.tif",
               "--like", tmp_path / "o.tif", "--resampling", "nearest")  # fmt: skip
    assert done.returncode == 0, done.stderr
    with rasterio.open(tmp_path / "o.tif") as one, rasterio.open(tmp_path / "p.tif") as two:
        assert one.transform == two.transform


def test_locate_and_project_are_inverse_to_the_last_digits(run: Run, tmp_path: Path) -> None:
    points = tmp_path / "points.csv"
    points.write_text("id,row,col\na,10.25,20.5\nb,150,150\nc,,7\n")
    done = run("locate", "image.tif", "--height", "912.5", "--points", points)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "row,col,lon,lat,height,status"
    rows = table(done.stdout)
    assert [r["status"] for r in rows] == ["ok", "ok", "bad input"]
    assert rows[2]["lon"] == rows[2]["lat"] == rows[2]["height"] == ""
    ground = tmp_path / "ground.csv"
    ground.write_text(done.stdout)
    back = run("project", "image.tif", "--points", ground, "-o", "out/back.csv")
    assert back.returncode == 0, back.stderr
    written = (tmp_path / "back.csv").read_text()
    assert written.splitlines()[0] == "lon,lat,height,row,col,status"
    again = table(written)
    assert float(again[0]["row"]) == pytest.approx(10.25, abs=1e-8)
    assert float(again[0]["col"]) == pytest.approx(20.5, abs=1e-8)
    assert again[2]["status"] == "bad input"
    assert again[2]["row"] == ""


def test_locate_on_a_dem_finds_its_surface(run: Run) -> None:
    done = run(
        "locate", "image.tif", "140.5", "160.5", "--dem", "reference.tif", "--heights", "ellipsoid"
    )
    assert done.returncode == 0, done.stderr
    (point,) = table(done.stdout)
    rpc = simple_rpc(300)
    row, col = rpc.project(float(point["lon"]), float(point["lat"]), float(point["height"]))
    assert math.hypot(row - 140.5, col - 160.5) < 1e-6
    high = run(
        "locate", "image.tif", "140.5", "160.5", "--dem", "far.tif", "--heights", "ellipsoid"
    )
    assert high.returncode == 0
    assert table(high.stdout)[0]["status"] == "outside dem"
    assert high.stderr.startswith("warning: none of 1 points could be located (1 outside dem)")


def test_negative_coordinates_are_numbers_and_not_options(run: Run) -> None:
    done = run("project", "image.tif", "-58.5", "-34.5", "-10")
    assert done.returncode == 0
    assert done.stderr.startswith("warning: none of 1 points could be projected (1 outside image)")
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == "lon,lat,height,row,col,status\n-58.5,-34.5,-10.0,,,outside image\n"


def test_points_far_from_the_scene_have_a_reason_and_no_numbers(run: Run, tmp_path: Path) -> None:
    points = tmp_path / "far.csv"
    points.write_text("row,col\n150,150\n700,150\n-200,150\n90000,150\n")
    done = run("locate", "image.tif", "--height", "900", "--points", points)
    words = [r["status"] for r in table(done.stdout)]
    assert words[:3] == ["ok", "outside image", "ok"]
    assert words[3] in ("outside image", "diverged")
    assert table(done.stdout)[1]["lon"] == ""
    done = run("locate", "image.tif", "150", "150", "--height", "1e6")
    assert table(done.stdout)[0]["status"] in ("outside image", "diverged")
    swapped = run("project", "image.tif", "46.45", "7.70", "900")
    assert table(swapped.stdout)[0]["status"] == "outside image"


def test_the_table_is_written_also_where_every_point_failed(run: Run, tmp_path: Path) -> None:
    points = tmp_path / "far.csv"
    points.write_text("row,col\n700,150\n,150\n")
    done = run("locate", "image.tif", "--height", "900", "--points", points, "-o", "out/o.csv")
    assert done.returncode == 0
    assert "none of 2 points could be located (1 outside image, 1 bad input)" in done.stderr
    assert len(table((tmp_path / "o.csv").read_text())) == 2
    points.write_text("row,col\n")
    assert run("locate", "image.tif", "--height", "900", "--points", points).returncode == 0


@pytest.mark.parametrize("command", [("locate", "--height", "9"), ("project",)])
@pytest.mark.parametrize("name", ["out/x.shp", "out/x", "out/x.xlsx"])
def test_tables_have_known_endings(
    run: Run, tmp_path: Path, command: tuple[str, ...], name: str
) -> None:
    place = ("1", "2") if command[0] == "locate" else ("7.7", "46.45", "900")
    done = run(command[0], "image.tif", *place, *command[1:], "-o", name)
    assert done.returncode == 2
    assert ".csv, .geojson or .json" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_geojson_out(run: Run, tmp_path: Path) -> None:
    done = run("locate", "image.tif", "1", "2", "--height", "900", "-o", "out/p.geojson")
    assert done.returncode == 0, done.stderr
    feature = json.loads((tmp_path / "p.geojson").read_text())["features"][0]
    assert feature["properties"]["status"] == "ok"
    assert feature["geometry"]["coordinates"][2] == 900.0


def test_diff_prints_what_numpy_finds(run: Run, tmp_path: Path) -> None:
    done = run("diff", "reference.tif", "moving.tif", "-o", "out/d.tif")
    assert done.returncode == 0, done.stderr
    with rasterio.open(tmp_path / "d.tif") as dataset:
        values = dataset.read(1)
    known = values[np.isfinite(values)].astype(np.float64)
    nmad = 1.4826 * np.median(np.abs(known - np.median(known)))
    assert (
        f"{known.size} cells: median {np.median(known):.3f}, NMAD {nmad:.3f}, mean {known.mean():.3f}"
        in done.stdout
    )


def test_info_names_rpc_and_datum(run: Run, scene: Path) -> None:
    image = run("info", "image.tif")
    assert image.returncode == 0
    assert "first pixel's centre is (0, 0)" in image.stdout
    dem = run("info", "reference.tif")
    assert "no vertical datum declared" in dem.stdout
    assert "WGS 84 / UTM zone 32N" in dem.stdout


def test_version_help_and_completion(run: Run) -> None:
    from trueground import __version__

    assert run("--version").stdout.strip() == __version__
    top = run("--help").stdout
    for name in ("align", "ortho", "locate", "project", "refine", "diff", "info", "demo"):
        assert f" {name} " in top
        assert "Example" in run(name, "--help").stdout
    assert "--install-completion" in top


def test_progress_is_silent_in_a_pipe_and_quiet_is_quiet(run: Run) -> None:
    done = run("-q", "diff", "reference.tif", "reference.tif", "-o", "out/d.tif")
    assert done.stderr.splitlines() == [
        "warning: neither DEM declares a vertical datum: their heights are taken to be above the same surface"
    ]
    assert "median 0.000" in done.stdout
