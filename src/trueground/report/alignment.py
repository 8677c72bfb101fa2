"""The report of an alignment of two elevation models."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueground.plot import shared_limit
from trueground.raster import Raster
from trueground.report.alignment_tables import (
    corrections_of,
    corrections_section,
    iterations_section,
    statistics_of,
    statistics_section,
)
from trueground.report.closing import closing_sections, motion
from trueground.report.dependence import dependence_section
from trueground.report.differences import (
    Differences,
    histogram_section,
    maps_section,
    scale_of,
)
from trueground.report.page import Fact, Page, Section
from trueground.report.text import (
    as_number,
    crs_unit,
    decimals_for,
    file_name,
    number,
    percent_change,
    quantity,
    towards,
    unit_symbol,
)
from trueground.report.valid_data import valid_data_section
from trueground.writer import write_text

if TYPE_CHECKING:
    from trueground.engine import Engine
    from trueground.report.differences import Outlines

_ROUND_OFF = 1e-9  # of a scale that was not looked for


def write_alignment_report(
    path: str | os.PathLike[str],
    *,
    result: Mapping[str, Any],
    before: Raster | None,
    after: Raster | None,
    reference: Raster | None = None,
    outlines: Outlines | None = None,
    valid: Raster | None = None,
    where: str = "",
    inputs: Mapping[str, Any],
    warnings: Sequence[str] = (),
    command: str = "",
    engine: Engine | None = None,
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
        Differences reference - moving in metres, before and after. Read by blocks. None: a page without maps, of what
        the result says alone.
    reference
        DEM whose hillshade lies under the maps.
    outlines
        Polygons to draw on the maps. Without `valid` they are what was left out.
    valid
        Mask that fit and statistics used, not zero on stable terrain; the histograms use it too.
    where
        What the statistics of the result are of, where `valid` and `outlines` do not tell.
    inputs
        What went in, name to value; `reference` and `moving` name the DEMs.
    warnings
        Sentences that stand at the top of the page.
    command
        Command that makes the result again.
    engine
        What reads the differences for maps and histograms; threads of this process by default.

    Raises
    ------
    WriteError
        Where the file could not be written.
    """
    maps = None
    if before is not None and after is not None:
        maps = Differences(
            before=before, after=after, reference=reference, outlines=outlines, valid=valid, engine=engine
        )  # fmt: skip
    moving = file_name(inputs.get("moving"), "moving DEM")
    fixed = file_name(inputs.get("reference"), "reference DEM")
    blockwise = result.get("kind") == "blockwise"
    page = Page(
        title=f"{moving} aligned to {fixed}",
        lead=alignment_sentence(result, moving=moving, fixed=fixed),
        facts=alignment_facts(result),
        warnings=tuple(warnings),
        sections=(
            *alignment_sections(result, maps, where=where),
            *(_blockwise(result, reference, engine) if blockwise else ()),
            *(() if maps is None else (valid_data_section(maps),)),
            *closing_sections(inputs, command, result=result),
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
    names = [str(c.get("method")) for c in corrections_of(result)]
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
    errors = [as_number(e) for e in motion(result).get("errors") or ()][:3] or [None] * 3
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
        *_turned(motion(result)),
    )


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


def alignment_sections(
    result: Mapping[str, Any], maps: Differences | None, *, where: str = ""
) -> tuple[Section, ...]:
    """Return statistics, maps and histograms of the difference, and the iterations."""
    before, after = statistics_of(result, "before"), statistics_of(result, "after")
    of = where or ("" if maps is None else maps.where)
    sections: list[Section] = [statistics_section(before, after, of)]
    if maps is not None:
        median, spread = scale_of(before, maps)
        limit = shared_limit(median, spread)
        reach = max(abs(median) + 4.0 * spread, limit)
        sections += [histogram_section(maps, before, after, reach=reach), maps_section(maps, limit)]
        if (dependence := dependence_section(maps)) is not None:
            sections.append(dependence)
    if corrections_of(result):
        sections.append(corrections_section(corrections_of(result)))
    iterations = result.get("iterations")
    if isinstance(iterations, Sequence) and iterations and isinstance(iterations[0], Mapping):
        sections.append(iterations_section(iterations, unit=_shift(result)[1]))
    return tuple(sections)


def _blockwise(
    result: Mapping[str, Any], reference: Raster | None, engine: Engine | None
) -> tuple[Section, ...]:
    # Its figures are not those of other pages.
    from trueground.report.blocks import blockwise_sections, refused_sections

    sections = blockwise_sections(result, reference=reference, engine=engine)
    return (*sections, *refused_sections(result))


def _nmads(result: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return the NMAD before and after: of all usable cells where that is known, else of those of the fit."""
    return statistics_of(result, "before")["nmad"], statistics_of(result, "after")["nmad"]


def _shift(
    result: Mapping[str, Any],
) -> tuple[tuple[float | None, float | None, float | None], str, tuple[int, int]]:
    """Return the shift, the unit of its horizontal part, and decimals for both parts."""
    unit = unit_symbol(result.get("units") or crs_unit(result.get("crs")))
    x, y, z = (as_number(result.get(f"shift_{axis}")) for axis in "xyz")
    up = decimals_for([x, y, z] if unit == "m" else [z])
    return (x, y, z), unit, (up if unit == "m" else decimals_for([x, y], unit=unit), up)
