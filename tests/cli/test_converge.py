"""`trueground converge`, as a process of its own."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from cli_scene import Run

BASE = ("converge", "image.tif", "--dem", "reference.tif", "--heights", "ellipsoid", "--grid", "20")


def test_summary_report_and_trace(run: Run, tmp_path: Path) -> None:
    done = run(
        *BASE, "-o", "out/r.html", "--trace", "150.5", "140.5", "--trace-csv", "out/t.csv",
        "--start-heights", "850", "950",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].endswith("pixels see ground; the solvers at those:")
    assert lines[1].split()[0] == "Solver"
    assert [line.split("  ")[0] for line in lines[2:6]] == [
        "gdal", *(f"height-substitution from {h} m" for h in (850, 900, 950)),
    ]  # fmt: skip
    assert any(line.startswith("certified") for line in lines)
    assert "wrote" in done.stderr
    assert "warning" not in done.stderr
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "trueground converge image.tif" in page
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {r["solver"].split()[0] for r in rows} == {"certified", "gdal", "height-substitution"}
    assert all(r["wkt"].startswith("POINT Z (7.") for r in rows)


def test_json_is_all_there_is_on_standard_output(run: Run) -> None:
    done = run(*BASE, "--json")
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert values["pixels"] == 400
    assert values["runs"][0]["solver"] == "gdal"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((*BASE, "--trace-csv", "out/t.csv"), 2, "--trace ROW COL"),
        ((*BASE[:-1], "1"), 2, "must be from 2 to"),
        ((*BASE, "--tolerance", "0"), 1, "above 0"),
        ((*BASE, "-o", "reference.tif"), 1, "same file"),
        ((*BASE[:2], "--dem", "far.tif", "--heights", "ellipsoid"), 1, "sees the DEM"),
        (BASE[:4], 1, "--heights"),
        (("converge", "no_rpc.tif", *BASE[2:]), 1, "no RPC"),
    ],
)
def test_wrong_use(run: Run, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = run(*arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_pixel_far_away_has_a_status_and_a_reason(run: Run, tmp_path: Path) -> None:
    """GDAL's iteration runs off the globe there: no such latitude is shown."""
    done = run(*BASE, "--trace", "1e9", "0", "--trace-csv", "out/t.csv")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    header = next(line for line in lines if line.startswith("solver "))
    assert header.split()[-1] == "status"
    (certified, reason) = [line for line in lines if line.startswith("certified")]
    assert certified.endswith("diverged")
    assert reason.startswith("certified: diverged, since the RPC cannot be inverted")
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {r["status"] for r in rows} >= {"diverged", "goes on"}
    assert all(abs(float(r["lat"] or 0.0)) <= 90.0 for r in rows)
    assert any(r["solver"] == "gdal" and r["lat"] == "" for r in rows)


@pytest.mark.parametrize("name", ["out/conv.pdf", "out/conv"])
def test_a_report_is_a_page(run: Run, tmp_path: Path, name: str) -> None:
    done = run(*BASE, "-o", name)
    assert done.returncode == 2
    assert ".html or .htm" in done.stderr
    assert not list(tmp_path.iterdir())
