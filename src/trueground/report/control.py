"""The report of a refinement: what the points say, and, where they were found by themselves, what was refused."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueground.control.patches import USED
from trueground.control.result import AutomaticControl, circular_error
from trueground.plot.residuals import plot_arrows, plot_residuals
from trueground.raster import Raster
from trueground.report.closing import closing_sections
from trueground.report.page import (
    Download,
    Fact,
    Page,
    PicturesSection,
    Section,
    TableSection,
)
from trueground.report.pictures import figure_picture
from trueground.report.text import file_name, number, quantity
from trueground.rpc.refine import Refinement
from trueground.writer import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LARGEST_TABLE = 200  # rows
_WIDE = 5.6  # inches, of the picture with arrows
_MARGIN = 1.12  # of the picture's height, for its legend


def write_refinement_report(
    path: str | os.PathLike[str],
    *,
    result: Refinement | AutomaticControl,
    image: Raster | None,
    inputs: Mapping[str, Any],
    command: str,
    warnings: Sequence[str] = (),
) -> None:
    """Write the report of a refinement as one HTML file, whole or not at all.

    Parameters
    ----------
    path
        Name of the file; its folder must exist.
    result
        The refinement, by points that were given or by automatic control.
    image
        The image, for the picture under the arrows; None: no picture of them.
    inputs
        What went in, name to value; `image` is in the title.
    command
        Command that makes the result again.
    warnings
        Sentences that stand at the top of the page.

    Raises
    ------
    WriteError
        Where the file could not be written.
    """
    found = result.refinement if isinstance(result, AutomaticControl) else result
    name = file_name(inputs.get("image"), "an image")
    page = Page(
        title=f"The RPC of {name}, refined",
        lead=_lead(result, found),
        facts=_facts(found),
        warnings=tuple(warnings),
        sections=(
            *_arrow_sections(result, found, image),
            *_patch_sections(result),
            _correction_section(found),
            _points_section(found),
            *closing_sections(inputs, command),
        ),
    )
    write_text(path, page.render())


def _lead(result: Refinement | AutomaticControl, found: Refinement) -> str:
    number_used = int((~found.blunders).sum())
    if isinstance(result, AutomaticControl):
        tried = len(result.patches.verdict)
        return (
            f"{number_used} of {tried} patches of the reference were found in the image and agree with one correction "
            f"of the RPC ({found.model})."
        )
    given = len(found.gcps)
    return f"{number_used} of {given} ground control points agree with one correction of the RPC ({found.model})."


def _facts(found: Refinement) -> tuple[Fact, ...]:
    kept = ~found.blunders
    row, col = found.before.line_off, found.before.samp_off
    middle = float(np.hypot(*found.sigma_at(row, col)))
    return (
        Fact(
            label="CE90",
            value=_px(circular_error(*found.residuals[:, kept])),
            note=f"{_px(circular_error(*found.raw[:, kept]))} before",
        ),
        Fact(label="RMS of the points", value=_px(found.rms_after), note=f"{_px(found.rms_before)} before"),
        Fact(
            label="Accuracy of the RPC",
            value=_px(middle),
            note="in the middle, by the points' noise",
        ),
        Fact(label="Points in use", value=str(int(kept.sum())), note=f"{int((~kept).sum())} rejected"),
    )  # fmt: skip


def _arrow_sections(
    result: Refinement | AutomaticControl, found: Refinement, image: Raster | None
) -> tuple[Section, ...]:
    kept = ~found.blunders
    row, col = found.gcps.row[kept], found.gcps.col[kept]
    refused = _refused(result, found)
    enlarged: list[float] = []
    pictures = []
    if image is not None:
        rows, cols = image.grid.shape
        height = _WIDE * min(max(rows / cols, 0.4), 2.0) * (_MARGIN if refused else 1.0)

        def arrows(fig: Figure) -> None:
            at, error = (row, col), (found.residuals[0, kept], found.residuals[1, kept])
            enlarged.append(plot_arrows(image, at, error, ax=fig.subplots(), refused=refused))

        picture = figure_picture(
            arrows,
            (_WIDE, height),
            alt="Residuals of the points as arrows over the image, and the places that were refused",
        )
        pictures.append(picture)
    histogram = figure_picture(
        lambda fig: _drawn(fig, found),
        (4.8, 3.3),
        alt="Histograms of the residuals of rows and columns",
        caption="Residuals of the points in use, by the refined RPC; the last bins hold what lies beyond.",
    )
    text = "From where the refined RPC puts a point to where the image shows it."
    if enlarged:
        text += f" Arrows are enlarged {enlarged[0]:g} times; down is along the rows of the image."
    return (
        PicturesSection(
            anchor="residuals", heading="Residuals", text=text, pictures=(*pictures, histogram), plain=True
        ),
    )  # fmt: skip


def _drawn(fig: Figure, found: Refinement) -> None:
    row, col = found.residuals[:, ~found.blunders]
    plot_residuals(row, col, fig.subplots())


def _refused(
    result: Refinement | AutomaticControl, found: Refinement
) -> dict[str, tuple[Any, Any]]:
    """Return rows and columns of what is not in use, by reason."""
    if isinstance(result, AutomaticControl):
        verdict = np.array(result.patches.verdict)
        out = {}
        for reason in result.refused:
            at = verdict == reason
            out[reason] = (result.patches.row[at], result.patches.col[at])
        return out
    bad = found.blunders
    return {"rejected": (found.gcps.row[bad], found.gcps.col[bad])} if bad.any() else {}


def _patch_sections(result: Refinement | AutomaticControl) -> tuple[Section, ...]:
    if not isinstance(result, AutomaticControl):
        return ()
    total = len(result.patches.verdict)
    counts = {USED: int(result.patches.used.sum()), **result.refused}
    reasons = TableSection(
        anchor="patches",
        half=True,
        heading="Patches",
        text="The best textured place of each cell of a mesh over the ground that both images show.",
        columns=("", "Patches", "Share"),
        rows=tuple((word, str(n), f"{100.0 * n / total:.0f} %") for word, n in counts.items()),
        download=Download(
            name="patches.csv", label=f"All {total} patches as CSV", text=result.to_csv()
        ),
    )
    rounds = TableSection(
        anchor="matching",
        half=True,
        heading="Matching",
        text="Coherence is the weighted height of the correlation's peak, 0 to 1. The limit comes from mirrored "
        "patches, which show another place.",
        columns=("Patch", "Limit of chance"),
        rows=tuple(
            (f"{size} px", number(limit, decimals=2))
            for size, limit in zip(result.sizes, result.chance, strict=True)
        ),
        note="Largest change of the RPC, round by round: "
        + ", ".join(quantity(c, "px", decimals=3) for c in result.changes)
        + f". A pixel of the matching is {result.pixel:.3g} pixels of the image.",
    )
    return reasons, rounds


def _correction_section(found: Refinement) -> Section:
    sigma = np.sqrt(np.diag(found.covariance)).reshape(2, 3)
    terms = ("1", "line, -1 to 1", "sample, -1 to 1")
    rows = []
    for i, term in enumerate(terms):
        cells = [term]
        for axis in range(2):
            free = found.coefficients[axis, i] != 0.0
            cells += [number(float(found.coefficients[axis, i]), decimals=3, signed=True)]
            cells += [number(float(sigma[axis, i]) if free else None, decimals=3)]
        rows.append(tuple(cells))
    left = ", ".join(
        f"{model} {quantity(rms, 'px', decimals=3)}" for model, rms in found.left_out.items()
    )
    return TableSection(
        anchor="correction",
        half=True,
        heading="Correction",
        text="What is added to the row and the column that the RPC gives.",
        columns=("Term", "Row [px]", "±", "Column [px]", "±"),
        rows=tuple(rows),
        note=f"RMS of points left out: {left}." if left else "",
    )  # fmt: skip


def _points_section(found: Refinement) -> Section:
    order = np.argsort(-np.hypot(*found.residuals), kind="stable")[:_LARGEST_TABLE]
    rows = tuple(
        (
            found.gcps.label[i],
            number(float(found.gcps.row[i]), decimals=1),
            number(float(found.gcps.col[i]), decimals=1),
            *(number(float(v), decimals=3, signed=True) for v in found.raw[:, i]),
            *(number(float(v), decimals=3, signed=True) for v in found.residuals[:, i]),
            number(float(found.weights[i]), decimals=2),
        )
        for i in order
    )
    more = len(found.gcps) - len(rows)
    return TableSection(
        anchor="points",
        heading="Points",
        text="Errors are observed less projected, the largest first; a weight of 0 is a point that was rejected.",
        columns=("Point", "Row", "Column", "Row before", "Column before", "Row after", "Column after", "Weight"),
        rows=rows,
        note=f"{more} more with smaller errors." if more > 0 else "",
        download=Download(name="points.csv", label=f"All {len(found.gcps)} as CSV", text=found.to_csv()),
    )  # fmt: skip


def _px(value: float) -> str:
    return quantity(value, "px", decimals=3 if abs(value) < 1.0 else 2)
