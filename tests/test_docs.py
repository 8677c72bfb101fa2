"""The documentation: links lead somewhere, commands and programs work, and the site asks nothing of the network."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import textwrap
from html.parser import HTMLParser
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

import trueground
from trueground.cli import app
from trueground.grid import Grid
from trueground.raster import ArrayRaster
from trueground.writer import write

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
ALL = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]
# Made when the documentation is built, see docs/scripts.
MADE = ("pictures/", "gallery/", "reference/", "changelog.md")


def called(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# Links and commands, without building anything ---------------------------------------------------


@pytest.mark.parametrize("page", ALL, ids=called)
def test_links_lead_to_files(page):
    text = page.read_text(encoding="utf-8")
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        place = target.split("#")[0]
        if not place or re.match(r"[a-z]+:", place):
            continue
        aim = (page.parent / place).resolve()
        made = aim.is_relative_to(DOCS) and aim.relative_to(DOCS).as_posix().startswith(MADE)
        if not made and not aim.exists():
            broken.append(target)
    assert broken == []


def commands_in(page: Path) -> list[str]:
    """The command lines of all blocks of code, continued lines joined; jobs and shells left out."""
    found = []
    for block in re.findall(r"(?ms)^```\w*\n(.*?)^```", page.read_text(encoding="utf-8")):
        lines = re.sub(r"\\\n\s*", " ", block).splitlines()
        found += [n.removeprefix("$ ") for n in lines if re.match(r"(\$ )?trueground ", n)]
    return found


@pytest.mark.parametrize("page", [p for p in ALL if commands_in(p)], ids=called)
def test_commands_are_understood(page):
    """Every option that the pages use exists, and takes what it is given; nothing is run."""
    for line in commands_in(page):
        words = shlex.split(line, comments=True)[1:]
        words = [w for w in words if w not in {"-q", "-v", "--quiet", "--verbose"}]
        if "--config" in words:
            del words[(at := words.index("--config")) : at + 2]
        if words[0].startswith("-") or "COMMAND" in words or "..." in words:
            continue
        try:
            app.parse_args(words, exit_on_error=False, print_error=False)
        except Exception as error:
            pytest.fail(f"{line}\n{type(error).__name__}: {error}")


def test_an_option_that_is_none_is_found():
    with pytest.raises(Exception, match="nonsense"):
        app.parse_args(
            ["diff", "a", "b", "-o", "c.tif", "--nonsense", "1"], exit_on_error=False, print_error=False
        )  # fmt: skip


# docs/from-xdem.md -------------------------------------------------------------------------------

XDEM = DOCS / "from-xdem.md"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two DEMs, outlines and points, small."""
    folder = tmp_path_factory.mktemp("xdem")
    grid = Grid(crs=CRS(32633), transform=Affine(10, 0, 5e5, 0, -10, 8e6), shape=(300, 320))
    rng = np.random.default_rng(1)

    def hills(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return 300.0 + 60.0 * np.sin(x / 190.0) * np.cos(y / 230.0) + 30.0 * np.sin((x + y) / 90.0)

    x, y = grid.xy(*grid.window.pixel_centres())
    for name, moved in (("reference", 0.0), ("moving", 7.0)):
        z = hills(x + moved, y - moved) - moved / 5.0 + rng.normal(0.0, 0.3, grid.shape)
        write(ArrayRaster(array=z.astype(np.float32), grid=grid), folder / f"{name}.tif")
    west, south, _, _ = grid.bounds
    box = shapely.box(west + 500, south + 500, west + 1000, south + 900)
    gpd.GeoDataFrame({"name": ["one"]}, geometry=[box], crs=grid.crs).to_file(folder / "glaciers.gpkg")  # fmt: skip
    lines = [
        "x,y,z",
        *(f"{a:.1f},{b:.1f},{c:.2f}" for a, b, c in rng.uniform(5e5, 5.01e5, (20, 3))),
    ]
    (folder / "points.csv").write_text("\n".join(lines))
    return folder


@pytest.mark.slow
def test_the_program_beside_xdems_runs(scene, tmp_path, monkeypatch, capsys):
    text = XDEM.read_text(encoding="utf-8")
    ours, theirs = (textwrap.dedent(b) for b in re.findall(r"(?ms)^ +```python\n(.*?)^ +```", text))
    assert "import xdem" in theirs
    ast.parse(theirs)
    for file in scene.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.chdir(tmp_path)
    exec(compile(ours.replace("block_size=500", "block_size=100"), str(XDEM), "exec"), {})
    before, after = map(float, re.findall(r"Error \w+: ([\d.]+) m", capsys.readouterr().out))
    assert after < before / 2.0
    assert (tmp_path / "before.png").stat().st_size > 10_000


def cells_of_ours() -> list[str]:
    """The code in the column of trueground, of all tables."""
    found = []
    for line in XDEM.read_text(encoding="utf-8").splitlines():
        if line.startswith("| ") and "trueground | " not in line:
            cells = [c.strip() for c in re.split(r"(?<!\\)\|", line.strip("|\n "))]
            found += re.findall(r"`([^`]+)`", cells[1])
    return [c for c in found if not c.startswith(("trueground ", "--"))]


def test_the_table_is_read():
    cells = cells_of_ours()
    assert len(cells) > 50
    assert "NuthKaab(bins=72)" in cells
    assert "found.to_xdem_meta()" in cells


@pytest.mark.slow
def test_what_the_table_says_can_be_done(scene, monkeypatch):
    """Every expression of the column of trueground is evaluated."""
    monkeypatch.chdir(scene)
    import trueground.accessor
    import trueground.terrain

    names = {n: getattr(trueground, n) for n in trueground.__all__ if not n.startswith("_")}
    reference, moving = (
        trueground.open_raster("reference.tif"),
        trueground.open_raster("moving.tif"),
    )
    mask = trueground.stable_terrain(reference.grid, exclude=["glaciers.gpkg"])
    dh = trueground.Difference(first=reference, second=moving)
    found = trueground.NuthKaab().fit(reference, moving)
    blocks = trueground.Blockwise(trueground.NuthKaab(), block_size=100).fit(reference, moving)
    variogram = trueground.Variogram.of(dh, valid=mask)
    known = {
        **names,
        "trueground": trueground, "CRS": CRS,
        "reference": reference, "moving": moving, "mask": mask, "dh": dh, "found": found, "path": "reference.tif",
        "glaciers": gpd.read_file("glaciers.gpkg"), "areas": gpd.read_file("glaciers.gpkg"),
        "variogram": variogram, "model": trueground.VariogramModel.fit(variogram), "sigma": None,
        "raster": ArrayRaster(array=np.ones(reference.grid.shape, np.float32), grid=reference.grid),
        "text": found.to_json(), "da": trueground.to_xarray(moving).isel(band=0),
        "fit": trueground.NuthKaab().fit,
    }  # fmt: skip
    for cell in cells_of_ours():
        if cell.startswith(("field", "unit", '"', "1 /")) or "Dask(" in cell:
            continue  # a word or a value; processes of their own are tested in test_cluster
        here = {**known, "found": blocks} if "as_xdem_meta" in cell else known
        code = cell.replace("...", "reference, moving")
        try:
            eval(code, here)
        except Exception as error:
            pytest.fail(f"{cell}: {type(error).__name__}: {error}")


# The built site ----------------------------------------------------------------------------------


class _Asked(HTMLParser):
    """What a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag in {"script", "img", "iframe", "source"}:
            self.loads.append(said.get("src") or "")
        if tag == "link" and said.get("rel") not in {"canonical", "next", "prev"}:
            self.loads.append(said.get("href") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation as `make docs` builds it, with no warnings."""
    for name in ("mkdocs", "material", "mkdocstrings"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(
                f"{name} is not installed: `make docs` installs what builds the documentation"
            )
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr, done.stderr
    return folder


@pytest.mark.slow
def test_the_site_asks_nothing_of_the_network(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        asked = _Asked()
        asked.feed(page.read_text(encoding="utf-8"))
        away = [load for load in asked.loads if re.match(r"(https?:)?//", load)]
        assert away == [], page.name
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert re.search(r"url\(['\"]?https?:|@import", text) is None, style.name


@pytest.mark.slow
def test_every_public_name_and_command_has_its_place(site):
    reference = {p.name: p.read_text(encoding="utf-8") for p in (site / "reference").glob("*.html")}
    every = "".join(reference.values())
    for name in trueground.__all__:
        if not name.startswith("_"):
            thing = getattr(trueground, name)
            assert f'id="{thing.__module__}.{thing.__qualname__}"' in every, name
    for command in app:
        if not command.startswith("-"):
            assert f'id="trueground-{command}"' in reference["commands.html"], command


@pytest.mark.slow
def test_the_gallery_shows_every_example_with_its_pictures(site):
    from PIL import Image

    for example in (ROOT / "examples").glob("*.py"):
        page = site / "gallery" / f"{example.stem}.html"
        shown = re.findall(rf'src="({example.stem}/[^"]+\.png)"', page.read_text(encoding="utf-8"))
        assert shown, example.name
        for picture in shown:
            with Image.open(page.parent / picture) as image:
                assert min(image.size) > 200


@pytest.mark.slow
def test_pictures_have_words_for_those_who_do_not_see_them(site):
    for page in site.rglob("*.html"):
        for tag in re.findall(r"<img [^>]*>", page.read_text(encoding="utf-8")):
            alt = re.search(r'alt="([^"]*)"', tag)
            assert alt is not None, f"{page.name}: {tag}"
            assert len(alt.group(1)) > 4, f"{page.name}: {tag}"
