"""How large the files of a job are, those included that are not there yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueground.errors import TruegroundError
from trueground.jobs.commands import Commands, Extent
from trueground.jobs.kinds import KINDS
from trueground.jobs.model import Step, makes_several
from trueground.pointfiles import is_point_file
from trueground.tiles import TileStore

if TYPE_CHECKING:
    from trueground.raster import Raster

_FLOAT = 4  # bytes of a height
_ON = {"diff": "a", "uncertainty": "difference"}  # whose grid the output has, or is worked on


@dataclass(kw_only=True)
class _Planned:
    """An output that is not there yet."""

    extent: Extent | None
    """None of what is no raster."""
    stand_in: str | None
    """A file that lies where it will, about as it will; None where there is none."""


class Sizes:
    """Sizes of inputs and outputs; a step is asked about after those that it needs."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._planned: dict[str, _Planned] = {}

    def of_file(self, path: str) -> Extent | None:
        """Return the size of a file; None of what is no raster, or not there."""
        from trueground.raster import open_raster

        if path in self._planned:
            return self._planned[path].extent
        if is_point_file(path):
            return None
        try:
            return _extent(open_raster(path))
        except TruegroundError:
            return None

    def of_output(self, step: Step) -> tuple[Extent, ...]:
        """Return the sizes of the rasters that a step makes; for tables, of what it looks at.

        Raises
        ------
        TruegroundError
            Where its inputs do not make an output.
        """
        values = step.values
        if step.command == "ortho":
            there = {k: self._there(v) for k, v in values.items()}
            given = {k: v for k, v in there.items() if v is not None}  # an image has its own RPC
            found = self._commands.ortho_extents(given)
            for path, made in zip(_ortho_paths(step), found, strict=True):
                self._planned[path] = _Planned(extent=made, stand_in=None)
            return found
        source = self._source(step.command, values)
        size = self.of_file(source)
        extent = None if size is None else Extent(rows=size.rows, cols=size.cols, bytes=_FLOAT)
        is_raster = KINDS[step.command].raster
        self._planned[str(values["output"])] = _Planned(
            extent=extent if is_raster else None,
            stand_in=self._there(source) if is_raster else None,
        )
        return () if extent is None else (extent,)

    def pixels(self, step: Step) -> int:
        """Return how many pixels a step makes, or looks at; 0 where that cannot be told."""
        try:
            return sum(e.pixels for e in self.of_output(step))
        except TruegroundError:
            return 0

    def _source(self, command: str, values: dict[str, Any]) -> str:
        """Return the raster whose grid the output of a command has."""
        if command == "align":
            on_points = is_point_file(values["moving"])
            key = "reference" if on_points or values.get("grid") == "reference" else "moving"
        elif command == "apply":
            key = "like" if "like" in values else "dem"
        elif command == "refine":
            key = "reference" if "reference" in values else "image"
        else:
            key = _ON[command]
        return str(values[key])

    def _there(self, value: Any) -> Any:
        """Return a value with files that are there in the place of those that are not."""
        if isinstance(value, list):
            return [self._there(item) for item in value]
        planned = self._planned.get(str(value))
        return value if planned is None or Path(str(value)).exists() else planned.stand_in


def _ortho_paths(step: Step) -> list[str]:
    """Return the orthoimages that a step writes."""
    output, settings = Path(step.values["output"]), step.settings
    if makes_several(step.command, settings):
        places = [output / Path(name).stem for name in settings["images"].value]
    else:
        places = [output]
    if "tiles" in settings:
        return [str(TileStore(folder=place).vrt) for place in places]
    return [f"{p}.tif" if makes_several(step.command, settings) else str(p) for p in places]


def _extent(raster: Raster) -> Extent:
    rows, cols = raster.grid.shape
    return Extent(rows=rows, cols=cols, bytes=raster.count * raster.dtype.itemsize)
