"""Sections of the report of an orthoimage."""

from __future__ import annotations

import math
from dataclasses import replace

from trueground.dem import Dem
from trueground.quality import OrthoQuality, Residuals
from trueground.quality.result import GridFacts
from trueground.report.ortho_pictures import (
    QuickLook,
    incidence_picture,
    sight_picture,
    vectors_picture,
)
from trueground.report.ortho_words import HIDDEN, angle_decimals, known, pixel, significant
from trueground.report.page import (
    Download,
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
    number,
    quantity,
    unit_symbol,
)

_HALF = 4.8  # inches, width of a figure in half a page
_WIDE = 5.8
_LISTED = 25  # residuals in a table


def swipe_section(look: QuickLook, surface: str) -> SwipeSection:
    """Return the orthoimage over the hillshade, with a divider."""
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


def incidence_section(quality: OrthoQuality) -> PicturesSection:
    """Return the map of incidence, and what a wrong height does."""
    incidence, places = quality.incidence, angle_decimals(quality)
    text = (
        f"Between the line of sight and the vertical, on the ground: mean {_degrees(incidence.mean, places)}, "
        f"{number(known(incidence.low), decimals=places)} to {_degrees(incidence.high, places)}. The arrow points to "
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


def sight_section(quality: OrthoQuality, dem: Dem | None) -> PicturesSection:
    """Return the map of hidden ground and missing heights."""
    counted = (
        "counted at every pixel"
        if quality.hidden_is_whole
        else f"counted at every {_ordinal(quality.step)} row and column"
    )
    hidden = (
        f"{percent(quality.hidden)} of the ground is hidden: its line of sight meets the DEM before ({counted}). "
        f"It {HIDDEN[quality.occlusion]}."
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


def vectors_sections(
    vectors: Residuals, quality: OrthoQuality, look: QuickLook | None, *, anchor: str
) -> list[Section]:
    """Return the residuals as arrows, where there is a quick look, and as a table."""
    east, north = vectors.median
    refused = sum(n for _, n in vectors.refused)
    why = ", ".join(f"{n} {reason}" for reason, n in vectors.refused)
    text = (
        f"Where the orthoimage shows a place, less where it is: {int(vectors.known.sum())} places"
        f"{f', {refused} patches refused ({why})' if refused else ''}. CE90 {quantity(known(vectors.ce90))}, "
        f"RMS {quantity(known(vectors.rms))}; median {_signed(east)} east, {_signed(north)} north."
    )
    if _in_image(vectors):
        text += f" In the image, by the RPC alone: CE90 {quantity(known(vectors.ce90_px), 'px')}."
    table = _vectors_table(vectors, anchor=f"{anchor}-table")
    heading = f"Against {vectors.against}"
    if look is None:
        return [replace(table, heading=heading, text=f"{text} {table.text}")]
    text += " Arrows more than twice as long as nine of ten are cut there, and red."
    turn = quality.azimuth - quality.bearing
    convergence = -turn if math.isfinite(turn) else 0.0
    picture = vectors_picture(vectors, look, _WIDE, convergence=convergence)
    arrows = PicturesSection(
        anchor=anchor, heading=heading, text=text, pictures=(picture,), plain=True
    )
    return [arrows, table]


def _vectors_table(vectors: Residuals, *, anchor: str) -> TableSection:
    order = sorted(
        range(len(vectors.label)),
        key=lambda i: -vectors.distance[i] if vectors.known[i] else -math.inf,
    )
    listed = order[:_LISTED]
    in_image = _in_image(vectors)
    places = decimals_for([known(vectors.rms)])
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


def grids_section(quality: OrthoQuality) -> TableSection:
    """Return what lies on which grid."""
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
        f"{rows:,} x {cols:,} pixels of {pixel(facts)}\n{crs_name(facts.crs) if facts.crs else 'no CRS'}\n"
        f"x {west} to {east}\ny {south} to {north}"
    )


def domain_section(quality: OrthoQuality) -> TableSection:
    """Return how far the orthoimage reaches beyond what the RPC was made for."""
    rows = []
    for axis in quality.domain:
        places = 4 if axis.unit == "degrees" else 1
        rows.append(
            (
                f"{axis.name.capitalize()} [{axis.unit}]",
                number(axis.low, decimals=places),
                number(axis.high, decimals=places),
                f"{significant(axis.beyond)}" if axis.beyond > 0.0 else "inside",
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


def _degrees(value: float, places: int) -> str:
    return quantity(known(value), "°", decimals=places)


def _signed(value: float) -> str:
    return quantity(known(value), signed=True)


def _ordinal(n: int) -> str:
    end = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{end}"
