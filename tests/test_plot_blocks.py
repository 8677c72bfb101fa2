"""Figures and report of a blockwise result, out of what its JSON holds."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from known_blocks import result
from trueground.errors import InputError
from trueground.plot import figure, figure_png
from trueground.plot.blocks import plot_all_tiles, plot_block_arrows, plot_shift_field, plot_tiles
from trueground.report.blocks import blockwise_sections
from trueground.report.page import Page, PicturesSection, TableSection


@pytest.fixture(scope="module")
def found():
    return result()


def test_numbers_and_verdicts_stand_in_the_cells(found):
    fig = plot_all_tiles(found)
    maps = fig.axes[:3]
    assert [ax.get_title() for ax in maps] == [
        "shift x (east) [m]", "shift y (north) [m]", "shift z (up) [m]",
    ]  # fmt: skip
    for k, ax in enumerate(maps):
        said = {t.get_position(): t.get_text() for t in ax.texts}
        assert len(said) == 64
        assert said[3, 2] == f"{found.blocks[19].shift[k]:.2f}".replace("-", "\N{MINUS SIGN}")
        assert said[5, 0] == "too\nfew"
        hatched = [p for p in ax.patches if p.get_hatch()]
        assert sorted(p.get_xy() for p in hatched) == [(-0.5, 4.5), (4.5, -0.5)]
    figure_png(fig)


@pytest.mark.parametrize("shift", [(-460.0, -459.0, 0.0), (12345.25, 12347.5, 1.0)])
def test_ticks_of_colour_scales_stand_apart(found, shift):
    blocks = tuple(
        replace(b, shift=(b.shift[0], shift[0] + (shift[1] - shift[0]) * n / 64.0, 0.0))
        for n, b in enumerate(found.blocks)
    )
    fig = figure(5.2, 6.1)
    plot_tiles(replace(found, blocks=blocks), fig.subplots(), axis="y")
    fig.canvas.draw()
    scale = fig.axes[1]
    drawn = [t.get_window_extent() for t in scale.get_xticklabels() if t.get_text()]
    inside = sorted(
        (b for b in drawn if scale.bbox.x0 <= (b.x0 + b.x1) / 2.0 <= scale.bbox.x1),
        key=lambda b: b.x0,
    )
    assert len(inside) >= 2
    assert all(a.x1 < b.x0 for a, b in pairwise(inside))


def test_colour_scales_count_from_nought_however_little_shifts_differ(found):
    blocks = tuple(
        replace(b, shift=(0.0, 1234.5 + 1e-5 * n, 0.0)) for n, b in enumerate(found.blocks)
    )
    fig = figure(4, 4)
    plot_tiles(replace(found, blocks=blocks), fig.subplots(), axis="y")
    fig.canvas.draw()
    assert fig.axes[1].xaxis.get_offset_text().get_text() == ""
    assert any(t.get_text().startswith("1234.5") for t in fig.axes[1].get_xticklabels())


def test_no_minus_nought():
    zero = result("constant", shift=(-0.001, 0.0, 0.0))
    ax = plot_tiles(zero, figure(5, 5).subplots(), axis="x")
    assert {t.get_text() for t in ax.texts} == {"0.00", "too\nfew"}


def test_arrows_point_where_blocks_are_shifted(found):
    ax = figure(4, 4).subplots()
    factor = plot_block_arrows(found, ax)
    arrows = ax.collections[0]
    good = [b for b in found.blocks if b.verdict == "ok"]
    np.testing.assert_allclose(arrows.get_offsets(), [(b.x, b.y) for b in good])
    np.testing.assert_allclose(arrows.U, [factor * b.shift[0] for b in good])
    np.testing.assert_allclose(arrows.V, [factor * b.shift[1] for b in good])
    assert len(ax.lines[0].get_xdata()) == 2


def test_map_of_the_field_has_north_up(found):
    ax = plot_shift_field(found, figure(4, 4).subplots(), axis="y")
    values = np.asarray(ax.images[0].get_array())
    west, _, _, north = ax.images[0].get_extent()
    corner = found.shifts.at(west + 20.0, north - 20.0)[1]
    assert values[0, 0] == pytest.approx(corner, abs=0.2)
    assert [len(line.get_xdata()) for line in ax.lines] == [62, 2]


def test_report_is_made_of_what_was_saved(found):
    saved = json.loads(found.to_json())
    sections = blockwise_sections(saved)
    assert [s.anchor for s in sections] == [
        "blocks", "arrows", "verdicts", "passes", "field", "table-of-blocks",
    ]  # fmt: skip
    pictures, arrows, verdicts, _, _, table = sections
    assert isinstance(pictures, PicturesSection)
    assert isinstance(arrows, PicturesSection)
    assert [len(s.pictures) for s in (pictures, arrows)] == [3, 1]
    assert isinstance(verdicts, TableSection)
    assert [line[:2] for line in verdicts.rows] == [("ok", "62"), ("too few", "2")]
    assert verdicts.rows[1][3] == "a lake"
    assert isinstance(table, TableSection)
    assert len(table.rows) == 64
    assert table.rows[19][0] == "2, 3"
    assert table.rows[5][-1] == "too few"
    assert "5.00\N{NO-BREAK SPACE}m before any pass" in table.note
    assert table.download is not None
    lines = list(csv.DictReader(io.StringIO(table.download.text)))
    assert float(lines[19]["shift_x"]) == found.blocks[19].shift[0]
    page = Page(title="a", lead="b", facts=(), sections=sections).render()
    assert "Table of the blocks" in page


def test_another_result_is_refused():
    with pytest.raises(InputError, match="not a blockwise alignment"):
        blockwise_sections({"shift_x": 1.0})
