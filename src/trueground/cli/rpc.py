"""`trueground rpc`."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trueground.cli.console import console
from trueground.cli.endings import RPC_FILES, check_ending
from trueground.cli.options import (
    File,
    Flag,
    OptionalOutput,
    RpcOrigin,
    is_raster_name,
    outputs_differ_from,
    usage,
)

Place = Annotated[tuple[float, float] | None, Parameter(negative=(), allow_leading_hyphen=True)]


def rpc(
    image: File,
    /,
    *,
    output: OptionalOutput = None,
    in_place: Flag = False,
    crop: Place = None,
    scale: float | None = None,
    rpc: File | None = None,
    rpc_origin: RpcOrigin = None,
) -> None:
    """Write the RPC of an image, or of an RPC file, in another format: no digit that matters is lost.

    The centre of the first pixel becomes 0, 0, whatever it was where it was read. An RPC file counts the pixels of the
    full scene; one named as GDAL looks for it beside the image (scene.RPB, scene_RPC.TXT), and a tag, count those of
    the image.

    Example: `trueground rpc RPC_PHR1B_P_001.XML -o scene.RPB`

    Example, a tagged copy: `trueground rpc scene.tif --rpc scene.geom -o tagged.tif`

    Example, of a crop that starts at row 500, col 800, at half the size: `trueground rpc scene.tif --crop 500 800
    --scale 0.5 -o small.RPB`

    Parameters
    ----------
    image
        Image with RPC metadata, or a file that holds an RPC alone.
    output
        .RPB, .TXT, .json (keeps DIMAP's direct model as well); or .tif: a copy of the image, a GeoTIFF, with the RPC in
        its tag.
    in_place
        Put the RPC into the tag of the image itself, instead of an output.
    crop
        Row and col of the image at which the first pixel of a crop has its outer corner.
    scale
        Pixels of the new image along an axis by those of the (cropped) image: 0.5 for an overview of half the size.
    rpc
        File with the RPC of the full scene, for an image without.
    rpc_origin
        What the RPC file calls the centre of its first pixel: 0 or 1. Default: what its product does.
    """
    from trueground.rpc.readers import is_rpc_file, rpc_of
    from trueground.rpc.refine import for_file
    from trueground.rpc.writers import tag_image, write_rpc

    if in_place == (output is not None):
        msg = "Give either -o or --in-place."
        raise usage(msg)
    target = Path(image) if output is None else output
    tagged = in_place or is_raster_name(target)
    if tagged and (crop, scale) != (None, None):
        msg = (
            "--crop and --scale do not cut or resample an image: write .RPB, .TXT or .json for one."
        )
        raise usage(msg)
    if tagged and is_rpc_file(image):
        msg = f"{image} holds an RPC alone: to tag an image with it, give the image, and this with --rpc."
        raise usage(msg)
    if not tagged:
        check_ending(target, (*RPC_FILES, ".tif"), "an RPC is written")
    if crop is not None and not all(map(math.isfinite, crop)):
        msg = f"--crop {crop[0]} {crop[1]}: must be finite numbers, the row and column where the crop starts."
        raise usage(msg)
    outputs_differ_from([rpc if in_place else image, rpc], {"--output": target})
    model = rpc_of(image, rpc, origin=rpc_origin)
    if tagged:
        tag_image(image, target, model, in_place=in_place)
        console.note(f"RPC: {model.origin}")
        console.note(f"{'changed' if in_place else 'wrote'} {target}")
        return
    if (crop, scale) == (None, None):
        row, col = for_file(image, os.fspath(target), keep=rpc is None)
        model = model.cropped(-row, -col)
        counted = "the full scene" if row or col else ""
    else:
        model = model.cropped(*(crop or (0.0, 0.0))).rescaled(1.0 if scale is None else scale)
        counted = "the new image"
    write_rpc(model, target)
    console.note(f"RPC: {model.origin}")
    if counted:
        console.note(f"rows and columns in {target} are those of {counted}")
    console.note(f"wrote {target}")
