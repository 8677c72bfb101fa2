"""`trueground uncertainty`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trueground.cli.console import console
from trueground.cli.drawn_table import print_table
from trueground.cli.endings import PAGES, check_ending
from trueground.cli.engine_options import EngineOptions
from trueground.cli.options import (
    File,
    Files,
    Flag,
    OptionalOutput,
    outputs_differ_from,
    warn_of_outlines_elsewhere,
)

if TYPE_CHECKING:
    import geopandas as gpd

    from trueground.engine import Engine
    from trueground.error_model import ErrorModel
    from trueground.raster import Raster
    from trueground.stats import Statistics
    from trueground.uncertainty import MeanChange
    from trueground.variogram import Variogram
    from trueground.variogram_model import VariogramModel

_ENGINE = EngineOptions()
_ENDINGS = (".csv", ".gpkg", ".json")
_BIASED = 0.25  # of the NMAD: a median on stable terrain beyond it is no accident


def uncertainty(
    difference: File,
    /,
    *,
    areas: File,
    name: str | None = None,
    exclude: Files = None,
    include: Files = None,
    mask: File | None = None,
    areas_are_stable: Flag = False,
    slope_from: File | None = None,
    kind: Literal["auto", "spherical", "exponential", "gaussian"] = "auto",
    estimator: Literal["dowd", "matheron"] = "dowd",
    output: OptionalOutput = None,
    report: Path | None = None,
    seed: int = 0,
    where: EngineOptions = _ENGINE,
) -> None:
    """Average a difference over areas, with the standard error of each mean.

    Example: `trueground uncertainty change.tif --areas glaciers.gpkg --slope-from dem.tif -o change.csv`

    The size of the errors and their correlation are found on stable terrain: outside of the areas and of --exclude.

    Parameters
    ----------
    difference
        Difference of two elevation models, metres.
    areas
        Polygons to average over, in any CRS.
    name
        Column that the areas are called by. Default: name, RGI or GLIMS number, id, else numbers from 1.
    exclude
        Polygons of terrain that is not stable, such as all glaciers; may be given more than once.
    include
        Polygons outside of which terrain is left out; may be given more than once.
    mask
        Raster of stable terrain: cells where it is 0 are left out.
    areas_are_stable
        Keep the areas themselves as stable terrain.
    slope_from
        DEM: errors may depend on its slope and curvature.
    kind
        Variograms that the model is a sum of; auto: those that fit best.
    estimator
        Of the variogram: dowd, by medians; matheron, by mean squares.
    output
        Table as CSV, as GeoPackage with the polygons, or as JSON with the models of the errors.
    report
        Write a report page (HTML).
    seed
        Another one chooses other cells.
    """
    from trueground.error_model import Standardised
    from trueground.raster import as_float, open_raster
    from trueground.stats import statistics
    from trueground.uncertainty import area_names, mean_changes
    from trueground.variogram import Variogram
    from trueground.variogram_model import KINDS, VariogramModel
    from trueground.vectors import read_outlines, stable_terrain

    check_ending(output, _ENDINGS, "areas are written")
    check_ending(report, PAGES, "the report is a page, written")
    outlines = [*(exclude or []), *(include or [])]
    outputs_differ_from(
        [difference, areas, mask, slope_from, *outlines], {"--output": output, "--report": report}
    )
    where.check()
    dh = as_float(open_raster(difference))
    frame = _polygons(read_outlines(areas), areas)
    names = area_names(frame, name)
    _require_on(dh, frame, names=(difference, areas))
    warn_of_outlines_elsewhere(dh.grid, outlines)
    unstable = [*(exclude or []), *([] if areas_are_stable else [frame])]
    stable = stable_terrain(dh.grid, exclude=unstable, include=include or [], mask=mask)
    with where.opened() as engine:
        with console.progress("stable terrain") as step, console.timed("stable terrain"):
            figures = statistics(dh, valid=stable, engine=engine, progress=step)
        warnings = _said(_bias(figures))
        errors = sigma = None
        residual = dh
        if slope_from is not None:
            errors, sigma = _error_by_terrain(dh, slope_from, stable, seed=seed, engine=engine)
            residual = Standardised(difference=dh, error=sigma)
        with console.progress("variogram") as step, console.timed("variogram"):
            variogram = Variogram.of(
                residual, valid=stable, estimator=estimator, seed=seed, engine=engine, progress=step
            )
            model = VariogramModel.fit(variogram, kinds=KINDS if kind == "auto" else (kind,))
        warnings += _said(_reach(model, variogram))
    with console.progress("areas") as step, console.timed("areas"):
        changes = mean_changes(dh, frame, model, error=sigma, names=names, progress=step)
    console.note(
        f"stable terrain: {figures.count} cells, median {figures.median:+.3f} m, NMAD {figures.nmad:.3f} m"
    )
    _print(changes, model, standardised=errors is not None)
    if output is not None:
        _write(
            output, changes, frame, stable=figures, variogram=variogram, model=model, errors=errors
        )
    if report is not None:
        from trueground.report.uncertainty import write_uncertainty_report

        with console.timed("report"):
            write_uncertainty_report(
                report,
                changes=changes,
                stable=figures,
                variogram=variogram,
                model=model,
                error_model=errors,
                difference=dh,
                areas=frame,
                inputs={
                    "difference": difference,
                    "areas": areas,
                    "exclude": exclude,
                    "include": include,
                    "mask": mask,
                    "slope from": slope_from,
                },
                warnings=warnings,
                command=console.command,
            )
    written = ", ".join(str(p) for p in (output, report) if p is not None)
    if written:
        console.note(f"wrote {written}")


def _bias(stable: Statistics) -> str:
    """Say where the models are not aligned, nothing where they are."""
    if not abs(stable.median) > _BIASED * stable.nmad:
        return ""
    return (
        f"the median on stable terrain is {stable.median:+.3f} m (NMAD {stable.nmad:.3f} m): means are off by "
        "as much, which no standard error tells; align the elevation models first (trueground align)"
    )


def _reach(model: VariogramModel, variogram: Variogram) -> str:
    """Say where the correlation does not end within the raster, nothing where it does."""
    longest = variogram.lag[-1]
    if not model.parts or model.parts[-1].range <= longest:
        return ""
    return (
        f"errors are still correlated at {longest:.0f} m, the longest distance that was looked at: "
        "standard errors of large areas may be too small; give a larger raster, or align it better"
    )


def _said(text: str) -> list[str]:
    """Warn, if there is something to say, and return it as sentences for the report."""
    if not text:
        return []
    console.warn(text)
    return [f"{text[0].upper()}{text[1:]}."]


def _polygons(frame: gpd.GeoDataFrame, path: str) -> gpd.GeoDataFrame:
    """Return the polygons of a file; what else is in it is told and left out."""
    from trueground.errors import InputError

    inside = frame[frame.geom_type.isin(["Polygon", "MultiPolygon"])]
    if inside.empty:
        msg = f"{path}: no polygons in it; lines and points have no area"
        raise InputError(msg)
    if len(inside) < len(frame):
        console.warn(
            f"{len(frame) - len(inside)} of {len(frame)} features of {path} are no polygons"
        )
    return inside


def _require_on(dh: Raster, frame: gpd.GeoDataFrame, *, names: tuple[str, str]) -> None:
    """Raise where no polygon touches the raster."""
    from shapely.geometry import box

    from trueground.errors import OverlapError
    from trueground.vectors import outline_mask

    difference, areas = names
    placed = outline_mask([frame], dh.grid).outlines
    if placed.intersects(box(*dh.grid.bounds)).any():
        return
    remedy = "check their CRS"
    if dh.grid.crs is None:
        remedy = f"{difference} has no CRS: assign it with gdal_edit.py -a_srs"
    shown = ", ".join(f"{v:.10g}" for v in dh.grid.bounds)
    msg = (
        f"no polygon of {areas} touches {difference}, whose bounds are {shown} (west, south, east, north): there is "
        f"nothing to average over; {remedy}"
    )
    raise OverlapError(msg)


def _error_by_terrain(
    dh: Raster, slope_from: str, stable: Raster | None, *, seed: int, engine: Engine
) -> tuple[ErrorModel, Raster]:
    """Return the error by slope and curvature, as a model and as a raster."""
    from trueground.difference import check_overlap
    from trueground.error_model import ErrorModel
    from trueground.raster import open_raster
    from trueground.terrain import Curvature, Slope
    from trueground.warp import on_grid

    dem = open_raster(slope_from)
    check_overlap(dh, dem)
    variables: dict[str, Raster] = {
        "slope": on_grid(Slope(dem), dh.grid),
        "curvature": on_grid(Curvature(dem), dh.grid),
    }
    with console.progress("error model") as step, console.timed("error model"):
        model = ErrorModel.fit(dh, variables, valid=stable, seed=seed, engine=engine, progress=step)
    return model, model.apply(variables)


def _print(changes: Sequence[MeanChange], model: VariogramModel, *, standardised: bool) -> None:
    unit = "" if standardised else " m²"
    parts = [f"nugget {model.nugget:.3g}{unit}"]
    parts += [f"{p.kind} {p.sill:.3g}{unit} up to {p.range:.0f} m" for p in model.parts]
    console.note(f"variogram{' of dh / sigma' if standardised else ''}: {', '.join(parts)}")
    rows = [
        (
            c.name,
            f"{c.area / 1e6:.3f}",
            str(c.cells),
            f"{100.0 * c.coverage:.0f}",
            _cell(c.mean, "+.3f"),
            _cell(c.standard_error, ".3f"),
            _cell(c.effective_samples, ".1f"),
        )
        for c in changes
    ]
    print_table(("area", "km2", "cells", "covered %", "mean dh m", "+- m", "samples"), rows)
    empty = sum(not c.cells for c in changes)
    if empty:
        console.warn(f"{empty} of {len(changes)} areas have no cell with data: check their CRS")


def _cell(value: float, form: str) -> str:
    return format(value, form) if value == value else "-"  # noqa: PLR0124 (NaN)


def _write(
    output: Path,
    changes: Sequence[MeanChange],
    frame: gpd.GeoDataFrame,
    *,
    stable: Statistics,
    variogram: Variogram,
    model: VariogramModel,
    errors: ErrorModel | None,
) -> None:
    """Write the areas, whole or not at all."""
    import geopandas as gpd
    import pandas as pd

    from trueground.writer import atomic, write_text

    table = pd.DataFrame([c.to_dict() for c in changes])
    ending = output.suffix.lower()
    if ending == ".json":
        found: dict[str, Any] = {
            "areas": [{k: _number(v) for k, v in c.to_dict().items()} for c in changes],
            "stable_terrain": stable.to_dict(),
            "variogram": variogram.to_dict(),
            "model": model.to_dict(),
            "error_model": None if errors is None else errors.to_dict(),
        }
        write_text(output, json.dumps(found, indent=2) + "\n")
    elif ending == ".csv":
        from trueground.report.saved_table import without_formulas

        write_text(output, without_formulas(table.to_csv(index=False, lineterminator="\n")))
    else:
        shapes = gpd.GeoDataFrame(table, geometry=frame.geometry.to_numpy(), crs=frame.crs)
        with atomic(output) as temporary:
            shapes.to_file(temporary, driver="GPKG", layer=output.stem)


def _number(value: Any) -> Any:
    """Return a value as JSON has it: what is no number is null."""
    return None if value != value else value  # noqa: PLR0124 (NaN)
