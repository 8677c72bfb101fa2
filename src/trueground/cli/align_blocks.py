"""What `trueground align --blocks` writes and says beside the moved DEM."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueground.cli.console import console

if TYPE_CHECKING:
    from trueground.cli.align_job import BlockOptions
    from trueground.coreg import BlockwiseAlignment
    from trueground.engine import Engine
    from trueground.grid import Grid


def write_blocks(  # noqa: PLR0917 (what is written, and where)
    found: Any, options: BlockOptions, grid: Grid, engine: Engine
) -> list[Path | None]:
    """Write the table of the blocks and the field as a raster, where they are asked for."""
    from trueground.coreg.blocks.field_raster import BANDS
    from trueground.writer import write

    if options.table is not None:
        write_table(found, options.table)
    if options.raster is not None:
        with console.progress("field") as step:
            write(
                found.field_raster(grid), options.raster, engine=engine, descriptions=BANDS,
                progress=step,
            )  # fmt: skip
    return [options.table, options.raster]


def write_table(found: BlockwiseAlignment, path: Path) -> None:
    """Write the blocks as points with all their figures, whole or not at all."""
    from trueground.writer import atomic

    table = found.to_geodataframe()
    with atomic(path) as place:
        if path.suffix.lower() == ".csv":
            table.drop(columns="geometry").to_csv(place, index=False)
        elif path.suffix.lower() == ".gpkg":
            table.to_file(place, driver="GPKG", layer="blocks")
        else:
            table = table if table.crs is None else table.to_crs(4326)
            table.to_file(place, driver="GeoJSON")


def say_blocks(found: BlockwiseAlignment) -> None:
    """Print what the blocks and the field are."""
    _say_size(found)
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in found.verdicts.items())
    print(f"{len(found.blocks)} blocks of {found.block_px} px: {verdicts}")
    kinds = " then ".join(f.kind for f in found.fields)
    good = [b for b in found.blocks if b.verdict == "ok"]
    spans = []
    for axis, name in enumerate("xyz"):
        values = found.shifts.at([b.x for b in good], [b.y for b in good])[axis]
        spans.append(f"{name} {values.min():+.3f} to {values.max():+.3f} m")
    if len(found.blocks) == 1:
        console.warn(
            f"one block of {found.block_px} px holds all: its shift is that of the whole; take smaller blocks, or none"
        )
    if found.extrapolated > 0.0:
        console.note(
            f"{found.extrapolated:.0%} of the area lie beyond the good blocks: the field goes on flatly there"
        )
    print(f"field of shifts, {kinds}: {', '.join(spans)}")
    print(
        f"NMAD, median over the good blocks: {found.nmad_before:.3f} m before any pass, {found.nmad_after:.3f} m after "
        "the last and each block's own shift"
    )
    if found.statistics:
        before, after = (found.statistics[when] for when in ("before", "after"))
        print(
            f"NMAD on all usable cells: {before['nmad']:.3f} m before, {after['nmad']:.3f} m after the field"
        )


def _say_size(found: BlockwiseAlignment) -> None:
    """Say what size blocks have, where that is not what was asked for."""
    first = (found.first_blocks or found.blocks)[0].window
    asked, unit = (found.parameters[name] for name in ("block_size", "unit"))
    if unit == "px" and asked == first.width == first.height:
        return
    console.note(
        f"blocks of {asked:g} {unit} were asked for: they are {first.width} x {first.height} px, so that all of the "
        "reference is cut evenly"
    )
