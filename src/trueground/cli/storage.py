"""Options that say how a raster is kept: one place for all commands that write one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from trueground.cli.console import console
from trueground.cli.options import Flag, outputs_differ_from, raster_output, usage

if TYPE_CHECKING:
    from trueground.engine import Engine
    from trueground.grid import Window
    from trueground.raster import Raster

Compression = Literal["auto", "zstd", "deflate", "lzw", "none"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Storage:
    """How files are written."""

    cog: Flag = False
    """Write a cloud-optimised GeoTIFF, with overviews."""
    compress: Compression = "auto"
    """Compression, all without loss; auto is zstd where GDAL has it, else deflate."""
    tiles: Annotated[int | None, Parameter(negative=())] = None
    """Write a folder of tiles of so many pixels, with a manifest and a .vrt of all."""
    resume: Flag = False
    """Go on with the tiles that were finished before; other inputs or parameters are refused."""

    def __post_init__(self) -> None:
        if self.resume and self.tiles is None:
            msg = "--resume goes on with tiles: give --tiles SIZE as before."
            raise usage(msg)

    @property
    def driver(self) -> Literal["GTiff", "COG"]:
        """What files are."""
        return "COG" if self.cog else "GTiff"

    def check(self, inputs: list[str | Path | None], outputs: Mapping[str, Path | None]) -> None:
        """Raise, before any work, where the raster `--output`, or another file, could not be written.

        Raises
        ------
        CycloptsError, WriteError
            Where it would replace an input, its name is that of no raster, or the folder cannot be written.
        InputError
            Where the folder holds tiles already and these are not to be gone on with.
        """
        from trueground.tiles import TileStore

        output = outputs["--output"]
        if output is None or self.tiles is None:
            if output is not None:
                raster_output(output)
            outputs_differ_from(inputs, outputs)
            return
        TileStore(folder=output, size=self.tiles).check(resume=self.resume)
        outputs_differ_from(inputs, {k: v for k, v in outputs.items() if k != "--output"})

    def save(
        self,
        raster: Raster,
        target: Path,
        engine: Engine,
        *,
        title: str,
        history: Mapping[str, str],
        parameters: Mapping[str, str],
        inputs: Callable[[], Mapping[str, str]],
        counted: Callable[[Window], Mapping[str, int]] | None = None,
        **said: Any,
    ) -> dict[str, int] | None:
        """Write a raster whole, or tile by tile.

        Parameters
        ----------
        title
            What the progress is called.
        history
            Tags of the files.
        parameters
            What the pixels depend on beside the inputs: tiles made with others are not gone on with.
        inputs
            Gives the fingerprints of the files that the pixels are made from.
        counted
            As for `TileStore.write`.
        said
            More for `writer.write`.

        Returns
        -------
        What was counted in all tiles; None of a raster that was written whole.
        """
        from trueground.tiles import TileStore
        from trueground.writer import write

        with (
            console.progress(title, pixels=raster.grid.window.size) as step,
            console.timed(title.split(maxsplit=1)[0]),
        ):
            common: dict[str, Any] = {
                "engine": engine, "driver": self.driver, "history": history,
                "compress": self.compress, "progress": step, **said,
            }  # fmt: skip
            if self.tiles is None:
                write(raster, target, **common)
                return None
            store = TileStore(
                folder=target, size=self.tiles, parameters=parameters, inputs=inputs()
            )
            store.write(raster, resume=self.resume, counted=counted, **common)
            return store.counts()

    def written(self, target: Path) -> Path:
        """Return the file to open: the raster, or the virtual mosaic of its tiles."""
        from trueground.tiles import TileStore

        return target if self.tiles is None else TileStore(folder=target, size=self.tiles).vrt
