"""The report of an orthoimage: what it shows, what it cannot show, and how far it is off."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from trueground.dem import Dem
from trueground.engine import Engine
from trueground.quality import OrthoQuality
from trueground.raster import Raster
from trueground.report.closing import closing_sections
from trueground.report.ortho_pictures import QUICK_LOOK_PIXELS, quick_look
from trueground.report.ortho_sections import (
    domain_section,
    grids_section,
    incidence_section,
    sight_section,
    swipe_section,
    vectors_sections,
)
from trueground.report.ortho_words import HIDDEN, angle_decimals, known, pixel, significant
from trueground.report.page import Fact, Page, Section
from trueground.report.solvers import percent
from trueground.report.text import crs_name, file_name, number, quantity
from trueground.writer import write_text

_OUTSIDE = 1e-3  # share outside of the RPC's domain that is worth a warning


def write_ortho_report(
    path: str | os.PathLike[str],
    *,
    quality: OrthoQuality,
    image: Raster | None,
    dem: Dem | None,
    maps: bool = True,
    inputs: Mapping[str, Any],
    warnings: Sequence[str] = (),
    command: str = "",
    engine: Engine | None = None,
) -> None:
    """Write the report of an orthoimage as one HTML file, whole or not at all.

    Parameters
    ----------
    path
        Name of the file; its folder must exist.
    quality
        What `trueground.quality.assess` found.
    image
        The orthoimage, as it was written or computed when it is read: block by block, for the quick look. None: none.
    dem
        Its elevation model, for the hillshade; None: no quick look.
    maps
        Whether `quality` has its maps: they are not kept as JSON.
    inputs
        What went in, name to value; `image` and `dem` name the files.
    warnings
        Sentences that stand at the top of the page.
    command
        Command that makes the result again.
    engine
        What reads the orthoimage for the quick look; threads of this process by default.

    Raises
    ------
    WriteError
        Where the file could not be written.
    """
    name = file_name(inputs.get("image"), "image")
    surface = file_name(inputs.get("dem"), "elevation model")
    look = None
    sections: list[Section] = []
    if image is not None and dem is not None:
        look = quick_look(image, dem, max_pixels=QUICK_LOOK_PIXELS, engine=engine)
        sections.append(swipe_section(look, surface))
    if maps:
        sections += [incidence_section(quality), sight_section(quality, dem)]
    for k, vectors in enumerate(quality.vectors):
        sections += vectors_sections(vectors, quality, look, anchor=f"residuals-{k + 1}")
    sections += [grids_section(quality), domain_section(quality)]
    page = Page(
        title=f"Orthoimage of {name}",
        lead=_lead(quality, name=name, surface=surface),
        facts=_facts(quality),
        warnings=(*warnings, *_warnings(quality, surface)),
        sections=(*sections, *closing_sections(inputs, command)),
    )
    write_text(path, page.render())


def _lead(quality: OrthoQuality, *, name: str, surface: str) -> str:
    rows, cols = quality.output.shape
    size = f"{rows:,} x {cols:,} pixels of {pixel(quality.output)}"
    where = crs_name(quality.output.crs).partition(" (EPSG")[0]
    return (
        f"{name} was put on the ground over {surface} (heights above {quality.datum}): "
        f"{size}, {where}."
    )


def _facts(quality: OrthoQuality) -> tuple[Fact, ...]:
    incidence = quality.incidence
    places = angle_decimals(quality)
    spread = f"{number(incidence.low, decimals=places)} to {quantity(incidence.high, '°', decimals=places)}"
    facts = [
        Fact(
            label="Incidence",
            value=quantity(known(incidence.mean), "°", decimals=1),
            note=spread,
        ),
        Fact(
            label="Hidden ground",
            value=percent(quality.hidden),
            note="of every pixel with a height"
            if quality.hidden_is_whole
            else "of a sample with heights",
        ),
        Fact(
            label="Ground with heights",
            value=percent(quality.coverage),
            note=f"under {percent(quality.image_coverage)} of the image",
        ),
        Fact(label="Outside of the RPC's domain", value=percent(quality.outside)),
    ]
    facts += [
        Fact(
            label=f"CE90 against {vectors.against}",
            value=quantity(known(vectors.ce90)),
            note=f"{int(vectors.known.sum())} places",
        )
        for vectors in quality.vectors
    ]
    return tuple(facts)


def _warnings(quality: OrthoQuality, surface: str) -> list[str]:
    found = []
    if quality.image_coverage < 1.0:
        found.append(
            f"{surface} has heights under {percent(quality.image_coverage)} of the image; the rest of it is not shown."
        )
    elif quality.coverage < 1.0:
        found.append(
            f"{surface} has heights under {percent(quality.coverage)} of the ground; the rest is no data."
        )
    if quality.outside > _OUTSIDE:
        worst = max(quality.domain, key=lambda axis: axis.beyond / (axis.high - axis.low))
        found.append(
            f"{percent(quality.outside)} of the ground lies outside of what the RPC was made for, most of all in "
            f"{worst.name} (up to {significant(worst.beyond)} {worst.unit} beyond): check these places by other means."
        )
    if quality.occlusion != "fill" and quality.hidden > 0.0:
        found.append(f"Hidden ground {HIDDEN[quality.occlusion]}.")
    for vectors in quality.vectors:
        lost = int((~vectors.known).sum())
        if not vectors.known.any():
            found.append(f"Nothing could be measured against {vectors.against}.")
        elif lost:
            found.append(
                f"{lost} of {len(vectors.label)} points of {vectors.against} do not meet the DEM."
            )
    return found
