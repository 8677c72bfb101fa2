"""Reports: what stands in them, and how a real browser shows them."""

from __future__ import annotations

import csv
import html
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry import box

from known_blocks import result
from trueground.errors import InputError, WriteError
from trueground.grid import Grid
from trueground.plot import blocks
from trueground.raster import ArrayRaster
from trueground.report import write_alignment_report, write_demo_report
from trueground.report.blocks import blockwise_sections
from trueground.report.page import TableSection
from trueground.report.pictures import common_grid, encoded
from trueground.report.text import MISSING, number, percent_change, plain, quantity, towards

MINUS = "\N{MINUS SIGN}"
UTM = CRS(32632)
GRID = Grid(crs=UTM, transform=Affine(20, 0, 5e5, 0, -20, 5e6), shape=(120, 150))
OUTLINES = gpd.GeoSeries([box(500600, 4998600, 501400, 4999400)], crs=UTM)
RESULT: dict[str, Any] = {
    "method": "nuth-kaab",
    "shift_x": 10.014,
    "shift_y": -1.964,
    "shift_z": -0.0004,
    "matrix": np.eye(4).tolist(),
    "centroid": [501500.0, 4998800.0, 300.0],
    "nmad_before": 5.312,
    "nmad_after": 2.07,
    "iterations": [{"shift_x": 9.9, "nmad": 2.2}, {"shift_x": 0.1, "nmad": None}],
    "statistics": {
        "before": {"count": 18000, "median": -1.25, "nmad": 5.312, "rmse": 6.0, "le90": 9.0},
        "after": {"count": 17990, "median": 0.01, "nmad": 2.07, "rmse": 2.5, "le90": 4.0},
    },
    "crs": "EPSG:32632",
    "units": "metre",
}


def relief() -> NDArray[np.float32]:
    rows, cols = np.mgrid[: GRID.shape[0], : GRID.shape[1]]
    return (300 + 80 * np.sin(rows / 11) + 90 * np.cos(cols / 13 + rows / 29)).astype(np.float32)


def difference(spread: float) -> ArrayRaster:
    values = np.random.default_rng(4).normal(0, spread, GRID.shape).astype(np.float32)
    values[10:20, 30:50] = np.nan
    return ArrayRaster(array=values, grid=GRID)


def orthoimages() -> list[ArrayRaster]:
    """Left bright and right dark, and a second one that reaches further to the south-east."""
    made = []
    for east, level in ((0.0, 30), (40.0, 90)):
        values = np.full((1, 200, 240), level, dtype=np.uint8)
        values[:, :, :120] += 120
        values[:, 60:100, 60:200] += 20
        values[:, :8] = 0
        transform = Affine(2, 0, 5e5 + east, 0, -2, 5e6 - east)
        grid = Grid(crs=UTM, transform=transform, shape=(200, 240))
        made.append(ArrayRaster(array=values, grid=grid, nodata=0))
    return made


def demo(path: Path, **changes: Any) -> str:
    arguments: dict[str, Any] = {
        "alignment": RESULT,
        "before": difference(5.0),
        "after": difference(2.0),
        "reference": ArrayRaster(array=relief(), grid=GRID),
        "outlines": OUTLINES,
        "truth": {"shift_x": 10.0, "shift_y": -2.0, "shift_z": 0.0, "Height RMSE": 0.21},
        "images": orthoimages(),
        "numbers": {"RPC residual": (0.004, "px"), "Pixels": 12345, "Verdict": "good"},
        "command": "trueground demo demo",
    }
    write_demo_report(path, **(arguments | changes))
    return path.read_text(encoding="utf-8")


def alignment(path: Path, **changes: Any) -> str:
    arguments: dict[str, Any] = {
        "result": RESULT,
        "before": difference(5.0),
        "after": difference(2.0),
        "inputs": {"reference": "/data/ref.tif", "moving": Path("mov.tif")},
        "command": "trueground align ref.tif mov.tif -o out.tif",
    }
    write_alignment_report(path, **(arguments | changes))
    return path.read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Collects elements and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "input", "source"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def readable(page: str) -> str:
    """The text that a reader sees, with plain spaces."""
    body = re.sub(r"<style>.*?</style>|<script>.*?</script>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_alignment_says_how_sure_it_is(tmp_path: Path) -> None:
    turned = RESULT | {"rotations": [0.01, -0.02, 0.0], "scale": 1.0}
    sure = [0.012, 0.34, 0.5, 0.001, 0.002, 0.003]
    text = readable(alignment(tmp_path / "r.html", result=turned | {"errors": sure}))
    assert "+10.01 m ± 0.012 m" in text
    assert "± 0.50 m" in text
    assert f"+0.01000, {MINUS}0.02000, 0.00000° ± 0.00100, 0.00200, 0.00300°" in text
    assert "Scale" not in text
    text = readable(alignment(tmp_path / "r.html"))
    assert "±" not in text
    assert "Rotation" not in text


def test_pipeline_has_the_matrix_and_errors_of_its_motion(tmp_path: Path) -> None:
    motion = {"matrix": RESULT["matrix"], "errors": [0.25, 0.5, 0.75], "centroid": [1.0, 2.0, 3.0]}
    chain = {k: v for k, v in RESULT.items() if k not in ("matrix", "centroid")}
    text = readable(alignment(tmp_path / "r.html", result=chain | {"alignment": motion}))
    assert "Matrix 1, 0, 0, 0 0, 1, 0, 0" in text
    assert "Centroid 1, 2, 3" in text
    assert "± 0.75 m" in text


def test_alignment_says_what_was_done(tmp_path: Path) -> None:
    text = readable(alignment(tmp_path / "r.html", warnings=["Datums differ."]))
    assert (
        "mov.tif was moved 10.01 m east, 1.96 m south and 0.00 m down onto ref.tif; "
        "the NMAD of their difference went from 5.31 m to 2.07 m." in text
    )
    assert text.index("Datums differ.") < text.index("NMAD of dh")
    assert f"NMAD [m] 5.31 2.07 {MINUS}61 %" in text
    assert f"Median [m] {MINUS}1.25 0.01" in text
    assert "Pixels 18,000 17,990" in text
    assert f"≤ {MINUS}20 m" in text
    assert "≥ +20 m" in text
    assert "trueground align ref.tif mov.tif -o out.tif" in text
    assert "/data/ref.tif" in text


def test_alignment_without_statistics(tmp_path: Path) -> None:
    """What is missing is left out, and NaN is no number."""
    few = {"shift_x": 1.0, "shift_y": float("nan"), "nmad_before": 5.0, "nmad_after": None}
    text = readable(alignment(tmp_path / "r.html", result=few, inputs={}, command=""))
    assert f"moving DEM was moved 1.00 m east, {MISSING} north and {MISSING} up" in text
    assert f"NMAD [m] 5.00 {MISSING} {MISSING}" in text
    assert "nan" not in text.lower()
    assert "Iterations" not in text
    assert "Mind this" not in text


def test_all_nodata_is_still_a_page(tmp_path: Path) -> None:
    empty = ArrayRaster(array=np.full(GRID.shape, np.nan, dtype=np.float32), grid=GRID)
    page = alignment(tmp_path / "r.html", result={}, before=empty, after=empty)
    assert "no data" in page


def test_demo_says_how_good_it_is(tmp_path: Path) -> None:
    text = readable(demo(tmp_path / "r.html"))
    assert "Shift east [m] +10.01 +10.00 +0.014" in text
    assert f"Shift north [m] {MINUS}1.96 {MINUS}2.00 +0.036" in text
    assert "Error of the shift 0.036 m" in text
    assert "Height RMSE 0.21 m" in text
    assert "RPC residual 0.0040 px" in text
    assert "Pixels 12,345" in text
    with pytest.raises(InputError, match="exactly two"):
        demo(tmp_path / "r.html", images=orthoimages()[:1])


def test_the_page_is_complete_and_accessible(tmp_path: Path) -> None:
    page = demo(tmp_path / "r.html")
    assert re.findall(r"(?:https?:)?//[a-z]\S*", re.sub(r"data:[^\"']*", "", page)) == []
    found = Elements(page)
    assert found.open == []
    images = found.all("img")
    assert (
        len(images) == 12
    )  # twice two to swipe and two small, a histogram, what dh depends on in three
    for image in images:
        assert (image["src"] or "").startswith("data:image/")
        assert len(image["alt"] or "") > 10
        assert 100 < int(image["width"] or 0) < 2000
        assert 100 < int(image["height"] or 0) < 2000
    identifiers = [a["id"] for _, a in found.elements if "id" in a]
    assert len(identifiers) == len(set(identifiers))
    for section in found.all("section"):
        assert section["aria-labelledby"] in identifiers
    assert len(found.all("h1")) == 1
    sliders = found.all("input")
    assert len(sliders) == 2
    for slider in sliders:
        assert slider["type"] == "range"
        assert slider["aria-label"]
    assert page.count("prefers-color-scheme: dark") >= 2
    assert len(page) < 6_000_000


def test_the_same_results_give_the_same_page(tmp_path: Path) -> None:
    assert demo(tmp_path / "a.html") == demo(tmp_path / "b.html")


def test_names_cannot_become_code(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    result = RESULT | {"method": evil, "crs": evil, "units": evil, "parameters": {evil: evil}}
    result["iterations"] = [{evil: evil}]
    page = alignment(
        tmp_path / "a.html",
        result=result,
        inputs={"moving": evil, "reference": evil, evil: [evil]},
        warnings=[evil],
        command=evil,
    )
    page += demo(tmp_path / "d.html", numbers={evil: evil}, image_names=(evil, evil), command=evil)
    assert "&lt;script&gt;" in page
    assert page.count("<script>") == 2
    assert "<img src=x" not in page
    assert all("onerror" not in a for _, a in Elements(page).elements)


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="does not exist"):
        alignment(tmp_path / "no" / "r.html")


def test_the_histogram_leaves_out_the_outlines(tmp_path: Path, monkeypatch: Any) -> None:
    from trueground.report import differences as module

    totals: list[int] = []
    original = module.histogram_of

    def spy(*args: Any, **kwargs: Any) -> Any:
        found = original(*args, **kwargs)
        totals.append(found.total)
        return found

    monkeypatch.setattr(module, "histogram_of", spy)
    alignment(tmp_path / "r.html")
    alignment(tmp_path / "r.html", outlines=OUTLINES.to_crs(4326))
    inside = 40 * 40  # px of 20 m in 800 m x 800 m; the hole of the data lies elsewhere
    assert totals[0] - totals[2] == inside
    mask = ArrayRaster(array=np.zeros(GRID.shape, dtype=np.uint8), grid=GRID)
    mask.array[0, 50:60, 50:60] = 1
    text = readable(alignment(tmp_path / "r.html", outlines=OUTLINES, valid=mask))
    assert totals[4:] == [100, 100]
    assert "on stable terrain" in text


def test_shifts_in_degrees(tmp_path: Path) -> None:
    geographic = RESULT | {"crs": CRS(4326).to_wkt(), "units": None, "shift_x": 1.23e-5}
    text = readable(alignment(tmp_path / "r.html", result=geographic, inputs={"exclude": []}))
    assert "was moved 0.0000123° east" in text
    assert "WGS 84 (EPSG:4326)" in text
    assert "GEOGCRS" not in text
    assert "Exclude" not in text


def test_grids_are_joined() -> None:
    first, second = (image.grid for image in orthoimages())
    joined = common_grid(first, second)
    assert joined.shape == (220, 260)
    assert joined.bounds == (5e5, 5e6 - 440, 5e5 + 520, 5e6)
    assert common_grid(first, first) == first


def test_large_pictures_are_webp() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (500, 500, 3), dtype=np.uint8)
    assert encoded(noise).startswith("data:image/webp;base64,")
    assert encoded(noise // 255).startswith("data:image/png;base64,")


def test_words_and_numbers() -> None:
    assert number(-0.001) == "0.00"
    assert number(-1234.5, decimals=1) == f"{MINUS}1,234.5"
    assert quantity(0.000_012_3, "°") == "0.0000123°"
    assert quantity(0.0042).startswith("0.0042")
    assert towards(None, ("east", "west")) == f"{MISSING} east"
    assert percent_change(0.0, 1.0) == ""
    assert percent_change(None, 1.0) == ""
    assert plain([1, None, 2.5, True, "a"]) == f"1, {MISSING}, 2.5, yes, a"
    assert plain(float("inf")) == MISSING
    assert plain(-5192500.0) == f"{MINUS}5,192,500.0"


# ------------------------------------------------------------------ in a browser


def test_reasons_and_numbers_are_promised_where_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    found = result().to_dict()
    assert "the reason in a word" in blockwise_sections(found)[0].text
    monkeypatch.setattr(blocks, "_MOST_NUMBERS", 7)  # the result has 8 a side
    tiles, *_, table = blockwise_sections(found)
    assert "in a word" not in tiles.text
    assert "in the CSV file below the table of the blocks" in tiles.text
    assert isinstance(table, TableSection)
    assert table.download is not None
    rows = list(csv.DictReader(io.StringIO(table.download.text)))
    assert len(rows) == 64
    assert [r["reason"] for r in rows if r["verdict"] != "ok"] == ["a lake", "a lake"]
