"""Writing a raster as tiles that are each whole or not there, so that work which was cut short goes on."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from trueground import __version__
from trueground.cluster import Dask
from trueground.engine import Engine, Progress
from trueground.errors import InputError, WriteError
from trueground.fingerprint import sha256
from trueground.grid import Grid, Window
from trueground.lock import locked
from trueground.metadata import Metadata
from trueground.raster import Raster
from trueground.secret import without_secrets
from trueground.tile import CHECKSUM, FOLDER, Tile, TileMaker, tile_name
from trueground.vrt import vrt_text
from trueground.writer import Compression, check_output, compression, write_text

MANIFEST = "manifest.json"
_FORMAT = "trueground tiles 3"
_SAVED_EVERY = 2.0  # s between two manifests, where tiles are quick
_SEEN_WITHIN, _LOOK_EVERY = (
    60.0,
    0.5,
)  # s, until each computer of a shared file system sees what another wrote
_PART = re.compile(r"\.r\d+_c\d+\.[0-9a-f]{8}\.part")  # what a process that was killed leaves
_SMALLEST = 64  # px, edge of a tile


@dataclass(frozen=True, slots=True, kw_only=True)
class TileStore:
    """A folder of tiles, with a manifest of what they are made of and a virtual mosaic of all.

    `tiles/*.tif`, `manifest.json` and, once all tiles are there, a `.vrt` of the folder's name. One process at a time
    writes in it.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from affine import Affine
    >>> from trueground import ArrayRaster, Grid, open_raster
    >>> grid = Grid(crs=None, transform=Affine.identity(), shape=(300, 500))
    >>> raster = ArrayRaster(array=np.ones(grid.shape, np.uint8), grid=grid)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = TileStore(folder=Path(folder) / "out", size=256)
    ...     mosaic = store.write(raster, resume=True)
    ...     mosaic.name, len(list(store.folder.glob("tiles/*.tif"))), open_raster(mosaic).grid.shape
    ('out.vrt', 4, (300, 500))
    """

    folder: Path
    size: int = 4096
    """Edge of a tile [px]."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What the pixels depend on, by name."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Fingerprints of the files that the pixels are made from, by what they are."""

    def __post_init__(self) -> None:
        if self.size < _SMALLEST:
            msg = f"tiles of {self.size} px: must be at least {_SMALLEST}; some thousands are a good size"
            raise InputError(msg)
        shown = {name: without_secrets(value) for name, value in self.parameters.items()}
        object.__setattr__(self, "parameters", shown)

    @property
    def vrt(self) -> Path:
        """The virtual mosaic."""
        return self.folder / f"{self.folder.resolve().name}.vrt"

    def check(self, *, resume: bool = False) -> None:
        """Raise, before any work, where the folder cannot take the tiles.

        Raises
        ------
        InputError
            Where it holds tiles already and these are not to be gone on with.
        WriteError
            Where it cannot be written, or another process writes there.
        """
        if self.folder.exists() and not self.folder.is_dir():
            msg = f"{self.folder} is a file, and tiles need a folder; give another name"
            raise WriteError(msg)
        if not self.folder.is_dir():
            check_output(self.folder)
            return
        check_output(self.folder / MANIFEST)
        with locked(self.folder):
            self._check_content(resume=resume)

    def _check_content(self, *, resume: bool) -> None:
        if (self.folder / FOLDER).is_symlink():
            msg = f"{self.folder / FOLDER} is a link: tiles are written in {self.folder} alone; give another folder"
            raise InputError(msg)
        if resume:
            return
        if (self.folder / MANIFEST).exists() or (self.folder / FOLDER).exists():
            msg = (
                f"{self.folder} holds tiles already: go on with them (--resume), delete them, or give "
                "another folder"
            )
            raise InputError(msg)

    def write(
        self,
        raster: Raster,
        *,
        engine: Engine | None = None,
        resume: bool = False,
        block_size: int = 1024,
        driver: Literal["GTiff", "COG"] = "GTiff",
        compress: Compression = "auto",
        nodata: float | None = None,
        metadata: Metadata | None = None,
        history: Mapping[str, str] | None = None,
        counted: Callable[[Window], Mapping[str, int]] | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Write a raster as tiles, those that are not there yet.

        On a cluster the workers write them, to a folder that they share.

        Parameters
        ----------
        raster
            Any raster.
        resume
            Go on with tiles that were written before: those whose checksum is that of the manifest are kept. Where
            there are none, begin.
        counted
            Asked, of each window that was read, for numbers by name: their sums are kept with the tile, see `counts`.
        engine, block_size, driver, compress, nodata, metadata, history, progress
            As for `writer.write`.

        Returns
        -------
        Path
            The virtual mosaic.

        Raises
        ------
        InputError
            Where the folder holds tiles and `resume` was not asked for, or they were made from other inputs or with
            other parameters.
        WriteError
            Where a tile is not there that a worker has written: it does not share the folder.
        """
        self.check(resume=resume)
        begun = self._begun(raster, driver=driver, compress=compress, nodata=nodata)
        windows = dict(self._windows(raster.grid))
        self.folder.mkdir(exist_ok=True)
        with locked(self.folder):
            self._check_content(resume=resume)  # again: another process may have come between
            finished = self._finished(begun, windows) if resume else {}
            (self.folder / FOLDER).mkdir(exist_ok=True)
            self._remove_leftovers()
            with self._manifest(begun, finished) as record:
                steps = _Steps(windows, finished, block_size=block_size, progress=progress)
                names = {window: name for name, window in windows.items()}
                maker = TileMaker(
                    raster=raster,
                    folder=self.folder.resolve(),
                    size=self.size,
                    block_size=block_size,
                    counted=counted,
                    options={
                        "driver": driver, "compress": compress, "nodata": nodata, "metadata": metadata,
                        "history": history,
                    },
                )  # fmt: skip
                missing = [window for window, name in names.items() if name not in finished]
                for window in missing:  # what is not whole is none, and none of another's
                    (self.folder / names[window]).unlink(missing_ok=True)
                if isinstance(engine, Dask):
                    for window, tile in engine.map(maker, missing):
                        self._require(names[window])
                        steps.finish(names[window])
                        record(names[window], tile)
                else:
                    for window in missing:
                        step = steps.of_tile(names[window])
                        record(names[window], maker.make(window, engine=engine, progress=step))
            said = metadata or Metadata()
            own = {f"TRUEGROUND_{k.upper()}": v for k, v in (history or {}).items()}
            said = replace(said, tags={**said.tags, "TRUEGROUND_VERSION": __version__, **own})
            value = raster.nodata if nodata is None else nodata
            write_text(self.vrt, vrt_text(raster, windows.items(), metadata=said, nodata=value))
        return self.vrt

    def _require(self, name: str) -> None:
        """Raise where a tile that a worker has written is not here, also after the time that file systems may take."""
        until = time.monotonic() + _SEEN_WITHIN
        while not (self.folder / name).is_file():
            if time.monotonic() < until:
                time.sleep(_LOOK_EVERY)
                continue
            msg = (
                f"a worker has written {name}, and it is not in {self.folder}: all must share that folder, under the "
                "same name; give one that they share, or leave out --tiles"
            )
            raise WriteError(msg)

    def counts(self) -> dict[str, int]:
        """Return what was counted in all tiles that are there, by name: in this run and in those before.

        Raises
        ------
        InputError
            Where the manifest is damaged.
        """
        total: Counter[str] = Counter()
        for tile in (self._read_manifest() or {"tiles": {}})["tiles"].values():
            total.update({name: n for name, n in tile.items() if name != CHECKSUM})
        return dict(total)

    def _windows(self, grid: Grid) -> Iterator[tuple[str, Window]]:
        """Yield the names of all tiles, in this folder, and their pixels."""
        for block in grid.blocks(self.size):
            yield tile_name(block.core, self.size), block.core

    def _begun(
        self, raster: Raster, *, driver: str, compress: Compression, nodata: float | None
    ) -> dict[str, Any]:
        """Return what all tiles have to have in common."""
        grid = raster.grid
        value = raster.nodata if nodata is None else nodata
        return {
            "format": _FORMAT,
            "version": __version__,
            "grid": {
                "crs": None if grid.crs is None else grid.crs.to_wkt(),
                "transform": list(tuple(grid.transform)[:6]),
                "shape": list(grid.shape),
            },
            "pixels": {
                "bands": raster.count,
                "type": raster.dtype.name,
                "nodata": None if value is None else str(value),
                "compression": compression(compress),
                "driver": driver,
            },
            "tile_size": self.size,
            "parameters": dict(self.parameters),
            "inputs": dict(self.inputs),
        }

    def _read_manifest(self) -> dict[str, Any] | None:
        """Return what the manifest says; None where there is none.

        Raises
        ------
        InputError
            Where it is damaged.
        """
        manifest = self.folder / MANIFEST
        if not manifest.exists():
            return None
        try:
            said: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
            whole = all(isinstance(tile[CHECKSUM], str) for tile in said["tiles"].values())
            if said["format"] != _FORMAT or not whole:
                raise ValueError  # noqa: TRY301
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            msg = (
                f"{manifest} is no manifest of trueground's ({_FORMAT}): delete the folder's tiles, or give another "
                "folder"
            )
            raise InputError(msg) from error
        return said

    def _finished(self, begun: Mapping[str, Any], windows: Mapping[str, Window]) -> dict[str, Tile]:
        """Return those of all tiles that are whole, with what is said of them; no other name is looked at.

        Raises
        ------
        InputError
            Where the manifest is damaged, or is that of something else.
        """
        before = self._read_manifest()
        if before is None:
            return {}
        differences = list(_differences(before, begun))
        if differences:
            msg = (
                f"{self.folder} was begun otherwise: {'; '.join(differences)}. "
                "Say the same again, or give another folder"
            )
            raise InputError(msg)
        return {
            name: known
            for name, known in before["tiles"].items()
            if name in windows
            and (self.folder / name).is_file()
            and sha256(self.folder / name) == known[CHECKSUM]
        }

    def _remove_leftovers(self) -> None:
        for path in (self.folder / FOLDER).iterdir():
            if _PART.match(path.name):
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _manifest(
        self, begun: Mapping[str, Any], finished: Mapping[str, Tile]
    ) -> Iterator[Callable[[str, Tile], None]]:
        """Keep the manifest: give a function that adds a tile to it; save it at the end, whatever happens."""
        done = dict(finished)
        saved = 0.0

        def save() -> None:
            nonlocal saved
            text = json.dumps({**begun, "tiles": dict(sorted(done.items()))}, indent=1)
            write_text(self.folder / MANIFEST, text + "\n")
            saved = time.monotonic()

        def record(name: str, tile: Tile) -> None:
            done[name] = tile
            if time.monotonic() - saved > _SAVED_EVERY:
                save()

        save()
        try:
            yield record
        finally:
            save()


class _Steps:
    """Counts the blocks of all tiles."""

    def __init__(
        self,
        windows: Mapping[str, Window],
        finished: Iterable[str],
        *,
        block_size: int,
        progress: Progress | None,
    ) -> None:
        self._blocks = {
            name: -(-window.height // block_size) * -(-window.width // block_size)
            for name, window in windows.items()
        }
        self._total = sum(self._blocks.values())
        self._done = sum(self._blocks[name] for name in finished if name in self._blocks)
        self._progress = progress
        if progress is not None and self._done:
            progress(self._done, self._total)

    def of_tile(self, name: str) -> Progress:
        """Return what counts the blocks of a tile."""
        before = self._done
        self._done += self._blocks[name]

        def step(done: int, _total: int) -> None:
            if self._progress is not None:
                self._progress(before + done, self._total)

        return step

    def finish(self, name: str) -> None:
        """Count all blocks of a tile at once."""
        self.of_tile(name)(self._blocks[name], 0)


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is not as it was, by its name."""
    for name in sorted({*before, *now} - {"tiles"}):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            for key, text in ((k, f"{name}.{k}") for k in sorted({*old, *new})):
                if old.get(key) != new.get(key):
                    yield f"{text} was {_short(old.get(key))}, now it is {_short(new.get(key))}"
        else:
            yield f"{name} was {_short(old)}, now it is {_short(new)}"


def _short(value: object) -> str:
    text = os.fspath(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 120 else f"{text[:57]}...{text[-57:]}"
