"""The report of a study of convergence: one file, complete, and true to the numbers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from classic_scenes import camera, dem_of, rough, town
from trueground.convergence import Outcome, study
from trueground.errors import WriteError
from trueground.plot import figure
from trueground.plot.convergence import OUTCOME_COLOURS, plot_convergence, plot_outcomes, plot_sight
from trueground.report.convergence import write_convergence_report
from trueground.report.solvers import solver_rows, trace_rows
from trueground.rpc.trace import trace

MINUS = "\N{MINUS SIGN}"


@pytest.fixture(scope="module")
def city():
    rpc, dem = camera((0.3, -0.4)), dem_of(town)
    axis = np.arange(605.0, 1400.0, 20.0)
    return study(rpc, dem, axis, axis[:25]), trace(rpc, dem, 1010.0, 930.0)


def written(path: Path, city, **more) -> str:
    found, steps = city
    write_convergence_report(
        path, result=found, inputs={"image": "in/scene.tif", "dem": "town <1>.tif"}, trace=steps,
        traced=(1010.0, 930.0), command="trueground converge scene.tif", **more,
    )  # fmt: skip
    return path.read_text(encoding="utf-8")


def test_the_page_says_what_was_found(city, tmp_path):
    page = written(tmp_path / "r.html", city)
    found = city[0]
    assert "From image to ground: scene.tif" in page
    for row in solver_rows(found):
        assert row[0] in page
        assert row[1].replace(" ", " ") in page
    for anchor in ("solvers", "outcomes", "iterations", "why", "contraction", "sight", "arrivals", "starts",
                   "where-starts", "trace", "inputs", "command"):  # fmt: skip
        assert f'id="{anchor}"' in page
    assert "town &lt;1&gt;.tif" in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert "nan" not in re.sub(r"data:[^\"]+", "", page).lower().split(">")  # no cell of NaN


def test_a_view_in_which_nothing_fails(tmp_path):
    rpc, dem = camera(), dem_of(rough(3.0))
    axis = np.arange(800.0, 1200.0, 25.0)
    found = study(rpc, dem, axis, axis)
    write_convergence_report(tmp_path / "r.html", result=found, inputs={})
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "0.00" in page
    assert 'id="trace"' not in page
    assert "The slowest pixel" in page


def test_nothing_half_written(city, tmp_path):
    with pytest.raises(WriteError):
        written(tmp_path / "missing" / "r.html", city)


def test_rows_say_little_is_not_nothing(city):
    rows = solver_rows(city[0])
    assert next(row[0] for row in rows) == "gdal"
    shares = [float(row[1].split()[0]) for row in rows]
    assert shares[0] == pytest.approx(100.0 * city[0].gdal.share(Outcome.RIGHT), abs=0.005)
    assert trace_rows(city[1])[0][:2] == ("certified", "0")


def test_maps_have_the_first_row_on_top(city):
    """The picture at a pixel's row and column has the colour of its outcome."""
    found = city[0]
    fig = figure(5, 6, dpi=200, layout=None)
    ax = fig.add_axes((0.1, 0.1, 0.8, 0.8))
    plot_outcomes(found, found.substitution, ax)
    fig.canvas.draw()
    pixels = np.asarray(fig.canvas.buffer_rgba())[..., :3]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    for i in range(0, found.rows.size, 7):
        for j in range(0, found.cols.size, 5):
            x, y = ax.transData.transform((found.cols[j], found.rows[i]))
            colour = pixels[pixels.shape[0] - 1 - int(y), int(x)] / 255.0
            wanted = to_rgb(OUTCOME_COLOURS[Outcome(int(found.substitution.outcome[i, j]))])
            np.testing.assert_allclose(colour, wanted, atol=0.02)


def test_curves_hold_the_numbers(city):
    found = city[0]
    ax = plot_convergence(found, figure(4, 3).subplots())
    for line, run in zip(ax.lines, (found.gdal, found.substitution), strict=True):
        never = 100.0 * (1.0 - run.share(Outcome.RIGHT))
        # A logarithmic axis shows none of n as half of one of them.
        assert line.get_ydata()[-1] == pytest.approx(max(never, 50.0 / found.seen.sum()))
    assert found.substitution.share(Outcome.RIGHT) < 1.0
    ax = plot_sight(found.sight, figure(4, 3).subplots())
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), found.sight.surface)
