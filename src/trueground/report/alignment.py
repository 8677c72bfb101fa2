"""The report of an alignment of two elevation models."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueground.plot import shared_limit
from trueground.plot.style import MINUS
from trueground.raster import Raster
from trueground.report.dependence import dependence_section
from trueground.report.differences import (
    Differences,
    histogram_section,
    maps_section,
    scale_of,
)
from trueground.report.page import (
    CommandSection,
    Fact,
    Page,
    Section,
    TableSection,
    versions,
)
from trueground.report.text import (
    MISSING,
    as_number,
    crs_name,
    crs_unit,
    decimals_for,
    file_name,
    number,
    percent_change,
    plain,
    quantity,
    towards,
    unit_symbol,
)
from trueground.writer import write_text

if TYPE_CHECKING:
    from trueground.report.differences import Outlines

_STATISTICS = {
    "count": "Pixels",
    "median": "Median [m]",
    "nmad": "NMAD [m]",
    "mean": "Mean [m]",
    "std": "Standard deviation [m]",
    "rmse": "RMSE [m]",
    "le90": "LE90 [m]",
}
_ADDED = {"q05": "5 % [m]", "median": "Median [m]", "q95": "95 % [m]"}
_PARTICULARS = {
    "method": "Method",
    "parameters": "Parameters",
    "converged": "Converged",
    "samples": "Cells used by the fit",
    "crs": "CRS of the shift",
    "matrix": "Matrix",
    "centroid": "Centroid",
}
_ROUND_OFF = 1e-9  # of a scale that was not looked for
_GLOSSARY = {
    "nmad": "NMAD: normalised median absolute deviation, a spread that outliers do not move.",
    "le90": "LE90: nine of ten differences are smaller, whatever their sign.",
}


def write_alignment_report(
    path: str | os.PathLike[str],
    *,
    result: Mapping[str, Any],
    before: Raster,
    after: Raster,
    reference: Raster | None = None,
    outlines: Outlines | None = None,
    valid: Raster | None = None,
    inputs: Mapping[str, Any],
    warnings: Sequence[str] = (),
    command: str = "",
) -> None:
    """Write the report of an alignment as one HTML file, whole or not at all.

    Parameters
    ----------
    path
        Name of the file; its folder must exist.
    result
        The alignment as its JSON has it: `shift_x`, `shift_y`, `shift_z`, `nmad_before`,
        `nmad_after`; `method`, `iterations`, `statistics`, `parameters`, `versions`, `crs` and
        `units` where they are there.
    before, after
        Differences reference - moving in metres, before and after. Read by blocks.
    reference
        DEM whose hillshade lies under the maps.
    outlines
        Polygons to draw on the maps. Without `valid` they are what was left out.
    valid
        Mask that fit and statistics used, not zero on stable terrain; the histograms use it too.
    inputs
        What went in, name to value; `reference` and `moving` name the DEMs.
    warnings
        Sentences that stand at the top of the page.
    command
        Command that makes the result again.

    Raises
    ------
    WriteError
        Where the file could not be written.
    """
    maps = Differences(
        before=before, after=after, reference=reference, outlines=outlines, valid=valid
    )
    moving = file_name(inputs.get("moving"), "moving DEM")
    fixed = file_name(inputs.get("reference"), "reference DEM")
    blockwise = result.get("kind") == "blockwise"
    page = Page(
        title=f"{moving} aligned to {fixed}",
        lead=alignment_sentence(result, moving=moving, fixed=fixed),
        facts=alignment_facts(result),
        warnings=tuple(warnings),
        sections=(
            *alignment_sections(result, maps),
            *(_blockwise(result) if blockwise else ()),
            *closing_sections(result, inputs, command),
        ),
    )
    write_text(path, page.render())


def alignment_sentence(result: Mapping[str, Any], *, moving: str, fixed: str) -> str:
    """Say in one sentence what was done and what it gave."""
    before, after = _nmads(result)
    gain = f"; the NMAD of their difference went from {quantity(before)} to {quantity(after)}"
    gain = gain if before is not None and after is not None else ""
    if result.get("kind") == "blockwise":
        number_of, good = (
            len(result.get("blocks") or ()),
            (result.get("verdicts") or {}).get("ok", 0),
        )
        return f"{moving} was moved onto {fixed} by a field of shifts, made of {good} good blocks of {number_of}{gain}."
    (x, y, z), unit, (flat, up) = _shift(result)
    moved = (
        f"{towards(x, ('east', 'west'), unit, decimals=flat)}, "
        f"{towards(y, ('north', 'south'), unit, decimals=flat)} and "
        f"{towards(z, ('up', 'down'), decimals=up)}"
    )
    names = [str(c.get("method")) for c in _corrections(result)]
    corrected = f"corrected ({', '.join(names)})" if names else ""
    done = f"moved {moved}"
    if names:
        done = f"{corrected} and {done}" if any((x, y, z)) else corrected
    return f"{moving} was {done} onto {fixed}{gain}."


def alignment_facts(result: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Return the numbers to be seen first."""
    (x, y, z), unit, (flat, up) = _shift(result)
    before, after = _nmads(result)
    first, last = (decimals_for([value]) for value in (before, after))
    gain = f"{number(before, decimals=first)} → {quantity(after, decimals=last)}"
    if result.get("kind") == "blockwise":
        verdicts = result.get("verdicts") or {}
        kinds = [str(f.get("kind")) for f in result.get("fields") or ()]
        known = (result.get("statistics") or {}).get("before")
        what = "NMAD of dh" if known else "NMAD of dh, median over the good blocks"
        return (
            Fact(label=what, value=gain, note=percent_change(before, after)),
            Fact(label="Blocks", value=str(len(result.get("blocks") or ()))),
            Fact(label="Good blocks", value=str(verdicts.get("ok", 0))),
            Fact(label="Field", value=" then ".join(kinds)),
        )
    errors = [as_number(e) for e in _motion(result).get("errors") or ()][:3] or [None] * 3
    shifts = (
        ("Shift east", x, unit, flat),
        ("Shift north", y, unit, flat),
        ("Shift up", z, "m", up),
    )
    return (
        Fact(label="NMAD of dh", value=gain, note=percent_change(before, after)),
        *(
            Fact(
                label=label,
                value=quantity(value, of, decimals=places, signed=True),
                note=f"± {quantity(error, of)}" if error else "",
            )
            for (label, value, of, places), error in zip(shifts, errors, strict=True)
        ),
        *_turned(_motion(result)),
    )


def _motion(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what tells of the motion: of a pipeline with corrections, a part of its result."""
    return result.get("alignment") or result


def _turned(motion: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Return the rotations and the scale that were found, with their standard errors."""
    angles = [as_number(v) or 0.0 for v in motion.get("rotations") or ()]
    scale = as_number(motion.get("scale")) or 1.0
    errors = [as_number(v) for v in motion.get("errors") or ()] + [None] * 7
    found = []
    if any(angles):
        told = ", ".join(number(v, decimals=5, signed=True) for v in angles)
        sure = ", ".join(number(v, decimals=5) for v in errors[3:6])
        note = f"± {sure}°" if any(errors[3:6]) else ""
        found.append(Fact(label="Rotation about x, y, z", value=f"{told}°", note=note))
    if errors[6] or abs(scale - 1.0) > _ROUND_OFF:
        note = f"± {number(errors[6], decimals=7)}" if errors[6] else ""
        found.append(Fact(label="Scale", value=number(scale, decimals=7), note=note))
    return tuple(found)


def alignment_sections(result: Mapping[str, Any], maps: Differences) -> tuple[Section, ...]:
    """Return statistics, maps and histograms of the difference, and the iterations."""
    before, after = _statistics(result, "before"), _statistics(result, "after")
    median, spread = scale_of(before, maps.before)
    limit = shared_limit(median, spread)
    sections: list[Section] = [
        _statistics_section(before, after, maps.where),
        histogram_section(maps, before, after, reach=max(abs(median) + 4.0 * spread, limit)),
        maps_section(maps, limit),
    ]
    if (dependence := dependence_section(maps)) is not None:
        sections.append(dependence)
    if _corrections(result):
        sections.append(_corrections_section(_corrections(result)))
    iterations = result.get("iterations")
    if isinstance(iterations, Sequence) and iterations and isinstance(iterations[0], Mapping):
        sections.append(_iterations_section(iterations))
    return tuple(sections)


def closing_sections(
    result: Mapping[str, Any], inputs: Mapping[str, Any], command: str
) -> tuple[Section, ...]:
    """Return what went in, with which parameters, and how to do it again."""
    rows = [
        (str(name).capitalize(), plain(value))
        for name, value in inputs.items()
        if value is not None and value not in ("", [], (), {})
    ]
    for name, heading in _PARTICULARS.items():
        value = result.get(name, _motion(result).get(name))
        if value is None or value == {}:
            continue
        if name == "matrix" and isinstance(value, Sequence):
            value = "\n".join(plain(row) for row in value)
        rows.append((heading, crs_name(value) if name == "crs" else plain(value)))
    found = result.get("versions")
    return (
        TableSection(
            anchor="inputs",
            heading="Inputs and parameters",
            columns=("Name", "Value"),
            rows=tuple(rows),
            numeric=False,
        ),
        CommandSection(
            anchor="command",
            heading="Do it again",
            command=command,
            versions=plain(found) if found else versions(),
        ),
    )


def _blockwise(result: Mapping[str, Any]) -> tuple[Section, ...]:
    from trueground.report.blocks import (
        blockwise_sections,
    )  # its figures are not those of other pages

    return blockwise_sections(result)


def _nmads(result: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return the NMAD before and after: of all usable cells where that is known, else of those of the fit."""
    return _statistics(result, "before")["nmad"], _statistics(result, "after")["nmad"]


def _shift(
    result: Mapping[str, Any],
) -> tuple[tuple[float | None, float | None, float | None], str, tuple[int, int]]:
    """Return the shift, the unit of its horizontal part, and decimals for both parts."""
    unit = unit_symbol(result.get("units") or crs_unit(result.get("crs")))
    x, y, z = (as_number(result.get(f"shift_{axis}")) for axis in "xyz")
    up = decimals_for([x, y, z] if unit == "m" else [z])
    return (x, y, z), unit, (up if unit == "m" else decimals_for([x, y], unit=unit), up)


def _statistics(result: Mapping[str, Any], when: str) -> dict[str, float | None]:
    """Return the statistics before or after; what is missing is None, but for the NMAD."""
    found = (result.get("statistics") or {}).get(when) or {}
    values = {name: as_number(found.get(name)) for name in _STATISTICS}
    if values["nmad"] is None:
        values["nmad"] = as_number(result.get(f"nmad_{when}"))
    return values


def _statistics_section(
    before: Mapping[str, float | None], after: Mapping[str, float | None], where: str
) -> TableSection:
    rows: list[tuple[str, ...]] = []
    for name, heading in _STATISTICS.items():
        pair = before[name], after[name]
        if pair == (None, None):
            continue
        places = 0 if name == "count" else decimals_for(pair)
        change = "" if name in ("count", "median", "mean") else percent_change(*pair)
        rows.append((heading, *(number(v, decimals=places) for v in pair), change or MISSING))
    return TableSection(
        anchor="numbers",
        half=True,
        heading="The difference in numbers",
        text=f"dh = reference {MINUS} moving, {where}.",
        columns=("", "Before", "After", "Change"),
        rows=tuple(rows),
        note=" ".join(note for name, note in _GLOSSARY.items() if before[name] is not None),
    )


def _corrections(result: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return what was added to the heights, as the result of a pipeline has it."""
    found = result.get("corrections") or ()
    return [c for c in found if isinstance(c, Mapping)]


def _corrections_section(corrections: Sequence[Mapping[str, Any]]) -> TableSection:
    rows = []
    for one in corrections:
        samples = one.get("on_samples") or {}
        added = samples.get("added") or {}
        values = [as_number(added.get(name)) for name in _ADDED]
        values += [as_number(one.get(f"nmad_{when}")) for when in ("before", "after")]
        places = decimals_for(values)
        rows.append(
            (
                f"{plain(one.get('method'))}: {plain(one.get('summary'))}",
                *(number(v, decimals=places) for v in values),
            )
        )
    return TableSection(
        anchor="corrections",
        heading="Corrections of the heights",
        text="What was added to the moving DEM, in the order in which it was found, on the cells of the fit.",
        columns=("Correction", *_ADDED.values(), "NMAD before [m]", "NMAD after [m]"),
        rows=tuple(rows),
    )


def _iterations_section(iterations: Sequence[Mapping[str, Any]]) -> TableSection:
    names = list(dict.fromkeys(name for step in iterations for name in step if name != "iteration"))
    return TableSection(
        anchor="iterations",
        heading="Iterations",
        columns=("Iteration", *(name.replace("_", " ") for name in names)),
        rows=tuple(
            (plain(step.get("iteration", i)), *(_short(step.get(name)) for name in names))
            for i, step in enumerate(iterations, start=1)
        ),
    )


def _short(value: object) -> str:
    found = as_number(value)
    if found is None or isinstance(value, int):
        return plain(value)
    return number(found, decimals=4)
