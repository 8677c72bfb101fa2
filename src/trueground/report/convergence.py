"""The report of how the solvers from image to ground converge, and why they fail where they do."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from trueground.convergence import Convergence, Outcome, Run, Sight
from trueground.convergence.geometry import mean_azimuth, median_of
from trueground.plot.convergence import (
    longest_of,
    outcome_legend,
    plot_contraction,
    plot_convergence,
    plot_iterations,
    plot_outcomes,
    plot_sight,
    plot_start_heights,
    plot_starts_right,
)
from trueground.plot.style import MINUS
from trueground.report.closing import closing_sections
from trueground.report.page import Fact, Page, PicturesSection, Section, TableSection
from trueground.report.pictures import figure_picture
from trueground.report.solvers import (
    SOLVER_COLUMNS,
    TRACE_COLUMNS,
    percent,
    solver_rows,
    trace_rows,
)
from trueground.report.text import number, quantity
from trueground.rpc.trace import TracedStep
from trueground.writer import write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HALF = 4.8  # inches, width of a figure in half a page


def write_convergence_report(
    path: str | os.PathLike[str],
    *,
    result: Convergence,
    inputs: Mapping[str, Any],
    trace: Sequence[TracedStep] = (),
    traced: tuple[float, float] | None = None,
    command: str = "",
) -> None:
    """Write the report of a study of convergence as one HTML file, whole or not at all.

    Parameters
    ----------
    path
        Name of the file; its folder must exist.
    result
        What `trueground.convergence.study` found.
    inputs
        What went in, name to value.
    trace
        Every step at one pixel, see `trueground.rpc.trace`.
    traced
        Row and column of that pixel.
    command
        Command that makes the result again.

    Raises
    ------
    WriteError
        Where the file could not be written.
    """
    name = str(inputs.get("image") or "an image").rsplit("/", maxsplit=1)[-1]
    sections: list[Section] = [
        _solvers_section(result),
        _outcomes_section(result),
        _iterations_section(result),
        _why_section(result),
        _contraction_section(result),
        *(() if result.sight is None else (_sight_section(result.sight),)),
        _arrivals_section(result),
        _starts_section(result),
        _starts_map_section(result),
    ]
    if trace and traced is not None:
        sections.append(_trace_section(trace, traced))
    settings = {
        "pixels": f"{result.rows.size} x {result.cols.size}",
        "tolerance": f"{result.tolerance:g} px",
        "iterations at most": result.max_iterations,
        "a hit is wrong beyond": quantity(result.limit),
    }
    page = Page(
        title=f"From image to ground: {name}",
        lead=_lead(result),
        facts=_facts(result),
        sections=(*sections, *closing_sections({**inputs, **settings}, command)),
    )
    write_text(path, page.render())


def _lead(result: Convergence) -> str:
    def said(run: Run) -> str:
        tally = run.tally()
        return f"{percent(tally.wrong)} came to a wrong point and {percent(tally.failed)} failed"

    return (
        f"{number(float(result.seen.sum()), decimals=0)} pixels see ground. With GDAL's iteration {said(result.gdal)}; "
        f"with height substitution {said(result.substitution)}. "
        "The certified solver finds the visible point of each of them."
    )


def _facts(result: Convergence) -> tuple[Fact, ...]:
    inside = result.contraction[np.isfinite(result.contraction)]
    low, high = np.percentile(inside, (1, 99)) if inside.size else (math.nan, math.nan)
    off = (1.0 - run.tally().right for run in (result.gdal, result.substitution))
    gdal, substitution = (percent(share) for share in off)
    return (
        Fact(label="GDAL, not the point seen", value=gdal),
        Fact(label="Height substitution, not the point seen", value=substitution),
        Fact(
            label="Contraction factor",
            value=f"{number(low)} to {number(high)}",
            note="1st to 99th percentile",
        ),
        Fact(
            label="Depends on the start height",
            value=percent(result.depends_on_start),
            note="of the pixels",
        ),
    )


def _solvers_section(result: Convergence) -> TableSection:
    unfounded = sum(run.tally().unfounded for run in result.runs)
    beside = (
        f" {unfounded} hits of all runs belong to pixels of which no ground is known to be visible."
        if unfounded
        else ""
    )
    return TableSection(
        anchor="solvers",
        heading="The solvers in numbers",
        text=f"Of the pixels that see ground. A hit is wrong where it lies more than {quantity(result.limit)} "
        f"from the certified point. Steps are the median of the points that arrived, and the most.{beside}",
        columns=SOLVER_COLUMNS,
        rows=tuple(solver_rows(result)),
        note=f"Height substitution from {result.substitution.start_height:g} m starts in the middle of the RPC's "
        "heights, "
        "as it does by default.",
    )


def _pair(fig: Figure, result: Convergence) -> list[Axes]:
    """Make two axes with the names of the solvers above."""
    axes: list[Axes] = list(fig.subplots(1, 2, sharey=True))
    for ax, run in zip(axes, (result.gdal, result.substitution), strict=True):
        ax.set_title(run.solver, fontsize=10.5)
    return axes


def _height_of(result: Convergence, width: float, *, extra: float) -> float:
    """Return the height of a figure of maps so wide that leaves no space around them [inches]."""
    shape = float(np.ptp(result.rows) + 1.0) / float(np.ptp(result.cols) + 1.0)
    return float(np.clip(width * shape, 1.0, 3.0 * width)) + extra


def _outcomes_section(result: Convergence) -> PicturesSection:
    def draw(fig: Figure) -> None:
        axes = _pair(fig, result)
        for ax, run in zip(axes, (result.gdal, result.substitution), strict=True):
            plot_outcomes(result, run, ax)
        axes[1].set_ylabel("")
        outcome_legend((result.gdal, result.substitution), axes[0])

    alt = "Maps in the geometry of the image: where each solver came to the point seen, to a wrong one, or failed"
    return _half_section(
        "outcomes",
        heading="Where they fail",
        text="In rows and columns of the image.",
        draw=draw,
        height=_height_of(result, _HALF / 2.0 - 0.45, extra=1.1),
        alt=alt,
    )


def _iterations_section(result: Convergence) -> PicturesSection:
    from matplotlib.ticker import MaxNLocator

    runs = (result.gdal, result.substitution)
    longest = longest_of(runs)

    def draw(fig: Figure) -> None:
        axes = _pair(fig, result)
        for ax, run in zip(axes, runs, strict=True):
            picture = plot_iterations(result, run, ax, longest=longest)
        axes[1].set_ylabel("")
        fig.colorbar(picture, ax=axes, location="bottom", extend="max", label="iterations",
                     shrink=0.7, aspect=30, ticks=MaxNLocator(7, integer=True))  # fmt: skip

    alt = "Maps of the number of iterations of both solvers"
    size = (_HALF, _height_of(result, _HALF / 2.0 - 0.45, extra=1.6))
    return PicturesSection(
        anchor="iterations",
        half=True,
        heading="How long they take",
        text="Grey where there was no hit; red dots where one was due.",
        pictures=(figure_picture(draw, size, alt=alt),),
        plain=True,
    )


def _why_section(result: Convergence) -> TableSection:
    lean = median_of(result.incidence)
    tangent = math.tan(math.radians(lean))
    rows = []
    for low, high, which in result.classes():
        cells = [_class_name(low, high), number(float(which.sum()), decimals=0)]
        for run in (result.gdal, result.substitution):
            cells += [percent(run.share(o, which)) for o in (Outcome.WRONG, Outcome.FAILED)]
        rows.append(tuple(cells))
    steep = (
        f"Lines of sight lean by {number(lean, decimals=1)}° from the vertical (tangent {number(tangent)}), the sensor "
        f"stands at azimuth {number(mean_azimuth(result.azimuth), decimals=0)}°. So the factor passes {MINUS}1 on "
        f"slopes of more than {number(90.0 - lean, decimals=0)}° that face the sensor."
    )
    return TableSection(
        anchor="why",
        heading="Why",
        text="Both iterations go from a height on the line of sight to the DEM's height at that place, and again. Near "
        "a meeting of line and surface each step multiplies the error by the contraction factor: tan(incidence) times "
        f"the slope of the ground towards the sensor. Below 1 in size it shrinks, below {MINUS}1 it swings and grows. "
        f"{steep}",
        columns=(
            "Contraction factor", "pixels",
            "GDAL: wrong", "failed", "substitution: wrong", "failed",
        ),
        rows=tuple(rows),
        note=f"At a point that is seen the factor is below 1: the line comes from above. Where it is below {MINUS}1, "
        "substitution fails; GDAL's mean of two places is a secant step and saves many. Wrong hits have another cause, "
        "at any factor: the line meets the surface again, behind a ridge or a wall, and the iteration ends at "
        "whichever meeting it comes near. "
        "Failures at small factors come from the way, not from the end: a start far from the ground lies beside the "
        "DEM, or the way passes steep ground. Beside the DEM GDAL may also accept its first place, with a height that "
        "it made up.",
    )  # fmt: skip


def _class_name(low: float, high: float) -> str:
    if math.isinf(low):
        return f"below {number(high, decimals=1)}"
    if math.isinf(high):
        return f"above {number(low, decimals=1)}"
    return f"{number(low, decimals=1)} to {number(high, decimals=1)}"


def _contraction_section(result: Convergence) -> PicturesSection:
    def draw(fig: Figure) -> None:
        picture = plot_contraction(result, ax := fig.subplots())
        fig.colorbar(picture, ax=ax, extend="both", label="contraction factor", shrink=0.8)

    return _half_section(
        "contraction",
        heading="The contraction factor",
        text="At the point that each pixel sees. Red: ground that faces the sensor; blue: ground that falls away from "
        "it. Grey: no ground seen.",
        draw=draw,
        height=_height_of(result, _HALF - 1.6, extra=0.6),
        alt="Map of the contraction factor in the geometry of the image",
    )


def _sight_section(sight: Sight) -> PicturesSection:
    end = float(sight.way[-1])
    above = np.sign(sight.levels - sight.surface)
    known = above[np.isfinite(above)]
    meetings = int((np.diff(known) != 0.0).sum())
    where = f"pixel (row {sight.row:.1f}, column {sight.col:.1f})"
    story = {
        Outcome.WRONG: f"The line of {where} meets the surface {meetings} times. The highest meeting, at "
        f"{quantity(sight.visible, decimals=1)}, is what the pixel sees; from "
        f"{quantity(sight.start_height, decimals=0)} substitution came to {quantity(end, decimals=1)}.",
        Outcome.FAILED: f"At {where} the way from {quantity(sight.start_height, decimals=0)} never came to the point "
        f"seen, at {quantity(sight.visible, decimals=1)}.",
        Outcome.RIGHT: f"The slowest pixel (row {sight.row:.1f}, column {sight.col:.1f}): {sight.way.size - 1} steps "
        f"from {quantity(sight.start_height, decimals=0)} to {quantity(sight.visible, decimals=1)}.",
    }[sight.outcome]
    return _half_section(
        "sight",
        heading="One line of sight",
        text=f"{story} The slope of the curve where it crosses the diagonal is the contraction factor there.",
        draw=lambda fig: _on(fig, partial(plot_sight, sight)),
        height=4.1,
        alt="The DEM's height under one line of sight, and the way of height substitution",
    )


def _arrivals_section(result: Convergence) -> PicturesSection:
    return _half_section(
        "arrivals",
        heading="How fast they arrive",
        text="Share of the pixels that have not come to the point seen. A straight fall is a constant factor a step; "
        "the floor is what never arrives: wrong hits and failures.",
        draw=lambda fig: _on(fig, partial(plot_convergence, result)),
        height=3.2,
        alt="Curves of the share of pixels not yet at the point seen, by iteration",
    )


def _starts_section(result: Convergence) -> PicturesSection:
    return _half_section(
        "starts",
        heading="What the start height changes",
        text="Height substitution from several heights. A start far off moves the first place sideways, by "
        "tan(incidence) for each metre: beside the DEM, or behind a ridge. High starts meet the visible side first.",
        draw=lambda fig: _on(fig, partial(plot_start_heights, result)),
        height=3.2,
        alt="Shares of failures and wrong hits of height substitution, by start height",
    )


def _starts_map_section(result: Convergence) -> PicturesSection:
    def draw(fig: Figure) -> None:
        picture = plot_starts_right(result, ax := fig.subplots())
        fig.colorbar(
            picture, ax=ax, label="start heights that lead to the point seen [%]", shrink=0.8
        )

    return _half_section(
        "where-starts",
        heading="Where the start height matters",
        text=f"{percent(result.depends_on_start)} of the pixels depend on it: some starts lead to the point seen, "
        "some do not.",
        draw=draw,
        height=_height_of(result, _HALF - 1.6, extra=0.6),
        alt="Map of the share of start heights that lead to the point seen",
    )


def _trace_section(trace: Sequence[TracedStep], pixel: tuple[float, float]) -> TableSection:
    return TableSection(
        anchor="trace",
        heading=f"Every step at row {pixel[0]:g}, column {pixel[1]:g}",
        text="Places tried, with the DEM's height there, and how far from the pixel they are seen [px].",
        columns=TRACE_COLUMNS,
        rows=tuple(trace_rows(trace)),
    )


def _half_section(
    anchor: str,
    *,
    heading: str,
    text: str,
    draw: Callable[[Figure], None],
    height: float,
    alt: str,
) -> PicturesSection:
    """Return a section of half a page with one figure, `height` inches tall."""
    return PicturesSection(
        anchor=anchor,
        half=True,
        heading=heading,
        text=text,
        pictures=(figure_picture(draw, (_HALF, height), alt=alt),),
        plain=True,
    )


def _on(fig: Figure, draw: partial[Axes]) -> None:
    draw(fig.subplots())
