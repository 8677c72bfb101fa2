"""Options that several commands share, and the checks that come before any work."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.exceptions import CycloptsError

from trueground.cli.console import console, say_error
from trueground.errors import InputError

if TYPE_CHECKING:
    from trueground.grid import Grid
    from trueground.jobs import JobError

Output = Annotated[Path, Parameter(name=["--output", "-o"])]
OptionalOutput = Annotated[Path | None, Parameter(name=["--output", "-o"])]
if TYPE_CHECKING:
    File = str
    Files = list[str] | None
else:
    # Names are texts, for `https://` is no path; that they are of files tells shells what to complete.
    _File = type("Path", (Path,), {})
    File = Annotated[_File, Parameter(converter=lambda _, tokens: tokens[0].value, negative=())]
    Files = Annotated[
        list[_File] | None,
        Parameter(
            converter=lambda _, tokens: [t.value for t in tokens],
            negative=(),
            consume_multiple=False,
        ),
    ]
Bounds = Annotated[
    tuple[float, float, float, float] | None, Parameter(negative=(), allow_leading_hyphen=True)
]
Flag = Annotated[bool, Parameter(negative=())]
DemResampling = Literal["nearest", "bilinear", "cubic"]
ImageResampling = Literal[  # as in sampling.py, which is imported late
    "nearest", "bilinear", "cubic", "cubic-spline", "lanczos", "average", "mode"
]
_USAGE = 2  # exit code of wrong usage
_GEOTIFF = (".tif", ".tiff", ".gtiff")
RpcOrigin = Literal[0, 1] | None


def refused(document: JobError) -> SystemExit:
    """Say all that is wrong with a file of ours, a line each, and return how the command ends."""
    for fault in document.faults:
        say_error(str(fault))
    return SystemExit(_USAGE)


def usage(text: str) -> CycloptsError:
    """Return the error for arguments that do not go together."""
    return CycloptsError(msg=text)


def outputs_differ_from(
    inputs: Sequence[str | Path | None], outputs: Mapping[str, Path | None]
) -> None:
    """Raise, before any work, where an output would replace an input or could not be written.

    Parameters
    ----------
    inputs
        Files that are read.
    outputs
        Files that are written, by what messages call them: the option that names each.

    Raises
    ------
    InputError
        Where an output is one of the inputs, or two outputs are one file.
    """
    from trueground.writer import check_output

    taken = {
        Path(os.path.realpath(f)): f"the input {p}"
        for p in inputs
        if p is not None
        for f in _files_of(p)
    }
    for option, output in outputs.items():
        if output is None:
            continue
        place = Path(os.path.realpath(output))
        if place in taken:
            msg = f"{option} {output} is the same file as {taken[place]}; give it another name"
            raise InputError(msg)
        taken[place] = f"{option} {output}"
        check_output(output)


def raster_output(path: Path) -> Path:
    """Check that the name of an output raster is that of a GeoTIFF or of a Zarr store.

    Raises
    ------
    InputError
        Where it ends otherwise.
    """
    if not is_raster_name(path) and path.suffix.lower() != ".zarr":
        msg = f"{path}: rasters are written as GeoTIFF or Zarr; give a name that ends in .tif or .zarr"
        raise InputError(msg)
    return path


def is_raster_name(path: Path | None) -> bool:
    """Tell whether a name is that of a GeoTIFF."""
    return path is not None and path.suffix.lower() in _GEOTIFF


def warn_of_outlines_elsewhere(grid: Grid, outlines: list[str]) -> None:
    """Warn of polygons that do not touch a grid: their CRS may be wrong, and they change nothing."""
    from shapely.geometry import box

    from trueground.vectors import outline_mask

    for path in outlines:
        if not outline_mask([path], grid).outlines.intersects(box(*grid.bounds)).any():
            console.warn(f"no polygon of {path} touches the DEM: check its CRS")


def _files_of(path: str | Path) -> list[str]:
    """Return the files behind an input: itself, an archive that it lies in, the sources of a VRT, the RPC beside it."""
    from trueground.file_raster import open_dataset

    name = os.fspath(path)
    files = [name]
    if Path(name).name:
        files.append(str(Path(name).with_suffix(".geom")))
    if name.startswith("/vsi"):
        inner = name.split("/", 2)[2]
        files += [
            str(p) for p in (Path(inner), *Path(inner).parents, Path("/") / inner) if p.is_file()
        ]
        files += [str(p) for p in (Path("/") / inner).parents if p.is_file()]
    try:
        with open_dataset(name) as dataset:
            files += dataset.files
    except InputError:  # not a raster: a table, outlines, an RPC
        pass
    return files
