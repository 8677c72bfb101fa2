"""What `trueground report` does of an alignment: find its inputs again, look at what changed, write the page."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from trueground.cli.console import console
from trueground.cli.report_inputs import KeptInputs
from trueground.errors import InputError, TruegroundError

if TYPE_CHECKING:
    from trueground.coreg import Result
    from trueground.engine import Engine
    from trueground.raster import Raster
    from trueground.vectors import StableTerrain

_SAME = 1e-6  # of a statistic: round-off
_GONE = "on what was stable terrain when the result was made"
_ROLES = {"exclude": "outlines of --exclude", "include": "outlines of --include", "mask": "mask"}
_ADDED: Mapping[str, type] = {
    "inputs": dict, "heights": dict, "fingerprints": dict, "parameters": dict, "statistics": dict, "command": str,
    "version": str,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Models:
    """The two elevation models and their differences."""

    reference: Raster
    moving: Raster
    before: Raster
    after: Raster


def write_alignment(
    path: Path, text: str, items: Mapping[str, Any], *, page: Path, engine: Engine
) -> None:
    """Write the page of an alignment from its JSON.

    Raises
    ------
    InputError
        Where the JSON is none of an alignment.
    """
    from trueground.coreg import read_result
    from trueground.report import write_alignment_report

    _check(items)
    found = read_result(text)
    inputs = items.get("inputs") or {}
    kept = KeptInputs(result=path, prints=items.get("fingerprints") or {})
    if not inputs:
        kept.said.append(
            f"{path.name} does not say what it was made from: numbers alone are shown."
        )
    heard: list[str] = []
    with console.heard(heard):
        models = _models(found, items, kept) if inputs else None
    valid, whole = _stable(inputs, kept, models)
    told = dict(items)
    if models is not None and whole:
        told["statistics"] = _statistics(found, models, kept, valid=valid, engine=engine)
    write_alignment_report(
        page,
        result=told,
        before=None if models is None else models.before,
        after=None if models is None else models.after,
        reference=None if models is None else models.reference,
        outlines=None if valid is None else valid.outlines,
        valid=valid,
        where="" if whole else _GONE,
        inputs=_shown(items, inputs, models) | {"result": str(path), "made by": _maker(items)},
        warnings=[
            *([] if found.converged else ["The fit did not converge."]),
            *kept.said,
            *(f"{w[:1].upper()}{w[1:]}." for w in (*heard, *found.warnings)),
        ],
        command=items.get("command") or _command(items, inputs),
        engine=engine,
    )


def _check(items: Mapping[str, Any]) -> None:
    """Look at what the command has added to the result, which `read_result` does not."""
    for name, kind in _ADDED.items():
        value = items.get(name)
        if value is not None and not isinstance(value, kind):
            what = "text" if kind is str else "an object"
            msg = f"{name} is {value!r:.40}, and must be {what}: give what 'trueground align --transform' wrote"
            raise InputError(msg)
    inputs = items.get("inputs") or {}
    for name in ("reference", "moving") if inputs else ():
        if not isinstance(inputs.get(name), str):
            msg = (
                f"inputs do not name the {name} DEM: give what 'trueground align --transform' wrote"
            )
            raise InputError(msg)
    known = items.get("alignment") or items
    for name in ("errors", "rotations"):
        values = (known.get(name) if isinstance(known, dict) else known) or [0.0] * 3
        if not isinstance(values, list) or len(values) < 3:
            msg = f"{name} is {values!r:.40}, and must be a list of 3 numbers at least"
            raise InputError(msg)
    for when, figures in (items.get("statistics") or {}).items():
        told = figures if isinstance(figures, dict) else {}
        if not all(isinstance(told.get(name), int | float) for name in ("count", "nmad")):
            msg = f"statistics: {when} holds no numbers count and nmad: give what 'trueground align --transform' wrote"
            raise InputError(msg)
    for name in ("exclude", "include"):
        named = inputs.get(name)
        if named is not None and not isinstance(named, list):
            msg = f"inputs: {name} is {named!r:.40}, and must be a list of files"
            raise InputError(msg)


def _models(found: Result, items: Mapping[str, Any], kept: KeptInputs) -> _Models | None:
    """Open reference and moving DEM and lay one upon the other; None, and why, where that cannot be."""
    from trueground.datum_shift import declaring, in_common_datum
    from trueground.difference import Difference
    from trueground.pointfiles import is_point_file
    from trueground.raster import as_float, open_raster

    inputs = items["inputs"]
    names = {role: str(inputs.get(role) or "") for role in ("reference", "moving")}
    points = [f"The {role} is points" for role, name in names.items() if is_point_file(name)]
    if points:
        kept.said.append(f"{points[0]}: there are no maps.")
        return None
    places = {role: kept.find(role, name) for role, name in names.items()}
    if None in places.values():
        kept.said.append("There are no maps: they need both elevation models.")
        return None
    heights = items.get("heights") or {}
    above = [heights.get(role) or None for role in names]
    try:
        fixed, loose = (as_float(open_raster(str(places[role]))) for role in names)
        loose = in_common_datum(fixed, loose, reference_heights=above[0], moving_heights=above[1])
        fixed = declaring(fixed, above[0])
        moved = cast("Raster", found.apply(loose))
        before, after = (Difference(first=fixed, second=m) for m in (loose, moved))
    except TruegroundError as error:
        kept.said.append(f"There are no maps: {error}.")
        return None
    return _Models(reference=fixed, moving=loose, before=before, after=after)


def _stable(
    inputs: Mapping[str, Any], kept: KeptInputs, models: _Models | None
) -> tuple[StableTerrain | None, bool]:
    """Return the mask of stable terrain, and whether all that it is made of is still there."""
    from trueground.vectors import stable_terrain

    if models is None:
        return None, True
    named = [(role, str(n)) for role in ("exclude", "include") for n in inputs.get(role) or []]
    mask = inputs.get("mask")
    keys = [f"outlines {n}" for n in range(1, len(named) + 1)]
    if mask:
        named, keys = [*named, ("mask", str(mask))], [*keys, "mask"]
    found = [
        (role, kept.find(_ROLES[role], name, key=key))
        for (role, name), key in zip(named, keys, strict=True)
    ]
    if any(place is None for _, place in found):
        kept.said.append(
            "Histograms and maps are of all terrain: not all is there that told what is stable."
        )
        return None, False
    files = {
        role: [str(p) for r, p in found if r == role] for role in ("exclude", "include", "mask")
    }
    try:
        made = stable_terrain(
            models.before.grid, exclude=files["exclude"], include=files["include"],
            mask=files["mask"][0] if files["mask"] else None,
        )  # fmt: skip
    except TruegroundError as error:
        kept.said.append(f"Histograms and maps are of all terrain: {error}.")
        return None, False
    return made, True


def _statistics(
    found: Result,
    models: _Models,
    kept: KeptInputs,
    *,
    valid: StableTerrain | None,
    engine: Engine,
) -> dict[str, Any]:
    """Return the statistics that were kept, else count them; say where the data are not those of the result."""
    from trueground.stats import statistics

    had = dict(getattr(found, "statistics", None) or {})
    with console.timed("statistics"):
        now = statistics(models.before, valid=valid, engine=engine).to_dict()
        if had.get("before"):
            if not _same(had["before"], now):
                then = had["before"]
                kept.said.append(
                    "The elevation models are not those of the result: the NMAD of their difference before is "
                    f"{now['nmad']:.3f} m at {now['count']} cells, and was {then['nmad']:.3f} m at {then['count']}. "
                    "Tables hold what was found then, pictures show what is there now."
                )
            return had
        after = statistics(models.after, valid=valid, engine=engine).to_dict()
    return {"before": now, "after": after}


def _same(one: Mapping[str, Any], other: Mapping[str, float]) -> bool:
    return one["count"] == other["count"] and math.isclose(
        one["nmad"], other["nmad"], rel_tol=_SAME
    )


def _shown(
    items: Mapping[str, Any], inputs: Mapping[str, Any], models: _Models | None
) -> dict[str, Any]:
    """Return the inputs as the table shows them, with the grids of those that are there."""
    from trueground.cli.align_inputs import described

    shown: dict[str, Any] = {}
    heights = items.get("heights") or {}
    for role in ("reference", "moving"):
        shown[role] = inputs.get(role)
        if models is not None:
            shown[f"{role} grid"] = described(getattr(models, role), heights.get(role) or None)
    rest = {k: v for k, v in inputs.items() if k not in (*shown, "method")}
    return shown | rest


def _maker(items: Mapping[str, Any]) -> str:
    return f"trueground {items['version']}" if "version" in items else ""


def _command(items: Mapping[str, Any], inputs: Mapping[str, Any]) -> str:
    """Return a command that finds the result again, as far as the result tells how it was found."""
    if not inputs:
        return ""
    words = ["trueground", "align", str(inputs["reference"]), str(inputs["moving"]), "-o", "aligned.tif"]  # fmt: skip
    for name, value in inputs.items():
        if name in ("reference", "moving") or value in (None, "", []):
            continue
        for one in value if isinstance(value, list) and name in ("exclude", "include") else [value]:
            parts = one if isinstance(one, list) else [one]
            words += [f"--{name.replace('_', '-')}", *map(str, parts)]
    parameters = items.get("parameters") or {}
    if items.get("kind") == "blockwise":
        unit = "m" if parameters.get("unit") == "m" else ""
        words += ["--blocks", f"{parameters.get('block_size', 0):g}{unit}"]
        words += [
            w for k in ("overlap", "field", "passes", "min_valid") if parameters.get(k) not in (None, "auto")
            for w in (f"--{k.replace('_', '-')}", str(parameters[k]))
        ]  # fmt: skip
    for role, datum in (items.get("heights") or {}).items():
        words += [f"--{role}-heights", str(datum)] if datum else []
    return shlex.join(words)
