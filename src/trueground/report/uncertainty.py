"""The report of mean elevation changes: what the errors are like, and what they make of the means."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueground.error_model import ErrorModel
from trueground.plot import overview, shared_limit
from trueground.plot.uncertainty import plot_error_model, plot_variogram
from trueground.raster import Raster
from trueground.report.closing import closing_sections
from trueground.report.page import (
    Fact,
    Page,
    PicturesSection,
    Section,
    TableSection,
)
from trueground.report.pictures import dh_legend, figure_picture, map_picture
from trueground.report.text import file_name, number, quantity
from trueground.stats import Statistics, nmad
from trueground.uncertainty import MeanChange
from trueground.variogram import Variogram
from trueground.variogram_model import VariogramModel
from trueground.writer import write_text

if TYPE_CHECKING:
    import geopandas as gpd

    from trueground.engine import Engine

_LARGEST_TABLE = 300  # rows
_SQUARE_KILOMETRE = 1e6  # m^2


def write_uncertainty_report(
    path: str | os.PathLike[str],
    *,
    changes: Sequence[MeanChange],
    stable: Statistics,
    variogram: Variogram,
    model: VariogramModel,
    error_model: ErrorModel | None = None,
    difference: Raster | None,
    areas: gpd.GeoDataFrame | None,
    inputs: Mapping[str, Any],
    warnings: Sequence[str] = (),
    command: str = "",
    engine: Engine | None = None,
) -> None:
    """Write the report of mean changes as one HTML file, whole or not at all.

    Parameters
    ----------
    path
        Name of the file; its folder must exist.
    changes
        One for each area.
    stable
        Of the difference on stable terrain.
    variogram, model
        Of the difference, or, with `error_model`, of the difference over its error.
    error_model
        Error by slope, curvature or other variables.
    difference
        The difference [m], for the map; None: no map.
    areas
        Polygons to draw on it, if there are any.
    inputs
        What went in, name to value; `difference` is in the title.
    warnings
        Sentences that stand at the top of the page.
    command
        Command that makes the result again.
    engine
        What reads the difference for the map; threads of this process by default.

    Raises
    ------
    WriteError
        Where the file could not be written.
    """
    name = file_name(inputs.get("difference"), "a difference")
    page = Page(
        title=f"Mean changes of {name}",
        lead=_lead(changes, model, error_model),
        facts=_facts(changes, stable, model),
        warnings=tuple(warnings),
        sections=(
            _table_section(changes),
            *(() if difference is None else (_map_section(difference, areas, engine),)),
            _variogram_section(variogram, model, standardised=error_model is not None),
            *_error_sections(error_model),
            _model_section(model, variogram, standardised=error_model is not None),
            *closing_sections(inputs, command),
        ),
    )
    write_text(path, page.render())


def _lead(
    changes: Sequence[MeanChange], model: VariogramModel, error_model: ErrorModel | None
) -> str:
    what = "one area" if len(changes) == 1 else f"{len(changes)} areas"
    size = (
        "" if error_model is None else f", whose size depends on {' and '.join(error_model.names)},"
    )
    reach = (
        "are independent from cell to cell"
        if not model.parts
        else f"are correlated up to {quantity(model.parts[-1].range, decimals=0)}"
    )
    return f"Mean elevation change of {what}, with its standard error: errors{size} {reach}."


def _facts(
    changes: Sequence[MeanChange], stable: Statistics, model: VariogramModel
) -> tuple[Fact, ...]:
    measured = [c for c in changes if c.cells]
    first = changes[0] if len(changes) == 1 else None
    facts = []
    if first is not None:
        facts.append(
            Fact(
                label="Mean change",
                value=quantity(first.mean, signed=True),
                note=f"± {quantity(first.standard_error)}",
            )
        )
    elif measured:
        errors = [c.standard_error for c in measured]
        facts.append(
            Fact(
                label="Standard error of a mean",
                value=quantity(float(np.median(errors))),
                note=f"{quantity(min(errors))} to {quantity(max(errors))}",
            )
        )
    if measured:
        sigmas = [c.sigma for c in measured]
        facts.append(
            Fact(
                label="Error of a cell",
                value=quantity(float(np.median(sigmas))),
                note="1 sigma, in the areas",
            )
        )
    facts.append(
        Fact(
            label="Median on stable terrain",
            value=quantity(stable.median, decimals=3, signed=True),
            note=f"NMAD {quantity(stable.nmad)}",
        )
    )
    if model.parts:
        facts.append(
            Fact(
                label="Correlated up to",
                value=quantity(model.parts[-1].range, decimals=0),
                note="longest range of the model",
            )
        )
    facts.append(
        Fact(
            label="Areas with data",
            value=f"{len(measured)} of {len(changes)}",
            note=f"{sum(c.cells for c in changes):,} cells",
        )
    )
    return tuple(facts)


def _table_section(changes: Sequence[MeanChange]) -> Section:
    order = sorted(changes, key=lambda c: -c.area)[:_LARGEST_TABLE]
    rows = tuple(
        (
            c.name,
            number(c.area / _SQUARE_KILOMETRE, decimals=3),
            f"{c.cells:,}",
            number(100.0 * c.coverage, decimals=0),
            number(c.mean, decimals=3, signed=True),
            number(c.standard_error, decimals=3),
            number(c.sigma, decimals=2),
            number(c.effective_samples, decimals=1),
        )
        for c in order
    )
    more = len(changes) - len(rows)
    return TableSection(
        anchor="areas",
        heading="Areas",
        text="Means are over the cells with data; that the others may differ is not in the standard error.",
        columns=(
            "Area",
            "km²",
            "Cells",
            "Covered [%]",
            "Mean dh [m]",
            "± [m]",
            "Error of a cell [m]",
            "Effective samples",
        ),
        rows=rows,
        note=f"{more} more, smaller ones." if more > 0 else "",
    )


def _map_section(
    difference: Raster, areas: gpd.GeoDataFrame | None, engine: Engine | None
) -> Section:
    values = overview(difference, engine=engine).array[0]
    values = values[np.isfinite(values)]
    limit = shared_limit(float(np.median(values)), nmad(values)) if values.size else 1.0
    return PicturesSection(
        anchor="map",
        heading="Where",
        text="" if areas is None else "Outlined: the areas.",
        pictures=(
            map_picture(
                difference,
                limit=limit,
                alt="Map of the difference, north up, colours from "
                f"{quantity(-limit)} to {quantity(limit)}",
                caption="",
                outlines=areas,
                engine=engine,
            )[0],
        ),
        legend=dh_legend(limit, title="dh", low_note="", high_note=""),
    )


def _variogram_section(
    variogram: Variogram, model: VariogramModel, *, standardised: bool
) -> Section:
    what = "difference over its error" if standardised else "difference"
    picture = figure_picture(
        lambda fig: _drawn(plot_variogram(variogram, model, fig.subplots(), unit="1" if standardised else "m²")),
        (4.8, 3.3),
        alt=f"Variogram of the {what} on stable terrain, points and model",
        caption="Dashed: ranges of the model. Bars: the scatter of ten choices of pairs.",
    )  # fmt: skip
    return PicturesSection(
        anchor="variogram",
        half=True,
        heading="How errors are correlated",
        text=f"Half the mean square of how much the {what} of two cells of stable terrain differs.",
        pictures=(picture,),
        plain=True,
    )


def _error_sections(error_model: ErrorModel | None) -> tuple[Section, ...]:
    if error_model is None or not 1 <= len(error_model.names) <= 2:
        return ()
    picture = figure_picture(
        lambda fig: _drawn(plot_error_model(error_model, fig.subplots())),
        (4.2, 3.3),
        alt=f"Error of the difference by {' and '.join(error_model.names)}",
        caption="1-sigma error [m], at the middle of bins of equal numbers of cells.",
    )
    return (
        PicturesSection(
            anchor="error",
            half=True,
            heading="How large errors are",
            text="NMAD of the difference on stable terrain, scaled so that the difference over it has NMAD 1.",
            pictures=(picture,),
            plain=True,
        ),
    )


def _drawn(_axes: object) -> None:
    """Take what a plot returns."""


def _model_section(model: VariogramModel, variogram: Variogram, *, standardised: bool) -> Section:
    unit = "" if standardised else " [m²]"
    rows = [
        ("nugget", "", number(model.nugget, decimals=4), _share(model.nugget, model)),
        *(
            (p.kind, number(p.range, decimals=0), number(p.sill, decimals=4), _share(p.sill, model))
            for p in model.parts
        ),
    ]
    return TableSection(
        anchor="model",
        half=True,
        heading="Model of the variogram",
        columns=("Part", "Range [m]", f"Sill{unit}", "Share [%]"),
        rows=tuple(rows),
        note=f"Fitted to {sum(variogram.count):,} pairs in {len(variogram.lag)} bins.",
    )


def _share(sill: float, model: VariogramModel) -> str:
    return number(100.0 * sill / model.sill if model.sill else None, decimals=1)
