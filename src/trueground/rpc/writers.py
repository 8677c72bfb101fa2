"""Write RPCs: .RPB, _RPC.TXT, JSON, and the tag of a GeoTIFF; no digit is lost that GDAL does not lose itself."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from trueground.errors import InputError, RpcError, WriteError
from trueground.file_raster import GDAL_OPTIONS, open_dataset
from trueground.quiet import quiet
from trueground.rpc.model import Coefficients, Rpc
from trueground.rpc.readers import rpc_of_image
from trueground.rpc.readers.fields import POLYNOMIALS, SCALARS, TERMS
from trueground.rpc.readers.own_json import DIRECT, FORMAT, VERSION
from trueground.writer import atomic, check_output, write_text

RpcFormat = Literal["RPB", "TXT", "JSON"]

_ENDINGS: Mapping[str, RpcFormat] = {".rpb": "RPB", ".txt": "TXT", ".json": "JSON"}
_SIDECARS = (".RPB", ".rpb", "_RPC.TXT", "_rpc.txt")  # in the order in which GDAL looks for them
_READ_BACK = 1e-6  # px between the offsets that were written and those that are read again

# Powers of longitude, latitude and height in the terms of RPC00B.
_POWERS = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (2, 0, 0),
           (0, 2, 0), (0, 0, 2), (1, 1, 1), (3, 0, 0), (1, 2, 0), (1, 0, 2), (2, 1, 0), (0, 3, 0),
           (0, 1, 2), (2, 0, 1), (0, 2, 1), (0, 0, 3))  # fmt: skip


def write_rpc(
    rpc: Rpc,
    path: str | os.PathLike[str],
    *,
    format: RpcFormat | None = None,  # noqa: A002
) -> Path:
    """Write an RPC to a text file, with all digits, whole or not at all.

    GDAL finds `image.RPB` and `image_RPC.TXT` beside `image.tif` by their names, and prefers them
    in this order to a tag in the image.

    Parameters
    ----------
    rpc
        In the pixels of the image that the file is for.
    path
        Name of the file; it is replaced where it exists.
    format
        `RPB` and `TXT` are read by most software; `JSON` keeps the direct model of DIMAP as well.
        Default: by the ending .RPB, .TXT or .json.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        Where the format is unknown.
    WriteError
        Where the file could not be written; nothing is left under its name.

    Examples
    --------
    >>> import tempfile
    >>> from trueground.samples import small_rpc
    >>> rpc = small_rpc()
    >>> from trueground import write_rpc
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     text = write_rpc(rpc, f"{folder}/scene_RPC.TXT").read_text()
    >>> text.split(":")[0]
    'LINE_OFF'
    """
    final = Path(path)
    chosen = _ENDINGS.get(final.suffix.lower()) if format is None else format
    if chosen is None or chosen not in _WRITERS:
        what = f"the ending {final.suffix!r}" if format is None else f"the format {format!r}"
        msg = (
            f"{final.name}: {what} is none of .RPB, .TXT, .json; say format='RPB', 'TXT' or 'JSON'"
        )
        raise InputError(msg)
    write_text(final, _WRITERS[chosen](rpc))
    return final


def tag_image(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    rpc: Rpc,
    *,
    in_place: bool = False,
) -> Path:
    """Copy a GeoTIFF and put an RPC into the tag of the copy.

    The tag holds floating-point numbers, but GDAL shows 15 digits of them, which moves an image by
    up to 1e-7 px. So the RPC is brought to offsets that have 15 digits, and its polynomials are
    shifted by what that takes: the same functions, and GDAL reads them to 1e-9 px.

    Parameters
    ----------
    source
        A GeoTIFF.
    target
        The copy; it is replaced where it exists. Pixels are copied as they are.
    rpc
        In the image's own pixels (`rpc_for_image`).
    in_place
        Allow that `target` is `source`. It is changed as a copy that takes its name at the end.

    Returns
    -------
    Path
        The copy.

    Raises
    ------
    InputError
        Where the source is no GeoTIFF, the target is the source, or a file beside the target holds
        an RPC that GDAL would prefer.
    WriteError
        Where the copy could not be written; nothing is left under its name.
    """
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    given, final = Path(source), Path(target)
    with open_dataset(given) as dataset:
        if dataset.driver != "GTiff" or not given.is_file():
            msg = f"{given} is {dataset.driver}: only a GeoTIFF has an RPC tag; write an .RPB file beside it"
            raise InputError(msg)
    if final.exists() and final.samefile(given):
        if not in_place:
            msg = f"{final} is the source itself; give another name, or in_place=True to change it"
            raise InputError(msg)
        final = final.resolve()  # a link stays a link
    check_output(final)
    for ending in _SIDECARS:
        beside = final.with_name(final.stem + ending)
        if beside.exists():
            msg = f"{beside} lies beside the image, and GDAL prefers it to the tag; write the RPC there or remove it"
            raise InputError(msg)
    shown = _in_15_digits(rpc)  # the tags of exact_tags, and the offsets that have to come back
    with atomic(final) as temporary:
        shutil.copyfile(given, temporary)
        shutil.copymode(given, temporary)
        temporary.chmod(temporary.stat().st_mode | 0o200)  # data on a disc are often read-only
        try:
            # A COG stays a valid GeoTIFF; only the promise about its layout goes.
            with (
                rasterio.Env(**GDAL_OPTIONS),
                quiet(NotGeoreferencedWarning),
                rasterio.open(temporary, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as copy,
            ):
                copy.update_tags(ns="RPC", **shown.to_tags())
            found = rpc_of_image(str(temporary))
        except (RasterioError, InputError, RpcError) as error:
            msg = f"{final} could not be written: {error}; nothing was left under that name"
            raise WriteError(msg) from error
        if found is None or not abs(found.line_off - shown.line_off) <= _READ_BACK:
            msg = f"{final} could not be written: its RPC tag does not read back; is the disk full?"
            raise WriteError(msg)
    return final


def exact_tags(rpc: Rpc) -> dict[str, str]:
    """Return the items of GDAL's RPC metadata domain for a GeoTIFF, of which GDAL loses no digit that matters.

    `Rpc.to_tags` gives the RPC's own numbers, of whose offsets GDAL shows 15 digits: up to 1e-7 px in the image. These
    are other numbers for the same functions, to 1e-9 px; see `tag_image`. For `write(..., rpc_tags=exact_tags(rpc))`.
    """
    return _in_15_digits(rpc).to_tags()


def _rpb(rpc: Rpc) -> str:
    tags = rpc.to_tags()
    lines = ['satId = "????";', 'bandId = "?";', 'SpecId = "RPC00B";', "BEGIN_GROUP = IMAGE"]
    lines += ["\terrBias = 0.0;", "\terrRand = 0.0;"]
    for name in SCALARS:
        axis, _, kind = name.partition("_")
        key = axis + {"off": "Offset", "scale": "Scale"}[kind]
        lines.append(f"\t{key} = {tags[name.upper()]};")
    for name in POLYNOMIALS:
        axis, _, part = name.partition("_")
        terms = ",\n".join(f"\t\t\t{c}" for c in tags[f"{name}_coeff".upper()].split())
        lines.append(f"\t{axis}{part.title()}Coef = (\n{terms});")
    return "\n".join([*lines, "END_GROUP = IMAGE", "END;", ""])


def _txt(rpc: Rpc) -> str:
    tags = rpc.to_tags()
    lines = [f"{name.upper()}: {tags[name.upper()]}" for name in SCALARS]
    for name in POLYNOMIALS:
        key = f"{name}_coeff".upper()
        lines += [f"{key}_{i}: {c}" for i, c in enumerate(tags[key].split(), start=1)]
    return "\n".join([*lines, ""])


def _json(rpc: Rpc) -> str:
    document: dict[str, object] = {"format": FORMAT, "version": VERSION, "from": rpc.origin}
    document.update({name: getattr(rpc, name) for name in (*SCALARS, *POLYNOMIALS)})
    if rpc.direct is not None:
        document["direct"] = {name: getattr(rpc.direct, name) for name in DIRECT}
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


_WRITERS: Mapping[str, Callable[[Rpc], str]] = {"RPB": _rpb, "TXT": _txt, "JSON": _json}


def _in_15_digits(rpc: Rpc) -> Rpc:
    """Return the same functions with offsets of longitude and latitude that 15 digits hold.

    With `x = (lon - off) / scale` and another offset, `x' = x + e`, `e = (off - off') / scale` of
    some 1e-12: `N(x) = N(x' - e) = N(x') - e dN/dx'`, and what is left out is of the size of e^2.
    """
    offsets = {name: float(f"{getattr(rpc, name):.15g}") for name in ("long_off", "lat_off")}
    steps = (
        (rpc.long_off - offsets["long_off"]) / rpc.long_scale,
        (rpc.lat_off - offsets["lat_off"]) / rpc.lat_scale,
    )
    if steps == (0.0, 0.0):
        return rpc
    terms = {name: _moved(getattr(rpc, name), steps) for name in POLYNOMIALS}
    for axis in ("line", "samp"):  # much software takes it that denominators begin with 1
        before, after = getattr(rpc, f"{axis}_den")[0], terms[f"{axis}_den"][0]
        if before != 0.0 and after != 0.0:
            for name in (f"{axis}_num", f"{axis}_den"):
                terms[name] = tuple(c * before / after for c in terms[name])
    changed: dict[str, Any] = {**offsets, **terms}
    return replace(rpc, direct=None, **changed)


def _moved(terms: Coefficients, steps: tuple[float, float]) -> Coefficients:
    """Return the coefficients of `N(x - e, y - f)`, to first order in e and f."""
    out = list(terms)
    for index in range(TERMS):
        for axis, step in enumerate(steps):
            powers = list(_POWERS[index])
            if powers[axis]:
                factor = powers[axis] * step
                powers[axis] -= 1
                i, j, k = powers
                out[_POWERS.index((i, j, k))] -= factor * terms[index]
    return tuple(out)
