"""`trueground report`: pages of results that were kept, with what is left of their inputs."""

from __future__ import annotations

import base64
import contextlib
import csv
import html
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from cli_scene import SHIFT, hills
from trueground.cli import engine_options
from trueground.cli.main import run
from trueground.errors import InputError
from trueground.grid import Grid
from trueground.jobs.record import RunRecord, SceneRecord, StepRecord
from trueground.plot import histogram_of, overview
from trueground.raster import ArrayRaster
from trueground.report import differences
from trueground.report.ortho_saved import quality_of
from trueground.report.page import Download
from trueground.report.saved_table import table_csv, without_formulas
from trueground.writer import write

GRID = Grid(crs=CRS(32632), transform=Affine(10, 0, 399_000, 0, -10, 5_146_200), shape=(160, 160))
DATUMS = ("--reference-heights", "ellipsoid", "--moving-heights", "ellipsoid")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, outlines, and results of aligning them: whole and block by block."""
    folder = tmp_path_factory.mktemp("kept")
    x, y = GRID.xy(*GRID.window.pixel_centres())
    noise = np.random.default_rng(2).normal(0.0, 0.2, GRID.shape)
    for name, z in (
        ("reference", hills(x, y)),
        ("moving", hills(x + SHIFT[0], y + SHIFT[1]) - SHIFT[2] + noise),
    ):
        write(ArrayRaster(array=z.astype(np.float32), grid=GRID), folder / f"{name}.tif")
    ring = [[7.690, 46.455], [7.693, 46.455], [7.693, 46.457], [7.690, 46.455]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "properties": {}, "geometry": shape}
    outlines = {"type": "FeatureCollection", "features": [feature]}
    (folder / "ice.geojson").write_text(json.dumps(outlines))
    before = Path.cwd()
    os.chdir(folder)
    try:
        words = ["align", "reference.tif", "moving.tif", "--exclude", "ice.geojson", *DATUMS]
        page = ["--transform", "shift.json", "--report", "first.html"]
        assert run([*words, "-o", "a.tif", *page]) == 0
        assert run([*words, "-o", "b.tif", "--blocks", "80", "--transform", "blocks.json"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def kept(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder, in which the command runs."""
    for file in made.iterdir():
        target = tmp_path / file.name
        target.write_bytes(file.read_bytes())
        os.utime(target, (1.7e9, 1.7e9))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def readable(path: Path) -> str:
    page = re.sub(r"<(style|script)>.*?</\1>", "", path.read_text(encoding="utf-8"), flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def pictures(path: Path) -> list[str]:
    return re.findall(r'<img[^>]* src="([^"]*)"', path.read_text(encoding="utf-8"))


def test_the_same_page_again(kept: Path) -> None:
    assert run(["report", "shift.json"]) == 0
    page = kept / "shift.html"
    assert "Mind this" not in readable(page)
    assert pictures(page) == pictures(kept / "first.html")
    facts = [
        re.search(r'<dl class="facts">.*?</dl>', p.read_text(), re.S)
        for p in (page, kept / "first.html")
    ]
    assert facts[0] is not None
    assert facts[1] is not None
    assert facts[0][0] == facts[1][0]


def test_a_page_of_the_run_is_not_replaced_by_less(
    kept: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (kept / "shift.html").write_text("the page of the run")
    assert run(["report", "shift.json"]) == 1
    said = capfd.readouterr().err
    assert "shift.html exists already" in said
    assert "-o" in said
    assert (kept / "shift.html").read_text() == "the page of the run"
    assert run(["report", "shift.json", "-o", "shift.html"]) == 0
    assert "Iterations" in readable(kept / "shift.html")


def test_the_command_is_the_one_that_was_run(kept: Path) -> None:
    how = ["--resampling", "bilinear", "--grid", "reference"]
    words = ["align", "reference.tif", "moving.tif", *DATUMS, *how]
    assert run([*words, "-o", "c.tif", "--transform", "c.json"]) == 0
    assert json.loads((kept / "c.json").read_text())["command"].startswith("trueground align ")
    assert run(["report", "c.json"]) == 0
    code = re.search(r"<code>(.*?)</code>", (kept / "c.html").read_text())
    assert code is not None
    shown = html.unescape(code[1]).split()
    assert shown == ["trueground", *words, "-o", "c.tif", "--transform", "c.json"]


def test_the_command_that_is_kept_holds_no_credentials(kept: Path) -> None:
    (kept / "moving.tif").rename(kept / "moving.tif?token=a1b2")
    words = ["align", "reference.tif", "moving.tif?token=a1b2", *DATUMS, "-o", "c.tif"]
    assert run([*words, "--transform", "c.json"]) == 0
    text = (kept / "c.json").read_text()
    assert "moving.tif?token=***" in json.loads(text)["command"]
    assert "a1b2" not in text


def test_the_command_of_an_older_result_finds_it_again(kept: Path) -> None:
    items = json.loads((kept / "shift.json").read_text())
    del items["command"]
    (kept / "shift.json").write_text(json.dumps(items))
    assert run(["report", "shift.json"]) == 0
    code = re.search(r"<code>(.*?)</code>", (kept / "shift.html").read_text())
    assert code is not None
    words = html.unescape(code[1]).split()
    assert words[0] == "trueground"
    assert run([*words[1:], "--transform", "again.json"]) == 0
    first, again = (json.loads((kept / n).read_text()) for n in ("shift.json", "again.json"))
    assert first["matrix"] == again["matrix"]


def test_statistics_are_counted_where_none_were_kept(kept: Path) -> None:
    items = json.loads((kept / "shift.json").read_text())
    had = items.pop("statistics")
    (kept / "bare.json").write_text(json.dumps(items))
    os.utime(kept / "bare.json", (1.8e9, 1.8e9))
    assert run(["report", "bare.json"]) == 0
    text = readable(kept / "bare.html")
    assert f"{had['before']['count']:,}" in text
    assert "Standard deviation" in text


@pytest.mark.parametrize("gone", ["reference.tif", "moving.tif"])
def test_without_a_model_there_are_numbers(kept: Path, gone: str) -> None:
    (kept / gone).unlink()
    assert run(["report", "shift.json", "-o", "r.html"]) == 0
    text = readable(kept / "r.html")
    assert f"not found: {gone}" in text
    assert "There are no maps" in text
    assert "Iterations" in text
    assert pictures(kept / "r.html") == []


def test_without_the_outlines_it_is_said(kept: Path) -> None:
    (kept / "ice.geojson").unlink()
    assert run(["report", "shift.json", "-o", "r.html"]) == 0
    text = readable(kept / "r.html")
    assert "Outlines of --exclude not found: ice.geojson" in text
    assert "Histograms and maps are of all terrain" in text
    assert len(pictures(kept / "r.html")) > 5


def test_other_data_of_the_same_name_are_found_out(kept: Path) -> None:
    lower = np.full(GRID.shape, 5.0, np.float32)
    lower[40:90] = 400.0
    write(ArrayRaster(array=lower, grid=GRID), kept / "moving.tif")
    os.utime(kept / "moving.tif", (1.6e9, 1.6e9))  # older than the result: its time says nothing
    assert run(["report", "shift.json", "-o", "r.html"]) == 0
    assert "are not those of the result" in readable(kept / "r.html")


def test_an_input_that_is_newer(kept: Path) -> None:
    items = json.loads((kept / "shift.json").read_text())
    del items["fingerprints"]  # an older result
    (kept / "shift.json").write_text(json.dumps(items))
    os.utime(kept / "moving.tif", (4e9, 4e9))
    assert run(["report", "shift.json", "-o", "r.html"]) == 0
    assert "moving.tif is newer than shift.json" in readable(kept / "r.html")


def test_fingerprints_decide(kept: Path) -> None:
    with (kept / "reference.tif").open("ab") as file:
        file.write(b"more")
    os.utime(kept / "moving.tif", (4e9, 4e9))
    assert run(["report", "shift.json", "-o", "r.html"]) == 0
    text = readable(kept / "r.html")
    assert "reference.tif has changed" in text
    assert "moving.tif has changed" not in text
    assert "newer" not in text


def test_blocks_tell_why(kept: Path) -> None:
    assert run(["report", "blocks.json"]) == 0
    text = readable(kept / "blocks.html")
    assert "Why this field" in text
    assert "so few good blocks allow nothing richer" in text
    assert "--blocks 80" in text


def test_changes_of_areas(kept: Path) -> None:
    assert run(["diff", "reference.tif", "a.tif", "--reference-heights", "ellipsoid", "-o", "dh.tif"]) == 0  # fmt: skip
    words = ["uncertainty", "dh.tif", "--areas", "ice.geojson"]
    assert run([*words, "-o", "c.json", "--report", "c0.html"]) == 0
    assert run(["report", "c.json"]) == 0
    assert run(["report", "c.json", "--raster", "dh.tif", "-o", "map.html"]) == 0
    assert "No map" in readable(kept / "c.html")
    assert len(pictures(kept / "map.html")) == len(pictures(kept / "c.html")) + 1
    areas = [re.search(r"Areas Means.*?Save as CSV", readable(kept / n)) for n in ("c0.html", "c.html")]  # fmt: skip
    assert areas[0] is not None
    assert areas[1] is not None
    assert areas[0][0] == areas[1][0]


def test_a_run(kept: Path) -> None:
    step = StepRecord(step="align", command="align", status="failed", error="it rained")
    scene = SceneRecord(name="north", steps=[step])
    RunRecord(job="Survey", file="s.toml", started="", software="", scenes=[scene]).write(kept)
    assert run(["report", "run.json"]) == 0
    text = readable(kept / "index.html")
    assert "Survey" in text
    assert "north: it rained" in text
    assert run(["report", "run.json", "-o", "x.html"]) == 2


@pytest.mark.parametrize(("name", "value", "said"), [
    ("inputs", {"moving": "moving.tif"}, "inputs do not name the reference DEM"),
    ("inputs", {"reference": 3, "moving": "moving.tif"}, "inputs do not name the reference DEM"),
    ("inputs", ["reference.tif", "moving.tif"], "inputs is ['reference.tif'"),
    ("inputs", {"reference": "reference.tif", "moving": "moving.tif", "exclude": 3}, "exclude is 3"),
    ("heights", "egm96", "heights is 'egm96'"),
    ("fingerprints", [], "fingerprints is []"),
    ("parameters", 3, "parameters is 3"),
    ("statistics", [1], "statistics"),
    ("statistics", {"before": {"nmad": "much"}}, "statistics"),
    ("errors", [1], "errors is [1], and must be"), ("rotations", 3, "rotations is 3"),
    ("command", ["trueground"], "command is ['trueground']"),
])  # fmt: skip
def test_a_broken_alignment(
    kept: Path, name: str, value: object, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    items = json.loads((kept / "shift.json").read_text())
    (kept / "x.json").write_text(json.dumps(items | {name: value}))
    _is_refused(kept, said, capfd)


@pytest.mark.parametrize(("name", "value", "said"), [
    ("status", "dreaming", "status is 'dreaming'"), ("status", ["done"], "status is ['done']"),
    ("seconds", "long", "seconds is 'long'"), ("file", 3, "file must be text"), ("job", None, "job must be text"),
    ("scenes", [{"name": 3, "steps": []}], "name must be text"),
])  # fmt: skip
def test_a_broken_run(
    kept: Path, name: str, value: object, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    RunRecord(job="Survey", file="s.toml", started="", software="", scenes=[]).write(kept)
    items = json.loads((kept / "run.json").read_text())
    (kept / "x.json").write_text(json.dumps(items | {name: value}))
    _is_refused(kept, said, capfd)


def _is_refused(kept: Path, why: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "x.json"]) == 1
    said = capfd.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert "please report it" not in said
    assert why in said
    assert not (kept / "x.html").exists()


def test_scenes_of_like_names_have_places_of_their_own(kept: Path) -> None:
    step = StepRecord(step="align", command="align")
    scenes = [SceneRecord(name=n, steps=[step]) for n in ("a b", "a-b")]
    RunRecord(job="Survey", file="s.toml", started="", software="", scenes=scenes).write(kept)
    assert run(["report", "run.json"]) == 0
    ids = re.findall(r' id="([^"]*)"', (kept / "index.html").read_text())
    assert len(set(ids)) == len(ids) >= 2


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_engine_reads_for_the_pictures(
    kept: Path, workers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []
    inner = engine_options.EngineOptions.opened

    @contextlib.contextmanager
    def opened(self: Any) -> Any:
        with inner(self) as engine:
            used.append(engine)
            yield engine

    monkeypatch.setattr(engine_options.EngineOptions, "opened", opened)
    made = []
    monkeypatch.setattr(
        differences, "overview", lambda *a, **k: (made.append(k["engine"]), overview(*a, **k))[1]
    )
    monkeypatch.setattr(
        differences, "histogram_of", lambda *a, **k: (made.append(k["engine"]), histogram_of(*a, **k))[1]
    )  # fmt: skip
    assert run(["report", "shift.json", "--workers", workers]) == 0
    assert len(made) == 3
    assert all(engine is used[0] for engine in made)


@pytest.mark.parametrize("text", ["{}", "[1]", "no JSON", '{"scenes": 1}', '{"runs": [], "contraction": 3}',
                                  '{"areas": [], "variogram": {}}', '{"incidence": 1, "rpc_origin": ""}',
                                  '{"shift_x": 1}'])  # fmt: skip
def test_what_is_no_result(kept: Path, text: str, capfd: pytest.CaptureFixture[str]) -> None:
    (kept / "x.json").write_text(text)
    assert run(["report", "x.json"]) == 1
    said = capfd.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert "please report it" not in said
    assert not (kept / "x.html").exists()


def test_quality_comes_back_whole() -> None:
    bounds = [0.0, 0.0, 40.0, 20.0]
    grid = {"crs": "EPSG:32632", "shape": [10, 20], "resolution": [2.0, 2.0], "bounds": bounds}
    vectors: dict[str, Any] = {
        "against": "ref.tif", "count": 1, "ce90_m": 5.0, "ce90_px": None, "rms_m": 5.0, "median_east_m": 3.0,
        "median_north_m": 4.0, "refused": {"no data": 2}, "label": ["1", "2"], "x": [1.0, 2.0], "y": [1.0, 2.0],
        "east": [3.0, None], "north": [4.0, None], "weight": [0.9, 0.2],
    }  # fmt: skip
    items = {
        "output": grid, "dem": grid, "image_shape": [30, 40], "datum": "EGM96", "rpc_origin": "", "resampling": "cubic",
        "occlusion": "fill", "step": 1, "incidence": {"mean": 10.0, "low": 9.0, "high": 11.0}, "azimuth": 1.0,
        "bearing": 2.0, "hidden": 0.1, "hidden_is_whole": True, "coverage": 0.9, "image_coverage": 1.0, "outside": None,
        "domain": [{"name": "height", "low": 0.0, "high": 1.0, "unit": "m", "beyond": 0.0}], "vectors": [vectors],
    }  # fmt: skip
    assert quality_of(items).to_dict() == items
    with pytest.raises(InputError, match="not whole"):
        quality_of(items | {"vectors": [vectors | {"x": [1.0]}]})


def test_no_cell_is_a_formula() -> None:
    cells = ["=1+1", "+cmd", "-2+3", "@sum", "\tx", "\rx", "-1.5", "+1.5", "-1e-3", "ice"]
    text = without_formulas(table_csv(("=a", "b"), [(c, "1") for c in cells]))
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == ["'=a", "b"]
    assert [r[0] for r in rows] == [
        "'=1+1",
        "'+cmd",
        "'-2+3",
        "'@sum",
        "x",
        "x",
        "-1.5",
        "1.5",
        "-1e-3",
        "ice",
    ]
    own = Download(name="x.csv", label="x", text='name,v\n"=HYPERLINK(""a"")",-2\n')
    saved = base64.b64decode(own.href.partition("base64,")[2]).decode()
    assert saved == 'name,v\n"\'=HYPERLINK(""a"")",-2\n'


def test_names_of_areas_are_no_formulas(kept: Path) -> None:
    outlines = json.loads((kept / "ice.geojson").read_text())
    outlines["features"][0]["properties"]["name"] = "=1+1"
    (kept / "ice.geojson").write_text(json.dumps(outlines))
    assert run(["diff", "reference.tif", "a.tif", "--reference-heights", "ellipsoid", "-o", "dh.tif"]) == 0  # fmt: skip
    words = ["uncertainty", "dh.tif", "--areas", "ice.geojson", "--name", "name", "-o", "c.csv"]
    assert run(words) == 0
    header, *rows = csv.reader(io.StringIO((kept / "c.csv").read_text()))
    assert dict(zip(header, rows[0], strict=True))["name"] == "'=1+1"


def test_a_table_as_csv() -> None:
    text = table_csv(
        ("", "dh [m]", "share"),
        [("a, b", "\N{MINUS SIGN}1,234.50", "3\N{NO-BREAK SPACE}%"), ("c", "+0.25", "\N{EN DASH}")],
    )
    rows = list(csv.reader(io.StringIO(text)))
    assert rows == [["name", "dh [m]", "share"], ["a, b", "-1234.50", "3 %"], ["c", "0.25", ""]]
