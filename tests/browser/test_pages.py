"""Every kind of report in a real browser: quiet, complete, readable in both themes and on a phone, saved, printed."""

from __future__ import annotations

import csv
import io
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_KINDS = (
    "alignment", "blockwise", "orthoimage", "refinement", "convergence", "uncertainty", "demo", "rebuilt", "run",
)  # fmt: skip
_DESK, _PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
_LEAST_CONTRAST = 4.5  # WCAG 2.1, 1.4.3: of text
_SWIPES = {"alignment", "blockwise", "orthoimage", "demo"}

_PAPER = {"width": 718, "height": 1000}  # 190 mm: A4 within margins
_CUT = """() => [...document.querySelectorAll(".scroll")].filter(e => e.scrollWidth > e.clientWidth + 1)
  .map(e => e.getAttribute("aria-labelledby"))"""

# The contrast of each element that holds text of its own, over the grounds behind it, laid upon each other.
_CONTRASTS = """() => {
  const parts = c => { const v = c.match(/[\\d.]+/g).map(Number); return v.length < 4 ? [...v, 1] : v; };
  const over = (top, below) => [0, 1, 2].map(k => top[k] * top[3] + below[k] * (1 - top[3]));
  const light = c => {
    const [r, g, b] = c.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = e => e === null ? [255, 255, 255]
    : over(parts(getComputedStyle(e).backgroundColor), ground(e.parentElement));
  const found = [];
  for (const e of document.body.querySelectorAll("*")) {
    const own = [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent.trim()).join("");
    if (!own || ["SCRIPT", "NOSCRIPT", "STYLE"].includes(e.tagName) || e.offsetWidth === 0) continue;
    const behind = ground(e), ink = over(parts(getComputedStyle(e).color), behind);
    const [low, high] = [light(ink), light(behind)].sort((a, b) => a - b);
    found.push({text: own.slice(0, 40), contrast: (high + 0.05) / (low + 0.05)});
  }
  return found;
}"""
_GROUND = "() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
_HEADINGS = '() => [...document.querySelectorAll("h1, h2, h3, h4")].map(h => Number(h.tagName[1]))'
_IMAGES = """() => [...document.images].map(i =>
  ({alt: i.alt, natural: [i.naturalWidth, i.naturalHeight], shown: [i.clientWidth, i.clientHeight]}))"""
_TABLES = """() => [...document.querySelectorAll("section:has(table)")].map(s => ({
  heading: s.querySelector("h2").textContent,
  columns: [...s.querySelectorAll("thead tr > *")].map(c => c.textContent),
  rows: [...s.querySelectorAll("tbody tr")].map(r => [...r.children].map(c => c.innerText)),
}))"""
_AT = (
    '() => parseFloat(getComputedStyle(document.querySelector(".swipe")).getPropertyValue("--at"))'
)


class Opened:
    """A page in the browser, and what it said and asked for."""

    def __init__(self, browser: Any, path: Path) -> None:
        self.context = browser.new_context(viewport=_DESK, color_scheme="light")
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri(), wait_until="load")


@pytest.fixture(scope="module", params=_KINDS)
def opened(browser: Any, reports: Path, request: pytest.FixtureRequest) -> Any:
    """A page of each kind, opened once."""
    folder = reports / "out" if request.param == "run" else reports
    made = Opened(browser, folder / f"{request.param}.html")
    made.kind = request.param
    yield made
    made.context.close()


@pytest.fixture(autouse=True)
def at_a_desk(request: pytest.FixtureRequest) -> None:
    """Bring the page back to what it was opened as."""
    if "opened" in request.fixturenames:
        page = request.getfixturevalue("opened").page
        page.set_viewport_size(_DESK)
        page.emulate_media(color_scheme="light", media="screen")


def picture_of(shot: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))


def test_it_is_quiet_and_asks_for_nothing(opened: Any) -> None:
    assert opened.said == []
    others = [url for url in opened.asked if not url.startswith("data:")]
    assert others == [opened.page.url]


def test_headings_and_images(opened: Any) -> None:
    levels = opened.page.evaluate(_HEADINGS)
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    images = opened.page.evaluate(_IMAGES)
    assert bool(images) != (opened.kind == "run")
    for image in images:
        assert len(image["alt"]) > 10
        assert min(image["natural"]) >= 100, image
        assert min(image["shown"]) >= 100, image
    assert len(opened.page.title()) > 10
    assert opened.page.evaluate("document.documentElement.lang") == "en"


def test_light_and_dark_can_be_read(opened: Any) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        opened.page.emulate_media(color_scheme=scheme)
        grounds.append(sum(opened.page.evaluate(_GROUND)[:3]))
        found = opened.page.evaluate(_CONTRASTS)
        assert len(found) > 20
        assert [f for f in found if f["contrast"] < _LEAST_CONTRAST] == []
    assert grounds[0] > 700
    assert grounds[1] < 150


def test_it_is_not_blank_and_fits_a_phone(opened: Any) -> None:
    for viewport in (_DESK, _PHONE):
        opened.page.set_viewport_size(viewport)
        too_wide = opened.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert too_wide <= 0
        pixels = picture_of(opened.page.screenshot(full_page=True, type="jpeg", quality=60))
        assert pixels.shape[1] == viewport["width"]
        colours = Counter(map(bytes, pixels[::4, ::4].reshape(-1, 3)))
        assert len(colours) > (30 if opened.kind == "run" else 300)
        assert colours.most_common(1)[0][1] < 0.97 * colours.total()


def test_the_divider_moves(opened: Any) -> None:
    assert opened.page.locator(".swipe").count() == (opened.kind in _SWIPES) + (
        opened.kind in ("demo", "rebuilt")
    )
    if not opened.page.locator(".swipe").count():
        return
    swipe = opened.page.locator(".swipe").first
    swipe.scroll_into_view_if_needed()
    box = swipe.bounding_box()
    middle = box["y"] + box["height"] / 2
    before = picture_of(swipe.screenshot())
    mouse = opened.page.mouse
    mouse.move(box["x"] + box["width"] / 2, middle)
    mouse.down()
    mouse.move(box["x"] + box["width"] / 4, middle, steps=5)
    mouse.up()
    assert opened.page.evaluate(_AT) == pytest.approx(25.0, abs=2.0)
    after = picture_of(swipe.screenshot())
    width = before.shape[1]
    changed = (before != after).any(axis=(0, 2))
    assert changed[width * 3 // 10 : width * 9 // 20].mean() > 0.5  # what the other image has taken
    assert not changed[width * 6 // 10 : width * 9 // 10].any()
    at = opened.page.evaluate(_AT)
    for key, step in (("ArrowRight", 0.5), ("ArrowRight", 1.0), ("ArrowLeft", 0.5)):
        opened.page.keyboard.press(key)
        assert opened.page.evaluate(_AT) == pytest.approx(at + step, abs=1e-6)
    opened.page.keyboard.press("Home")
    assert opened.page.evaluate(_AT) == 0.0
    opened.page.keyboard.press("End")
    assert opened.page.evaluate(_AT) == 100.0


def test_tables_can_be_saved(opened: Any) -> None:
    tables = opened.page.evaluate(_TABLES)
    links = opened.page.locator("a[download]")
    assert tables
    assert links.count() == len(tables)
    names = []
    for k, table in enumerate(tables):
        with opened.page.expect_download() as download:
            links.nth(k).click()
        names.append(download.value.suggested_filename)
        text = Path(download.value.path()).read_text(encoding="utf-8")
        header, *rows = csv.reader(io.StringIO(text))
        assert all(len(row) == len(header) for row in rows)
        if links.nth(k).inner_text() != "Save as CSV":  # all of it, with all digits
            assert len(rows) >= len(table["rows"])
            continue
        assert header == [c or "name" for c in table["columns"]]
        assert len(rows) == len(table["rows"])
        for shown, saved in zip(table["rows"], rows, strict=True):
            for cell, value in zip(shown, saved, strict=True):
                plain = cell.replace("\N{MINUS SIGN}", "-").replace(",", "").lstrip("+")
                if "\n" not in cell and plain.replace(".", "").lstrip("-").isdigit():
                    assert float(value) == float(plain)
    assert len(set(names)) == len(names)
    assert all(name.endswith(".csv") for name in names)


def test_it_can_be_printed(opened: Any) -> None:
    """Also by whose screen is dark: paper is white, and nothing can be scrolled on it."""
    opened.page.emulate_media(media="print", color_scheme="dark")
    opened.page.set_viewport_size(_PAPER)
    assert opened.page.evaluate(_GROUND) == [255, 255, 255]
    assert opened.page.evaluate("[...document.images].every(i => i.currentSrc === i.src)")
    assert opened.page.evaluate(_CUT) == []
    printed = opened.page.pdf(format="A4")
    assert printed.startswith(b"%PDF-")
    assert printed.rstrip().endswith(b"%%EOF")
    assert len(printed) > 20_000


def test_a_result_is_reported_again_without_what_is_gone(browser: Any, reports: Path) -> None:
    made = Opened(browser, reports / "rebuilt.html")
    said = made.page.locator(".warnings").inner_text()
    assert "not found: ice.geojson" in said
    assert "of all terrain" in said
    first = Opened(browser, reports / "alignment.html")
    facts = [p.page.locator(".facts").inner_text() for p in (made, first)]
    assert facts[0] == facts[1]
    made.context.close()
    first.context.close()
