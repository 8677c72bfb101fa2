"""What the commands say of the geometry of a view, and of points outside of what an RPC was made for."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from cli_scene import Run


def test_info_tells_how_the_image_was_seen(run: Run) -> None:
    said = dict(line.split("  ", 1) for line in run("info", "image.tif").stdout.splitlines())
    items = {name: value.strip() for name, value in said.items()}
    assert items["RPC heights"] == "600 to 1200 m above the ellipsoid"
    assert items["RPC ground"] == "longitude 7.6958 to 7.7042, latitude 46.4470 to 46.4530"
    assert items["RPC pixels"] == "rows 0.5 to 300.5, columns 0.5 to 300.5"
    down, right = (float(v) for v in items["ground sampling"].split(" m ")[0].split(" x "))
    # 2e-5 degrees of latitude and 2.8e-5 of longitude, 900 m above the ellipsoid
    assert down == pytest.approx(2.224, abs=0.002)
    assert right == pytest.approx(2.153, abs=0.002)
    # A point that rises by 300 m goes 0.3 of 150 rows down and 0.1 of 150 columns to the left.
    north, east = 45.0 * down / 300.0, 15.0 * right / 300.0
    incidence = math.degrees(math.atan(math.hypot(north, east)))
    assert float(items["incidence"].split(" ")[0]) == pytest.approx(incidence, abs=0.02)
    assert float(items["azimuth"].split(" ")[0]) == pytest.approx(
        math.degrees(math.atan2(east, north)), abs=0.1
    )


def test_project_warns_once_of_what_is_extrapolated(run: Run, tmp_path: Path) -> None:
    points = tmp_path / "points.csv"
    inside = "7.70,46.45,900\n" * 7
    points.write_text("lon,lat,height\n" + inside)
    assert "warning" not in run("project", "image.tif", "--points", points).stderr
    points.write_text(
        f"lon,lat,height\n{inside}7.70,46.45,1500\n7.70,46.45,1800\n7,46,900\n7,,900\n"
    )
    done = run("project", "image.tif", "--points", points)
    assert done.returncode == 0
    assert done.stderr.count("warning:") == 1
    said = next(line for line in done.stderr.splitlines() if line.startswith("warning:"))
    # Those that have a status of their own are not counted among the extrapolated.
    assert "2 of 11 points" in said
    assert "in height: up to 600 m beyond 600 to 1200, 2 times half" in said
    assert "1 of 11 points: outside image" in done.stderr


def test_points_beside_the_image_are_answered_with_a_warning(run: Run, tmp_path: Path) -> None:
    """They may be a whole scene's rows and columns, given for a part of it."""
    points = tmp_path / "points.csv"
    points.write_text("row,col\n0,0\n300,300\n150,\n")
    assert "beside" not in run("locate", "image.tif", "--height", "900", "--points", points).stderr
    points.write_text("row,col\n10,20\n310.5,20\n10,-0.5\n")
    done = run("locate", "image.tif", "--height", "900", "--points", points)
    assert done.stdout.count(",ok") == 3
    said = "2 of 3 points lie beside image.tif, which has 300 rows and 300 columns (the first at row 310.5, column 20)"
    assert said in done.stderr
    lon, lat = done.stdout.splitlines()[2].split(",")[2:4]
    assert (
        "1 of 1 points lie beside image.tif" in run("project", "image.tif", lon, lat, "900").stderr
    )
