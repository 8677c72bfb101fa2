"""What `trueground ortho` does for each output: estimate it, or write it whole or tile by tile."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueground.cli.console import console
from trueground.cli.options import outputs_differ_from, raster_output, usage
from trueground.cli.ortho_options import Look
from trueground.cli.storage import Storage

if TYPE_CHECKING:
    from trueground.engine import Engine
    from trueground.grid import Window
    from trueground.metadata import Metadata
    from trueground.ortho import Mosaic, Orthoimage
    from trueground.raster import Raster
    from trueground.rpc.model import PixelOrigin, Rpc


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image that was given, with its RPC."""

    path: str
    image: Raster
    """Without its alpha band; no data where that, or its mask, says so."""
    rpc: Rpc
    metadata: Metadata
    """Of the bands of `image`."""
    has_alpha: bool

    @classmethod
    def open(cls, path: str, rpc: str | None, *, origin: PixelOrigin | None, look: Look) -> Picture:
        """Open an image and find its RPC."""
        from trueground.imagery import as_image, metadata_of
        from trueground.raster import open_raster
        from trueground.rpc.readers import rpc_for_image

        file = open_raster(path)
        model = rpc_for_image(file, rpc, origin=origin)
        metadata = metadata_of(file)
        look.resampling_of(metadata, path)
        return cls(
            path=path,
            image=as_image(file, nodata=look.nodata),
            rpc=model,
            metadata=metadata.without_alpha(),
            has_alpha=metadata.alpha is not None,
        )


def targets_of(images: Sequence[str], output: Path, *, tiles: bool, mosaic: bool) -> list[Path]:
    """Return the file, or the folder of tiles, of each output."""
    if len(images) == 1 or mosaic:
        return [output if tiles else raster_output(output)]
    if output.exists() and not output.is_dir():
        msg = f"{len(images)} images are given, and {output} is a file: give a folder with -o, or --mosaic."
        raise usage(msg)
    if output.suffix and not output.exists():
        msg = f"{len(images)} images are given, and {output} looks like one file: give a folder with -o, or --mosaic."
        raise usage(msg)
    stems = [Path(name).stem for name in images]
    twice = {stem for stem in stems if stems.count(stem) > 1}
    if twice:
        msg = f"two images are named {', '.join(sorted(twice))}: they would have one output; take them one at a time."
        raise usage(msg)
    return [output / (stem if tiles else f"{stem}.tif") for stem in stems]


def check_outputs(
    inputs: list[str | None],
    targets: list[Path],
    *,
    output: Path,
    storage: Storage,
    masks: bool,
) -> None:
    """Raise, before any work, where an output could not be written or would replace an input."""
    from trueground.tiles import TileStore
    from trueground.writer import check_output

    if masks:
        targets = [*targets, *map(hidden_name, targets)]
    if not output.exists() and any(t.parent == output for t in targets):
        check_output(output)
        return
    if storage.tiles is None:
        outputs_differ_from(inputs, {f"output {n}": t for n, t in enumerate(targets, start=1)})
        return
    for target in targets:
        TileStore(folder=target, size=storage.tiles).check(resume=storage.resume)


def hidden_name(target: Path) -> Path:
    """Return the name of the mask of hidden ground that goes with an output."""
    return target.with_name(f"{target.stem}_hidden{target.suffix}")


def _no_data_rules(pictures: Sequence[Picture], look: Look) -> dict[str, str]:
    """Return what decides which pixels are no data, as far as the tiles themselves do not show it."""
    from trueground.imagery import valid_nodata

    return {
        "nodata": "not given" if look.nodata is None else str(look.nodata),
        "alpha": str(look.alpha),
        "valid_nodata": ", ".join(valid_nodata(p.image) for p in pictures),
    }


def _hidden_pixels(orthos: Sequence[Orthoimage], window: Window) -> dict[str, int]:
    """Return how many pixels of a window that was read are hidden, and how many each image shows."""
    found = {}
    for number, ortho in enumerate(orthos, start=1):
        counts = ortho.hidden.occlusion.counted(window)
        found[f"hidden_{number}"], found[f"shown_{number}"] = counts
    return found


def _shares(counts: Mapping[str, int], number: int) -> list[float | None]:
    """Return the share of hidden ground of each image from such numbers; None where nothing was counted."""
    pairs = [
        (counts.get(f"hidden_{k}", 0), counts.get(f"shown_{k}", 0)) for k in range(1, number + 1)
    ]
    return [hidden / shown if shown else None for hidden, shown in pairs]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What all outputs of a command have in common."""

    dem: str
    rpc: str | None
    heights: str | None
    history: Mapping[str, str]
    look: Look
    storage: Storage
    engine: Engine
    dry_run: bool

    def run(
        self,
        result: Orthoimage | Mosaic,
        pictures: Sequence[Picture],
        target: Path,
        *,
        more: Mapping[str, str] | None = None,
    ) -> list[float | None]:
        """Write an output, or say what it would take.

        Returns
        -------
        The share of hidden ground of each picture, tiles included that were finished before; None where it was not
        looked for.
        """
        from trueground.imagery import WithAlpha
        from trueground.ortho import Orthoimage

        metadata = pictures[0].metadata
        orthos = (result,) if isinstance(result, Orthoimage) else result.images
        raster: Raster = result
        if self.look.alpha or any(p.has_alpha for p in pictures):
            raster, metadata = WithAlpha(source=result), metadata.with_alpha(result.count)
        nodata = self.look.nodata if result.dtype.kind == "f" else None
        said = {"nodata": nodata, "metadata": metadata}
        if self.dry_run:
            self._estimate(raster, {**said, "compress": self.storage.compress})
            return []
        prints = self._fingerprints(pictures)
        parameters = {**self.history, **(more or {})}
        names = ", ".join(p.path for p in pictures)
        origins = ", ".join(p.rpc.origin for p in pictures)
        resampling = self.look.resampling_of(pictures[0].metadata, pictures[0].path)
        parameters["resampling"] = resampling
        history = {"image": names, "dem": self.dem, "rpc": origins, **parameters}
        history |= {f"{name}_fingerprint": text for name, text in prints.items()}
        parameters |= _no_data_rules(pictures, self.look)
        save = functools.partial(self._save, orthos, parameters=parameters, inputs=prints)
        shares = save(raster, target, said={**said, "history": history})
        if self.look.occlusion == "mask":
            hidden = orthos[0].hidden
            shares = save(hidden, hidden_name(target), said={"history": history})
        return shares

    def _estimate(self, result: Raster, said: Mapping[str, Any]) -> None:
        from trueground.estimate import estimate

        print(f"{result.grid!r}, bounds {' '.join(f'{v:.10g}' for v in result.grid.bounds)}")
        driver = self.storage.driver
        with console.timed("estimate"):
            print(estimate(result, workers=self.engine.workers, driver=driver, **said))

    def _save(
        self,
        orthos: Sequence[Orthoimage],
        raster: Raster,
        target: Path,
        *,
        parameters: Mapping[str, str],
        inputs: Mapping[str, str],
        said: Mapping[str, Any],
    ) -> list[float | None]:
        """Write a raster made of orthoimages; return the share of hidden ground of each that was counted by it."""
        if self.storage.tiles is None:
            target.parent.mkdir(exist_ok=True)
        counts = self.storage.save(
            raster,
            target,
            self.engine,
            title=f"ortho {target.name}",
            parameters=parameters,
            inputs=lambda: inputs,
            counted=functools.partial(_hidden_pixels, orthos),
            **said,
        )
        if counts is None:
            return [ortho.hidden_share() for ortho in orthos]
        return _shares(counts, len(orthos))

    def _fingerprints(self, pictures: Sequence[Picture]) -> dict[str, str]:
        """Return what tells the inputs from others of the same names."""
        from trueground.fingerprint import fingerprint, raster_fingerprint, text_fingerprint

        prints = {"dem": raster_fingerprint(self.dem)}
        if self.heights is not None and Path(self.heights).is_file():
            prints["heights"] = fingerprint(self.heights)
        for number, picture in enumerate(pictures, start=1):
            suffix = "" if len(pictures) == 1 else f"_{number}"
            prints[f"image{suffix}"] = raster_fingerprint(picture.path)
            terms = json.dumps(picture.rpc.to_tags(), sort_keys=True)
            prints[f"rpc{suffix}"] = (
                f"{text_fingerprint(terms)} of its coefficients, GDAL's tags as sorted JSON"
            )
        if self.rpc is not None:
            prints["rpc_file"] = fingerprint(os.fspath(self.rpc))
        return prints
