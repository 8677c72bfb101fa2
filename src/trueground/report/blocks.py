"""What the report of an alignment adds for a blockwise one: the blocks, their verdicts, the field."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyproj import CRS

from trueground.coreg import BlockwiseAlignment
from trueground.coreg.plain import plain as without_nan
from trueground.grid import Grid
from trueground.plot import overview, shade_on
from trueground.plot.blocks import AXES, plot_block_arrows, plot_shift_field, plot_tiles
from trueground.raster import Raster
from trueground.report.page import Download, PicturesSection, Section, TableSection
from trueground.report.pictures import figure_picture
from trueground.report.solvers import percent
from trueground.report.text import number, quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from trueground.coreg.blocks.block import BlockFit
    from trueground.engine import Engine

_LARGEST_TABLE = 100  # rows
_INCHES = 4.8  # width of a figure
_SHADE_PIXELS = 600
_PALE = 1.6  # how far below black the greys of a hillshade begin
_EAST = {"x": "east", "y": "north", "z": "up"}
_CSV = (
    "row",
    "col",
    "x",
    "y",
    "verdict",
    "reason",
    "samples",
    "share",
    "nmad_before",
    "nmad_after",
)


def blockwise_sections(
    result: Mapping[str, Any],
    *,
    reference: Raster | None = None,
    engine: Engine | None = None,
) -> tuple[Section, ...]:
    """Return the sections of a blockwise result, as its JSON has it (`BlockwiseAlignment.to_dict`).

    Heat maps of the blocks' shifts, verdicts, the field in maps and numbers, and the table of the blocks. With the
    reference, its hillshade lies under the arrows.

    Raises
    ------
    InputError
        Where the result is not that of a blockwise alignment.
    """
    found = _read(result)
    return (
        _tiles_section(found),
        _arrows_section(found, reference, engine),
        _verdicts_section(found),
        _passes_section(found),
        _maps_section(found),
        _blocks_section(found),
    )


def _read(result: Mapping[str, Any]) -> BlockwiseAlignment:
    return BlockwiseAlignment.from_json(json.dumps(without_nan(result)))


def _tiles_section(found: BlockwiseAlignment) -> PicturesSection:
    rows, cols = found.tiles.verdict.shape
    written: list[bool] = []  # whether cells hold their numbers

    def drawn(axis: Any) -> Any:
        def draw(fig: Figure) -> None:
            written.append(bool(plot_tiles(found, fig.subplots(), axis=axis).texts))

        name = f"Shift {_EAST[axis]} of each block"
        return figure_picture(draw, (_INCHES, _height(found)), alt=f"{name}, as a table in colours")

    pictures = tuple(drawn(axis) for axis in AXES)
    reasons = ", with the reason in a word" if all(written) else ""
    numbers = "" if all(written) else (
        " The cells are too small for numbers: those of all blocks, and the reasons, are in the CSV file below the "
        "table of the blocks."
    )  # fmt: skip
    return PicturesSection(
        anchor="blocks",
        heading="Shifts of the blocks",
        text=f"{rows} by {cols} blocks of {found.block_px} px; metres to add to the moving DEM. White is the median. "
        f"Hatched blocks are not used{reasons}: the field goes through them.{numbers}",
        pictures=pictures,
        plain=True,
    )


def _height(found: BlockwiseAlignment) -> float:
    """Return the height of a picture of all blocks [inches]."""
    rows, cols = found.tiles.verdict.shape
    return float(min(max(_INCHES * rows / cols, 1.5), 1.6 * _INCHES)) + 0.9


def _arrows_section(
    found: BlockwiseAlignment, reference: Raster | None, engine: Engine | None
) -> PicturesSection:
    ground = None
    if reference is not None:
        ground = overview(reference, max_pixels=_SHADE_PIXELS, engine=engine)

    def arrows(fig: Figure) -> None:
        ax = fig.subplots()
        plot_block_arrows(found, ax)
        if ground is not None:
            _shade_below(ax, ground, found.crs)

    size = (_INCHES, _height(found))
    return PicturesSection(
        anchor="arrows",
        heading="Where they lead",
        half=True,
        plain=True,
        pictures=(
            figure_picture(
                arrows,
                size,
                alt="Arrows of the blocks' horizontal shifts over the hillshade of the reference",
            ),
        ),
    )


def _shade_below(ax: Axes, ground: Raster, crs: str | None) -> None:
    """Draw a hillshade under a map whose limits stand, in pale grey: arrows lie upon it."""
    (west, east), (south, north) = ax.get_xlim(), ax.get_ylim()
    step = max(east - west, north - south) / _SHADE_PIXELS
    grid = Grid.covering(
        (west, south, east, north), step, crs=None if crs is None else CRS.from_user_input(crs)
    )
    left, low, right, high = grid.bounds
    ax.imshow(
        shade_on(ground, grid, max_pixels=_SHADE_PIXELS), cmap="gray", vmin=-_PALE, vmax=1.0,
        extent=(left, right, low, high), origin="upper", aspect="equal", zorder=0,
    )  # fmt: skip
    ax.set_xlim(west, east)
    ax.set_ylim(south, north)


def _maps_section(found: BlockwiseAlignment) -> PicturesSection:
    west, south, east, north = found.fields[-1].bounds
    height = min(max(_INCHES * (north - south) / (east - west), 1.5), 1.6 * _INCHES)
    where = "Dots are blocks that the field is made of, crosses those left out."

    def field(axis: Any) -> Any:
        def draw(fig: Figure) -> None:
            plot_shift_field(found, fig.subplots(), axis=axis)

        alt = f"Map of the field of shifts {_EAST[axis]}"
        return figure_picture(draw, (_INCHES, height + 0.9), alt=alt)

    return PicturesSection(
        anchor="field",
        heading="The field",
        text=f"What the DEM is moved by: continuous, without seams at blocks. {where}",
        pictures=tuple(field(axis) for axis in AXES),
        plain=True,
    )


def _verdicts_section(found: BlockwiseAlignment) -> TableSection:
    said: dict[str, str] = {}
    for block in found.blocks:
        said.setdefault(block.verdict, block.reason)
    total = len(found.blocks)
    return TableSection(
        anchor="verdicts",
        half=True,
        heading="Verdicts",
        columns=("Verdict", "Blocks", "Share", "For instance"),
        rows=tuple(
            (
                verdict,
                str(count),
                f"{number(100.0 * count / total, decimals=0)}\N{NO-BREAK SPACE}%",
                said[verdict],
            )
            for verdict, count in found.verdicts.items()
        ),
        numeric=False,
        note=_beyond(found.extrapolated),
    )


def _beyond(share: float) -> str:
    if share == 0.0:
        return "No part of the reference lies beyond the good blocks."
    return f"{percent(share)} of the reference lies beyond the good blocks, where the field goes on flatly."


def refused_sections(result: Mapping[str, Any]) -> tuple[TableSection, ...]:
    """Return the table of the blocks that were refused, with their reasons; nothing where all are good.

    Raises
    ------
    InputError
        Where the result is not that of a blockwise alignment.
    """
    found = _read(result)
    refused = [b for b in found.blocks if b.verdict != "ok"]
    if not refused:
        return ()
    shown = refused[:_LARGEST_TABLE]
    more = f"The first {len(shown)} of {len(refused)}." if len(refused) > len(shown) else ""
    return (
        TableSection(
            anchor="refused",
            heading="Blocks that were refused",
            text=f"The field is made without them. {more}".strip(),
            columns=("Row, column", "Verdict", "Reason"),
            rows=tuple((f"{b.index[0]}, {b.index[1]}", b.verdict, b.reason) for b in shown),
            numeric=False,
        ),
    )


def _why(found: BlockwiseAlignment) -> str:
    """Say why the last field is what it is."""
    field = found.fields[-1]
    if not field.scores:
        auto = found.parameters.get("field") in (None, "auto")
        why = "so few good blocks allow nothing richer" if auto else "that was asked for"
        return f"The field is {field.kind}: {why}."
    best = min(field.scores, key=lambda kind: field.scores[kind])
    own = number(field.scores.get(field.kind))
    beside = (
        "; nothing else comes nearer"
        if best == field.kind
        else f"; {best}, which comes nearest, misses them by {number(field.scores[best])}, hardly less"
    )
    return (
        f"The field is {field.kind}: of what predicts blocks that were left out about as well as the best does, the "
        f"simplest. It misses them by {own} of their standard errors{beside}."
    )


def _passes_section(found: BlockwiseAlignment) -> TableSection:
    rows = []
    for n, field in enumerate(found.fields, start=1):
        misses = "\n".join(f"{k} {number(v)}" for k, v in field.scores.items())
        scatter = ", ".join(number(s) for s in field.scales)
        error = ", ".join(quantity(float(e)) for e in field.errors.mean(axis=(1, 2)))
        rows.append((f"{n}: {field.kind}", misses or "not compared", scatter, error))
    return TableSection(
        anchor="passes",
        heading="Why this field",
        text=_why(found),
        columns=("Pass and field", "Miss of blocks left out", "Scatter x, y, z", "Error x, y, z"),
        rows=tuple(rows),
        numeric=False,
        note="Misses, in standard errors of the blocks, by what the field could have been made of; 0.67 is what chance "
        "alone makes. Scatter: how many times their stated errors blocks lie off the field. Error: the mean standard "
        "error of the field.",
    )


def _blocks_section(found: BlockwiseAlignment) -> TableSection:
    shown = found.blocks[:_LARGEST_TABLE]
    more = len(found.blocks) - len(shown)
    last = f" pass {len(found.fields)}" if len(found.fields) > 1 else ""
    note = f"The first {len(shown)} of {len(found.blocks)} blocks. " if more else ""
    note += (
        f"Median of the good blocks' NMAD: {quantity(found.nmad_before)} before any pass, "
        f"{quantity(found.nmad_after)} after the last and each block's own shift."
    )
    return TableSection(
        anchor="table-of-blocks",
        heading="Table of the blocks",
        columns=("Row, column", *(f"Shift {_EAST[a]} [m]" for a in AXES), "Samples",
                 f"NMAD before{last} [m]", f"NMAD after{last} [m]", "Verdict"),
        rows=tuple(_row(b) for b in shown),
        note=note,
        download=Download(name="blocks.csv", label="All blocks, with all digits (CSV)", text=_csv(found)),
    )  # fmt: skip


def _row(block: BlockFit) -> tuple[str, ...]:
    pairs = zip(block.shift, block.error, strict=True)
    return (
        f"{block.index[0]}, {block.index[1]}",
        *(f"{number(s)} ± {number(e)}" if s == s else number(None) for s, e in pairs),  # noqa: PLR0124 (NaN)
        f"{block.samples:,}",
        number(block.nmad_before),
        number(block.nmad_after),
        block.verdict,
    )


def _csv(found: BlockwiseAlignment) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    axes = [f"{kind}_{a}" for kind in ("shift", "error", "rotation") for a in AXES]
    writer.writerow([*_CSV, *axes])
    for b in found.blocks:
        own = [getattr(b, name) for name in _CSV[2:]]
        writer.writerow([*b.index, *own, *b.shift, *b.error, *b.rotation])
    return out.getvalue()
