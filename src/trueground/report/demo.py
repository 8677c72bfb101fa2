"""The report of the demo: an alignment and two orthoimages, held against the known truth."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueground.errors import InputError
from trueground.raster import Raster
from trueground.report.alignment import (
    alignment_facts,
    alignment_sections,
    alignment_sentence,
)
from trueground.report.closing import closing_sections
from trueground.report.differences import Differences
from trueground.report.page import Fact, Page, Section, SwipeSection, TableSection
from trueground.report.pictures import image_pair
from trueground.report.text import as_number, decimals_for, number, plain, quantity
from trueground.writer import write_text

if TYPE_CHECKING:
    import geopandas as gpd

_AXES = {"shift_x": "Shift east [m]", "shift_y": "Shift north [m]", "shift_z": "Shift up [m]"}


def write_demo_report(
    path: str | os.PathLike[str],
    *,
    alignment: Mapping[str, Any],
    before: Raster,
    after: Raster,
    reference: Raster | None,
    outlines: gpd.GeoSeries | gpd.GeoDataFrame | None,
    truth: Mapping[str, Any],
    images: Sequence[Raster],
    numbers: Mapping[str, Any],
    command: str,
    valid: Raster | None = None,
    inputs: Mapping[str, Any] | None = None,
    image_names: tuple[str, str] = ("left", "right"),
    warnings: Sequence[str] = (),
) -> None:
    """Write the report of the demo as one HTML file, whole or not at all.

    Parameters
    ----------
    path
        Name of the file; its folder must exist.
    alignment
        The alignment as its JSON has it, see `write_alignment_report`.
    before, after, reference, outlines, valid
        As of `write_alignment_report`.
    truth
        `shift_x`, `shift_y`, `shift_z`: the known mean shift, metres. Anything else is an error
        against the truth, name to value: a number in metres, a pair (number, unit), or text.
    images
        Two orthoimages of the same ground; their grids may differ.
    numbers
        More results, name to value as in `truth`.
    command
        Command that makes the result again.
    inputs
        What went in, name to value.
    image_names
        What the images are called.
    warnings
        Sentences that stand at the top of the page.

    Raises
    ------
    InputError
        Where there are not two images.
    WriteError
        Where the file could not be written.
    """
    if len(images) != 2:
        msg = f"{len(images)} orthoimages: the report of the demo swipes between exactly two"
        raise InputError(msg)
    maps = Differences(
        before=before, after=after, reference=reference, outlines=outlines, valid=valid
    )
    sections = alignment_sections(alignment, maps)
    sentence = alignment_sentence(alignment, moving="The moving DEM", fixed="the reference")
    page = Page(
        title="A synthetic world, put in its true place",
        lead=f"{sentence} Two images were orthorectified over the aligned DEM.",
        facts=(*alignment_facts(alignment), *_error_fact(alignment, truth)),
        warnings=tuple(warnings),
        sections=(
            _truth_section(alignment, truth),
            *_numbers_section(numbers),
            *sections,
            _swipe_section(images, image_names),
            *closing_sections(inputs or {}, command, result=alignment),
        ),
    )
    write_text(path, page.render())


def _error_fact(alignment: Mapping[str, Any], truth: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Return the largest error of the three shifts."""
    errors = [e for name in _AXES if (e := _error(alignment, truth, name)) is not None]
    if not errors:
        return ()
    worst = max(errors, key=abs)
    return (
        Fact(label="Error of the shift", value=quantity(abs(worst)), note="largest of the three"),
    )


def _error(alignment: Mapping[str, Any], truth: Mapping[str, Any], name: str) -> float | None:
    found, known = as_number(alignment.get(name)), as_number(truth.get(name))
    return None if found is None or known is None else found - known


def _truth_section(alignment: Mapping[str, Any], truth: Mapping[str, Any]) -> Section:
    rows: list[tuple[str, ...]] = []
    places = decimals_for([_error(alignment, truth, name) for name in _AXES])
    for name, heading in _AXES.items():
        found, known = as_number(alignment.get(name)), as_number(truth.get(name))
        if known is None:
            continue
        error = _error(alignment, truth, name)
        rows.append(
            (
                heading,
                number(found, decimals=2, signed=True),
                number(known, decimals=2, signed=True),
                number(error, decimals=places, signed=True),
            )
        )
    errors = {name: value for name, value in truth.items() if name not in _AXES}
    rows += [(name, "", "", _with_unit(value)) for name, value in errors.items()]
    return TableSection(
        anchor="truth",
        half=True,
        heading="Against the truth",
        text="The demo's world is made, so that the truth is known and every result has an error.",
        columns=("", "Found", "True", "Error"),
        rows=tuple(rows),
    )


def _numbers_section(numbers: Mapping[str, Any]) -> tuple[Section, ...]:
    if not numbers:
        return ()
    rows = tuple((name, _with_unit(value)) for name, value in numbers.items())
    return (
        TableSection(
            anchor="results",
            half=True,
            heading="What else was found",
            columns=("", "Value"),
            rows=rows,
        ),
    )


def _with_unit(value: object) -> str:
    """Return a number in metres, a pair of number and unit, or text, as text."""
    if isinstance(value, tuple) and len(value) == 2:
        amount, unit = value
        return quantity(as_number(amount), str(unit))
    if isinstance(value, float):
        return quantity(as_number(value))
    return plain(value)


def _swipe_section(images: Sequence[Raster], names: tuple[str, str]) -> SwipeSection:
    large, thumbnails = image_pair(images[0], images[1], names=names)
    return SwipeSection(
        anchor="images",
        heading="The orthoimages",
        text="Both were taken from different directions and now lie on the same ground: "
        "what is on the ground must not move when the divider does.",
        first=large[0],
        second=large[1],
        first_name=names[0],
        second_name=names[1],
        pictures=thumbnails,
    )
