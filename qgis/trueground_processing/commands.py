"""The commands that are algorithms, and how values of a dialog become words of a command line; without QGIS."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "raster",  # a file that GDAL reads
    "outlines",  # files of polygons
    "file",
    "crs",
    "bounds",  # west, south, east, north
    "text",
    "number",
    "whole",
    "choice",
    "raster-out",
    "points-out",
    "page-out",
    "json-out",
    "words",  # further options, as on the command line
]
OUTPUTS = ("raster-out", "points-out", "page-out", "json-out")
HEIGHTS = "ellipsoid, egm96, egm2008 or a grid file"
LEFT_OUT = "as the command chooses"
"""What a choice says that is not made."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A field of the dialog."""

    name: str
    kind: Kind
    label: str
    option: str | None = None
    """Of the command; None for what stands in its place without one."""
    required: bool = False
    choices: tuple[str, ...] = ()
    advanced: bool = False
    help: str = ""


@dataclass(frozen=True, kw_only=True)
class Command:
    """An algorithm."""

    name: str
    title: str
    help: str
    parameters: tuple[Parameter, ...]


def words(command: Command, values: Mapping[str, Any]) -> list[str]:
    """Return the words after `trueground` that say what was chosen.

    Parameters
    ----------
    command
        What is to be done.
    values
        Texts, numbers, lists of texts and tuples of numbers by the names of the parameters; None, an empty text and an
        empty list are left to the command.

    Raises
    ------
    ValueError
        Where a parameter that is needed is missing, or the further options are no words.
    """
    options: list[str] = []
    places: list[str] = []
    for parameter in command.parameters:
        value = values.get(parameter.name)
        if value is None or value in ("", [], ()):
            if parameter.required:
                msg = f"{parameter.label}: nothing is given; choose one"
                raise ValueError(msg)
            continue
        if parameter.kind == "words":
            options += _split(parameter, str(value))
        elif parameter.option is None:
            places.append(_word(value))
        elif isinstance(value, tuple):
            options += [parameter.option, *map(_word, value)]
        else:
            # One word, for a value may begin with a hyphen.
            each = value if isinstance(value, list) else [value]
            options += [f"{parameter.option}={_word(v)}" for v in each]
    # What stands without an option comes last, after --, for the same reason.
    return [command.name, *options, *(["--", *places] if places else [])]


def _word(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _split(parameter: Parameter, text: str) -> list[str]:
    try:
        found = shlex.shlex(text, posix=True)
        found.whitespace_split, found.commenters, found.escape = (
            True,
            "",
            "",
        )  # Windows' paths hold backslashes
        return list(found)
    except ValueError as error:
        msg = f"{parameter.label}: {text}: {error}; close what is open"
        raise ValueError(msg) from error


_RESAMPLING = ("nearest", "bilinear", "cubic")
_WORKERS = Parameter(
    name="WORKERS", kind="whole", option="--workers", label="Threads; all processors by default", advanced=True
)  # fmt: skip
_FURTHER = Parameter(
    name="FURTHER", kind="words", label="Further options, as on the command line", advanced=True
)
_REPORT = Parameter(name="REPORT", kind="page-out", option="--report", label="Report")
_RPC = Parameter(
    name="RPC", kind="file", option="--rpc", label="File with the RPC, for an image without"
)

ALIGN = Command(
    name="align",
    title="Align a DEM with a reference",
    help=(
        "Finds how an elevation model is shifted against a trusted one, and moves it there, so that their difference "
        "shows change and not misplacement. Outlines of what has changed, such as glaciers, are left out of the fit."
    ),
    parameters=(
        Parameter(name="REFERENCE", kind="raster", label="Reference DEM", required=True),
        Parameter(name="MOVING", kind="raster", label="DEM to move", required=True),
        Parameter(name="EXCLUDE", kind="outlines", option="--exclude", label="Outlines of unstable terrain"),
        Parameter(
            name="METHOD", kind="text", option="--method", label="Method; nuth-kaab by default",
            help='such as nuth-kaab, lzd, icp, or several joined as in "nuth-kaab + deramp"',
        ),
        Parameter(
            name="BLOCKS", kind="text", option="--blocks", label="Block by block, with blocks of this side",
            help="500 (pixels of the reference) or 5000m; one shift for all by default",
        ),
        Parameter(
            name="REFERENCE_HEIGHTS", kind="text", option="--reference-heights", advanced=True,
            label="Heights of the reference are above; as its CRS says by default", help=HEIGHTS,
        ),
        Parameter(
            name="MOVING_HEIGHTS", kind="text", option="--moving-heights", advanced=True,
            label="Heights of the DEM to move are above; as its CRS says by default", help=HEIGHTS,
        ),
        Parameter(
            name="RESAMPLING", kind="choice", option="--resampling", label="Resampling", choices=_RESAMPLING,
            advanced=True,
        ),
        Parameter(
            name="GRID", kind="choice", option="--grid", label="Grid of the output", choices=("moving", "reference"),
            advanced=True,
        ),
        _WORKERS,
        _FURTHER,
        Parameter(name="OUTPUT", kind="raster-out", option="--output", label="Aligned DEM", required=True),
        Parameter(name="TRANSFORM", kind="json-out", option="--transform", label="What was found"),
        _REPORT,
    ),
)  # fmt: skip

ORTHO = Command(
    name="ortho",
    title="Orthorectify an image",
    help=(
        "Puts a satellite image that carries an RPC in its true place on the ground, over an elevation model. Ground "
        "that the sensor could not see gets no data, unless chosen otherwise."
    ),
    parameters=(
        Parameter(name="IMAGE", kind="raster", label="Image with RPC", required=True),
        Parameter(name="DEM", kind="raster", option="--dem", label="DEM", required=True),
        Parameter(
            name="HEIGHTS", kind="text", option="--heights", help=HEIGHTS,
            label="Heights of the DEM are above; as its CRS says by default",
        ),
        Parameter(name="CRS", kind="crs", option="--crs", label="CRS of the output; UTM by default"),
        Parameter(
            name="RESOLUTION", kind="number", option="--resolution",
            label="Pixel size in units of the CRS; what the image resolves by default",
        ),
        Parameter(name="BOUNDS", kind="bounds", option="--bounds", label="Extent, in the CRS of the output"),
        _RPC,
        Parameter(
            name="OCCLUSION", kind="choice", option="--occlusion", label="Hidden ground",
            choices=("fill", "mask", "ignore"), advanced=True,
            help="fill: no data; mask: as it comes, and a raster of it beside; ignore: as it comes",
        ),
        Parameter(
            name="RESAMPLING", kind="choice", option="--resampling", label="Resampling", advanced=True,
            choices=(*_RESAMPLING, "cubic-spline", "lanczos", "average", "mode"),
        ),
        _WORKERS,
        _FURTHER,
        Parameter(name="OUTPUT", kind="raster-out", option="--output", label="Orthoimage", required=True),
        _REPORT,
    ),
)  # fmt: skip

LOCATE = Command(
    name="locate",
    title="Locate pixels on the ground",
    help=(
        "Finds the ground points that pixels of an image show: the first point of the elevation model's surface that "
        "each of them sees. A point without a position has a status that says why."
    ),
    parameters=(
        Parameter(name="IMAGE", kind="raster", label="Image with RPC", required=True),
        Parameter(
            name="POINTS", kind="file", option="--points", required=True,
            label="Pixels: CSV with the header row,col", help="0, 0 is the outer corner of the first pixel",
        ),
        Parameter(name="DEM", kind="raster", option="--dem", label="DEM"),
        Parameter(
            name="HEIGHTS", kind="text", option="--heights", help=HEIGHTS,
            label="Heights of the DEM are above; as its CRS says by default",
        ),
        Parameter(
            name="HEIGHT", kind="number", option="--height",
            label="One height above the ellipsoid for all points, instead of a DEM [m]",
        ),
        Parameter(
            name="ON_NODATA", kind="choice", option="--on-nodata", label="At holes of the DEM",
            choices=("fail", "nearest"), advanced=True,
        ),
        _RPC,
        _FURTHER,
        Parameter(name="OUTPUT", kind="points-out", option="--output", label="Ground points", required=True),
    ),
)  # fmt: skip

COMMANDS = (ALIGN, ORTHO, LOCATE)
