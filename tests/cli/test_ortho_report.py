"""`trueground ortho --report`: the page and its numbers, and what is refused before any work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli_scene import simple_rpc
from trueground.cli.main import run as run_here
from trueground.dem import Dem
from trueground.raster import open_raster

PLACE = ("--heights", "ellipsoid", "--resolution", "2.5", "--crs", "EPSG:32632")


def ortho(scene: Path, out: Path, *more: str, code: int = 0) -> Path:
    command = ("-q", "ortho", str(scene / "image.tif"), "--dem", str(scene / "reference.tif"))
    assert run_here([*command, "-o", str(out / "o.tif"), *PLACE, *more]) == code
    return out / "o.tif"


@pytest.fixture(scope="session")
def points(scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five points on the DEM, each measured 0.5 px too far down."""
    rpc = simple_rpc(300)
    dem = Dem.open(scene / "reference.tif", heights="ellipsoid")
    row, col = [80.0, 80.0, 150.0, 220.0, 220.0], [80.0, 220.0, 150.0, 80.0, 220.0]
    at = rpc.localize_on(dem, row, col)
    lines = ["name,row,col,lon,lat,height"]
    lines += [
        f"p{i},{r + 0.5},{c},{x!r},{y!r},{z!r}"
        for i, (r, c, x, y, z) in enumerate(
            zip(row, col, *(v.tolist() for v in at[:3]), strict=True)
        )
    ]
    path = tmp_path_factory.mktemp("points") / "gcps.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_page_and_numbers(scene, points, tmp_path, capsys):
    first = ortho(scene, tmp_path)
    again = tmp_path / "again"
    again.mkdir()
    page = again / "r.html"
    ortho(scene, again, "--report", str(page), "--gcps", str(points), "--reference", str(first))
    text = page.read_text(encoding="utf-8")
    numbers = json.loads((again / "r.json").read_text(encoding="utf-8"))
    assert numbers["output"]["shape"] == list(open_raster(first).grid.shape)
    assert numbers["hidden_is_whole"]
    control, reference = numbers["vectors"]
    assert control["count"] == 5
    assert control["d_row"] == pytest.approx([0.5] * 5, abs=1e-6)
    assert reference["against"] == "o.tif"
    assert reference["ce90_m"] == pytest.approx(0.0, abs=1e-6)
    assert "Orthoimage of image.tif" in text
    assert "gcps.csv" in text
    assert 'id="residuals-2"' in text
    said = capsys.readouterr().out
    assert "against ground control points: CE90" in said
    assert "against o.tif: CE90 0.000 m" in said


def test_of_tiles(scene, tmp_path):
    command = ["-q", "ortho", str(scene / "image.tif"), "--dem", str(scene / "reference.tif")]
    page = tmp_path / "r.html"
    out = ["-o", str(tmp_path / "tiles"), "--tiles", "128", "--report", str(page)]
    assert run_here([*command, *out, *PLACE]) == 0
    assert page.exists()
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["coverage"] == 1.0


def test_of_tiles_that_were_there(scene, tmp_path):
    """Their hidden pixels were counted when they were made."""
    command = ["-q", "ortho", str(scene / "image.tif"), "--dem", str(scene / "reference.tif")]
    out = ["-o", str(tmp_path / "tiles"), "--tiles", "1024", "--resume", "--report"]
    finer = [*PLACE[:3], "0.75", *PLACE[4:]]  # more pixels than are sampled
    for name in ("first", "again"):
        assert run_here([*command, *out, str(tmp_path / f"{name}.html"), *finer]) == 0
    first, again = (
        json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("first", "again")
    )
    assert first["step"] > 1
    assert first["hidden_is_whole"]
    assert again == first


def test_a_reference_of_another_place_is_said(scene, tmp_path, capsys):
    page = tmp_path / "r.html"
    ortho(scene, tmp_path, "--report", str(page), "--reference", str(scene / "far.tif"))
    assert "Nothing could be measured against far.tif." in page.read_text(encoding="utf-8")


def test_a_dry_run_writes_none(scene, tmp_path):
    ortho(scene, tmp_path, "--report", str(tmp_path / "r.html"), "--dry-run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--gcps", "GCPS"), "give --report too"),
        (("--reference", "scene/reference.tif"), "give --report too"),
        (("--gcp-crs", "EPSG:4326", "--report", "r.html"), "say how --gcps is read"),
        (("--report", "r.json"), "ends in .html"),
        (("--report", "o.html", "--mosaic", "first"), "not of a mosaic"),
    ],
)
def test_usage(scene, points, tmp_path, monkeypatch, capsys, more, why):
    monkeypatch.chdir(tmp_path)
    named = {"GCPS": str(points), "scene/reference.tif": str(scene / "reference.tif")}
    ortho(scene, tmp_path, *(named.get(m, m) for m in more), code=2)
    assert why in " ".join(capsys.readouterr().err.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--report", "r.html", "--reference", "scene/no_rpc.tif"), "has no CRS"),
        (("--report", "r.html", "--gcps", "xy.csv"), "--gcp-crs"),
        (("--report", "gcps.html", "--gcps", "gcps.json"), "same file"),
    ],
)
def test_refused_before_any_work(scene, points, tmp_path, monkeypatch, capsys, more, why):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "xy.csv").write_text(
        "row,col,x,y,height\n1,1,400200,5145000,900\n", encoding="utf-8"
    )
    (tmp_path / "gcps.json").write_text("{}", encoding="utf-8")
    named = {"scene/no_rpc.tif": str(scene / "no_rpc.tif")}
    ortho(scene, tmp_path, *(named.get(m, m) for m in more), code=1)
    assert why in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "o.tif").exists()
