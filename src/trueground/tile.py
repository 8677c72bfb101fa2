"""A tile: a part of a raster, written as a file of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from trueground.engine import Engine, Progress, Serial
from trueground.fingerprint import sha256
from trueground.grid import Grid, Window
from trueground.raster import Raster
from trueground.surface import OfSource
from trueground.writer import write

CHECKSUM = "sha256"
FOLDER = "tiles"
Tile = dict[str, Any]
"""What is known of a tile: its checksum, and what was counted in it."""


def tile_name(window: Window, size: int) -> str:
    """Return the name of a tile, in the folder of all."""
    return f"{FOLDER}/r{window.row // size:04d}_c{window.col // size:04d}.tif"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(OfSource):
    """The pixels of a window of a raster, as a raster."""

    source: Raster
    window: Window
    grid: Grid = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", self.source.grid.crop(self.window))

    def read(self, window: Window) -> NDArray[Any]:
        """Return a window, counted from the part's own first pixel."""
        return self.source.read(self.in_source(window))

    def in_source(self, window: Window) -> Window:
        """Return a window of the part as one of its source."""
        row, col = window.row + self.window.row, window.col + self.window.col
        return replace(window, row=row, col=col)


@dataclass(frozen=True, kw_only=True)
class TileMaker:
    """Writes tiles, wherever it is sent."""

    raster: Raster
    folder: Path
    size: int
    """Edge of a tile [px]."""
    block_size: int
    options: Mapping[str, Any]
    """What else `writer.write` is told."""
    counted: Callable[[Window], Mapping[str, int]] | None
    """Asked, of each window that was read, for numbers by name."""

    def __call__(self, window: Window) -> Tile:
        """Write the tile of a window, block after block."""
        return self.make(window, engine=Serial())

    def make(
        self, window: Window, *, engine: Engine | None, progress: Progress | None = None
    ) -> Tile:
        """Write the tile of a window, its blocks computed by an engine."""
        part, path = (
            Part(source=self.raster, window=window),
            self.folder / tile_name(window, self.size),
        )
        write(
            part,
            path,
            engine=engine,
            block_size=self.block_size,
            progress=progress,
            **self.options,
        )
        counts: Counter[str] = Counter()
        if self.counted is not None:
            for block in part.grid.blocks(self.block_size):
                counts.update(self.counted(part.in_source(block.core)))
        return {CHECKSUM: sha256(path), **counts}
