"""The report of a study of convergence from its numbers alone: its maps are not kept as JSON."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from trueground.convergence import Tally
from trueground.errors import InputError
from trueground.report.closing import closing_sections
from trueground.report.page import Fact, Page, TableSection
from trueground.report.solvers import SOLVER_COLUMNS, percent, tally_row
from trueground.report.text import as_number, number, quantity
from trueground.writer import write_text


def write_saved_convergence(
    path: str | os.PathLike[str],
    items: Mapping[str, Any],
    *,
    inputs: Mapping[str, Any],
    warnings: Sequence[str] = (),
) -> None:
    """Write what `Convergence.to_dict` kept as one HTML file, whole or not at all.

    Raises
    ------
    InputError
        Where something is missing or is not what it should be.
    WriteError
        Where the file could not be written.
    """
    try:
        tallies = [Tally(**_known(run)) for run in items["runs"]]
        page = _page(items, tallies, inputs, warnings)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        msg = f"the study of convergence is not whole ({error!r}): give what 'trueground converge --json' printed"
        raise InputError(msg) from error
    write_text(path, page.render())


def _known(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's figures; what JSON has no number for is NaN. GDAL's iteration has no start height."""
    return {k: math.nan if v is None and k != "start_height" else v for k, v in run.items()}


def _page(  # noqa: PLR0917 (what stands on it)
    items: Mapping[str, Any],
    tallies: Sequence[Tally],
    inputs: Mapping[str, Any],
    warnings: Sequence[str],
) -> Page:
    seen, pixels = (int(items[name]) for name in ("seen", "pixels"))
    factors = {k: as_number(v) for k, v in items["contraction"]["percentiles"].items()}
    solvers = TableSection(
        anchor="solvers",
        heading="The solvers in numbers",
        text="Of the pixels that see ground. A hit is wrong where it lies more than "
        f"{quantity(as_number(items['limit_m']))} from the certified point.",
        columns=SOLVER_COLUMNS,
        rows=tuple(tally_row(t) for t in tallies),
    )
    settings = {
        "tolerance": quantity(as_number(items["tolerance_px"]), "px"),
        "iterations at most": items["max_iterations"],
        "incidence": quantity(as_number(items["incidence_deg"]), "°", decimals=1),
        "azimuth to the sensor": quantity(as_number(items["azimuth_to_sensor_deg"]), "°", decimals=1),
    }  # fmt: skip
    return Page(
        title="From image to ground",
        lead=f"{seen:,} of {pixels:,} pixels see ground; the usual solvers were held against the certified one there.",
        facts=(
            Fact(
                label="Contraction factor",
                value=f"{number(factors.get('1'))} to {number(factors.get('99'))}",
                note="1st to 99th percentile",
            ),
            Fact(
                label="Depends on the start height",
                value=percent(float(items["depends_on_start"])),
                note="of the pixels",
            ),
        ),
        warnings=tuple(warnings),
        sections=(solvers, *closing_sections({**inputs, **settings}, "")),
    )
