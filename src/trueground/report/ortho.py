"""The report of an orthoimage: what it shows, what it cannot show, and how far it is off."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from trueground.dem import Dem
from trueground.quality import OrthoQuality, Residuals
from trueground.quality.result import GridFacts
from trueground.raster import Raster
from trueground.report.alignment import closing_sections
from trueground.report.ortho_pictures import (
    QUICK_LOOK_PIXELS,
    QuickLook,
    incidence_picture,
    quick_look,
    sight_picture,
    vectors_picture,
)
from trueground.report.page import (
    Download,
    Fact,
    Page,
    PicturesSection,
    Section,
    SwipeSection,
    TableSection,
)
from trueground.report.pictures import placed_picture
from trueground.report.solvers import percent
from trueground.report.text import (
    crs_name,
    crs_unit,
    decimals_for,
    file_name,
    number,
    quantity,
    unit_symbol,
)
from trueground.writer import write_text

_HALF = 5.6  # inches, width of a figure in half a page
_WIDE = 6.4
_LISTED = 25  # residuals in a table
_OUTSIDE = 1e-3  # share outside of the RPC's domain that is worth a warning
_HIDDEN = {
    "fill": "is no data",
    "mask": "keeps values that belong to what stands before it",
    "ignore": "shows what stands before it, twice",
}


def write_ortho_report(
    path: str | os.PathLike[str],
    *,
    quality: OrthoQuality,
    image: Raster,
    dem: Dem,
    inputs: Mapping[str, Any],
    warnings: Sequence[str] = (),
    command: str = "",
) -> None:
    """Write the report of an orthoimage as one HTML file, whole or not at all.

    Parameters
    ----------
    path
        Name of the file; its folder must exist.
    quality
        What `trueground.quality.assess` found.
    image
        The orthoimage, as it was written or computed when it is read: block by block, for the quick look.
    dem
        Its elevation model, for the hillshade.
    inputs
        What went in, name to value; `image` and `dem` name the files.
    warnings
        Sentences that stand at the top of the page.
    command
        Command that makes the result again.

    Raises
    ------
    WriteError
        Where the file could not be written.
    """
    name = file_name(inputs.get("image"), "image")
    surface = file_name(inputs.get("dem"), "elevation model")
    look = quick_look(image, dem, max_pixels=QUICK_LOOK_PIXELS)
    sections: list[Section] = [
        _swipe_section(look, surface),
        _incidence_section(quality),
        _sight_section(quality, dem),
    ]
    for k, vectors in enumerate(quality.vectors):
        sections += _vectors_sections(vectors, quality, look, anchor=f"residuals-{k + 1}")
    sections += [_grids_section(quality), _domain_section(quality)]
    page = Page(
        title=f"Orthoimage of {name}",
        lead=_lead(quality, name=name, surface=surface),
        facts=_facts(quality),
        warnings=(*warnings, *_warnings(quality, surface)),
        sections=(*sections, *closing_sections({}, inputs, command)),
    )
    write_text(path, page.render())


def _lead(quality: OrthoQuality, *, name: str, surface: str) -> str:
    rows, cols = quality.output.shape
    size = f"{rows:,} x {cols:,} pixels of {_pixel(quality.output)}"
    where = crs_name(quality.output.crs).partition(" (EPSG")[0]
    return (
        f"{name} was put on the ground over {surface} (heights above {quality.datum}): "
        f"{size}, {where}."
    )


def _facts(quality: OrthoQuality) -> tuple[Fact, ...]:
    incidence = quality.incidence
    places = _angle_decimals(quality)
    spread = f"{number(incidence.low, decimals=places)} to {quantity(incidence.high, '°', decimals=places)}"
    facts = [
        Fact(
            label="Incidence",
            value=quantity(_known(incidence.mean), "°", decimals=1),
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
            value=quantity(_known(vectors.ce90)),
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
            f"{worst.name} (up to {_significant(worst.beyond)} {worst.unit} beyond): check these places by other means."
        )
    if quality.occlusion != "fill" and quality.hidden > 0.0:
        found.append(f"Hidden ground {_HIDDEN[quality.occlusion]}.")
    for vectors in quality.vectors:
        lost = int((~vectors.known).sum())
        if not vectors.known.any():
            found.append(f"Nothing could be measured against {vectors.against}.")
        elif lost:
            found.append(
                f"{lost} of {len(vectors.label)} points of {vectors.against} do not meet the DEM."
            )
    return found


def _swipe_section(look: QuickLook, surface: str) -> SwipeSection:
    names = ("orthoimage", "hillshade")
    alts = ("Quick look of the orthoimage, north up", f"Hillshade of {surface} on the same ground")
    first, second = (
        placed_picture(pixels, alt=alt, caption=name.capitalize(), grid=look.grid)
        for pixels, alt, name in zip((look.image, look.relief), alts, names, strict=True)
    )
    return SwipeSection(
        anchor="quick-look",
        heading="Quick look",
        text=f"Each band stretched from its 2nd to its 98th percentile. Where the orthoimage has no data, the "
        f"hillshade of {surface} shows through.",
        first=first,
        second=second,
        first_name=names[0],
        second_name=names[1],
    )


def _incidence_section(quality: OrthoQuality) -> PicturesSection:
    incidence, places = quality.incidence, _angle_decimals(quality)
    text = (
        f"Between the line of sight and the vertical, on the ground: mean {_degrees(incidence.mean, places)}, "
        f"{number(_known(incidence.low), decimals=places)} to {_degrees(incidence.high, places)}. The arrow points to "
        f"the sensor, at azimuth {_degrees(quality.azimuth, 1)}. An error of 1 m in the height moves the ground by "
        f"{quantity(math.tan(math.radians(incidence.mean)))}, towards the sensor where the height is too high."
        if math.isfinite(incidence.mean)
        else "No ground with a height is seen."
    )
    return PicturesSection(
        anchor="incidence",
        half=True,
        heading="Angle of incidence",
        text=text,
        pictures=(incidence_picture(quality, _HALF),),
        plain=True,
    )


def _sight_section(quality: OrthoQuality, dem: Dem) -> PicturesSection:
    counted = (
        "counted at every pixel"
        if quality.hidden_is_whole
        else f"counted at every {_ordinal(quality.step)} row and column"
    )
    hidden = (
        f"{percent(quality.hidden)} of the ground is hidden: its line of sight meets the DEM before ({counted}). "
        f"It {_HIDDEN[quality.occlusion]}."
        if quality.hidden > 0.0
        else f"No ground is hidden ({counted})."
    )
    share = "All" if quality.coverage == 1.0 else percent(quality.coverage)
    heights = f"{share} of the ground that the image reaches within the output has heights."
    return PicturesSection(
        anchor="sight",
        half=True,
        heading="What the sensor saw",
        text=f"{hidden} {heights}",
        pictures=(sight_picture(quality, dem, _HALF),),
        plain=True,
    )


def _vectors_sections(
    vectors: Residuals, quality: OrthoQuality, look: QuickLook, *, anchor: str
) -> list[Section]:
    east, north = vectors.median
    refused = sum(n for _, n in vectors.refused)
    why = ", ".join(f"{n} {reason}" for reason, n in vectors.refused)
    text = (
        f"Where the orthoimage shows a place, less where it is: {int(vectors.known.sum())} places"
        f"{f', {refused} patches refused ({why})' if refused else ''}. CE90 {quantity(_known(vectors.ce90))}, "
        f"RMS {quantity(_known(vectors.rms))}; median {_signed(east)} east, {_signed(north)} north."
    )
    if _in_image(vectors):
        text += f" In the image, by the RPC alone: CE90 {quantity(_known(vectors.ce90_px), 'px')}."
    text += " Arrows more than twice as long as nine of ten are cut there, and red."
    turn = quality.azimuth - quality.bearing
    convergence = -turn if math.isfinite(turn) else 0.0
    return [
        PicturesSection(
            anchor=anchor,
            heading=f"Against {vectors.against}",
            text=text,
            pictures=(vectors_picture(vectors, look, _WIDE, convergence=convergence),),
            plain=True,
        ),
        _vectors_table(vectors, anchor=f"{anchor}-table"),
    ]


def _vectors_table(vectors: Residuals, *, anchor: str) -> TableSection:
    order = sorted(
        range(len(vectors.label)),
        key=lambda i: -vectors.distance[i] if vectors.known[i] else -math.inf,
    )
    listed = order[:_LISTED]
    in_image = _in_image(vectors)
    places = decimals_for([_known(vectors.rms)])
    rows = []
    for i in listed:
        ground = (vectors.east[i], vectors.north[i], vectors.distance[i])
        cells = [
            vectors.label[i],
            number(float(vectors.x[i])),
            number(float(vectors.y[i])),
            *(number(float(v), decimals=places, signed=k < 2) for k, v in enumerate(ground)),
        ]
        if in_image:
            image = (vectors.d_row[i], vectors.d_col[i], vectors.d_height[i])
            cells += [number(float(v), signed=True) for v in image]
        else:
            cells.append(number(float(vectors.weight[i])))
        rows.append(tuple(cells))
    more = ("row [px]", "column [px]", "DEM less point [m]") if in_image else ("match",)
    some = f"the {_LISTED} largest of {len(order)}" if len(order) > _LISTED else "the largest first"
    return TableSection(
        anchor=anchor,
        heading="Residuals",
        text=f"Shown less true, {some}.",
        columns=("place", "x", "y", "east [m]", "north [m]", "distance [m]", *more),
        rows=tuple(rows),
        note="CE90: nine of ten places are off by less, on the ground."
        + (
            " Rows and columns: measured less projected by the RPC at the point's own height."
            if in_image
            else " Match: coherence of the patch, 1 for identical ones."
        ),
        download=Download(
            name=f"{anchor.removesuffix('-table')}.csv",
            label=f"All {len(order)} as CSV",
            text=vectors.to_csv(),
        ),
    )


def _grids_section(quality: OrthoQuality) -> TableSection:
    rows, cols = quality.image_shape
    return TableSection(
        anchor="grids",
        heading="Grids",
        columns=("", ""),
        rows=(
            ("Orthoimage", _described(quality.output)),
            ("Elevation model", f"{_described(quality.dem)}\nheights above {quality.datum}"),
            ("Image", f"{rows:,} x {cols:,} pixels"),
            ("RPC", quality.rpc_origin or "given"),
            ("Resampling", quality.resampling),
            ("Hidden ground", quality.occlusion),
        ),
        numeric=False,
    )


def _described(facts: GridFacts) -> str:
    """Return size, pixel, CRS and bounds of a grid in some lines."""
    unit = unit_symbol(crs_unit(facts.crs))
    places = 6 if unit == "°" else 2
    west, south, east, north = (number(v, decimals=places) for v in facts.bounds)
    rows, cols = facts.shape
    return (
        f"{rows:,} x {cols:,} pixels of {_pixel(facts)}\n{crs_name(facts.crs) if facts.crs else 'no CRS'}\n"
        f"x {west} to {east}\ny {south} to {north}"
    )


def _domain_section(quality: OrthoQuality) -> TableSection:
    rows = []
    for axis in quality.domain:
        places = 4 if axis.unit == "degrees" else 1
        rows.append(
            (
                f"{axis.name.capitalize()} [{axis.unit}]",
                number(axis.low, decimals=places),
                number(axis.high, decimals=places),
                f"{_significant(axis.beyond)}" if axis.beyond > 0.0 else "inside",
                f"{number(200.0 * axis.beyond / (axis.high - axis.low), decimals=1)} %",
            )
        )
    return TableSection(
        anchor="domain",
        heading="Domain of the RPC",
        text=f"What the RPC was made for, and how far the orthoimage reaches beyond it. {percent(quality.outside)} of "
        "the ground with heights lies outside, where the model is extrapolated.",
        columns=("", "From", "To", "Beyond, at most", "of half the range"),
        rows=tuple(rows),
    )


def _in_image(vectors: Residuals) -> bool:
    return math.isfinite(vectors.ce90_px)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _degrees(value: float, places: int) -> str:
    return quantity(_known(value), "°", decimals=places)


def _angle_decimals(quality: OrthoQuality) -> int:
    """Return the decimals that tell the lowest incidence from the highest."""
    spread = quality.incidence.high - quality.incidence.low
    return 1 if not spread < 1.0 else 2 if spread >= 0.1 else 3


def _signed(value: float) -> str:
    return quantity(_known(value), signed=True)


def _significant(value: float) -> str:
    return f"{float(f'{value:.3g}'):.10g}"


def _pixel(facts: GridFacts) -> str:
    """Return the size of a pixel with its unit."""
    unit = unit_symbol(crs_unit(facts.crs))
    dx, dy = (f"{v:.6g}" for v in facts.resolution)
    size = dx if dx == dy else f"{dx} x {dy}"
    return f"{size}{'' if unit == '°' else ' '}{unit}"


def _ordinal(n: int) -> str:
    end = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{end}"
