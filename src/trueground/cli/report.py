"""`trueground report`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueground.cli.console import console
from trueground.cli.endings import PAGES, check_ending
from trueground.cli.engine_options import EngineOptions
from trueground.cli.options import OptionalOutput, outputs_differ_from, usage
from trueground.errors import InputError

if TYPE_CHECKING:
    from trueground.dem import Dem
    from trueground.engine import Engine
    from trueground.raster import Raster

_ENGINE = EngineOptions()
_KINDS = (
    "align --transform, ortho --report, uncertainty -o R.json, converge --json, run (its run.json)"
)


def report(
    result: Path,
    /,
    *,
    output: OptionalOutput = None,
    raster: str | None = None,
    where: EngineOptions = _ENGINE,
) -> None:
    """Write the report of a result that was kept as JSON, from it and from what is left of its inputs.

    What other commands write is taken: `align --transform R.json`, the JSON that `ortho --report` writes beside its
    page, `uncertainty -o R.json`, what `converge --json` prints, and the `run.json` of a job. Inputs are looked for
    where the result says, then beside it. Where some are gone or have changed, the page says so at its top, and shows
    what can be shown. A page that a run has made may show more: it is replaced only where --output names it.

    Examples: `trueground report shift.json`, `trueground report ortho.json --raster ortho.tif -o again.html`

    Parameters
    ----------
    result
        The JSON.
    output
        The page (HTML). Default: named as the result, beside it; refused where there is one already.
    raster
        The orthoimage, or the difference that was averaged, whose paths their results do not hold: for the quick look,
        or the map.
    """
    text, items = _read(result)
    if "scenes" in items:
        _write_run(result, items, output=output, raster=raster)
        return
    page = _page_of(result) if output is None else output
    check_ending(page, PAGES, "the report is written")
    outputs_differ_from([result, raster], {"--output": page})
    where.check()
    if "shift_x" in items or "kind" in items or "correction" in items or "corrections" in items:
        from trueground.cli.report_alignment import write_alignment

        if raster is not None:
            msg = f"--raster {raster}: an alignment tells its inputs itself; leave it out."
            raise usage(msg)
        with where.opened() as engine:
            write_alignment(result, text, items, page=page, engine=engine)
    else:
        write = _writer_of(items, result)
        with where.opened() as engine:
            write(_Kept(path=result, items=items, raster=raster, engine=engine), page)
    console.note(f"wrote {page}")


def _page_of(result: Path) -> Path:
    """Return the name of the page that is written where none is given; never that of one that is there."""
    page = result.with_suffix(".html")
    if page.exists():
        msg = (
            f"{page} exists already, and may show what is not kept in {result.name}; give the new page another name "
            "with -o, or this one to replace it"
        )
        raise InputError(msg)
    return page


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """A result that does not name its rasters, and the one that was given."""

    path: Path
    items: Mapping[str, Any]
    raster: str | None
    engine: Engine


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"{path} is not JSON ({error}); give a result of {_KINDS}"
        raise InputError(msg) from error
    if not isinstance(items, dict):
        msg = f"{path} holds a {type(items).__name__}, not a result; give one of {_KINDS}"
        raise InputError(msg)
    return text, items


def _writer_of(items: Mapping[str, Any], path: Path) -> Callable[[_Kept, Path], None]:
    if "incidence" in items and "rpc_origin" in items:
        return _write_ortho
    if "areas" in items and "variogram" in items:
        return _write_changes
    if "runs" in items and "contraction" in items:
        return _write_convergence
    msg = f"{path} is no result that is known; give one of {_KINDS}"
    raise InputError(msg)


def _write_ortho(kept: _Kept, page: Path) -> None:
    from trueground.report import write_ortho_report
    from trueground.report.ortho_saved import quality_of

    quality = quality_of(kept.items)
    image, dem, history, warnings = _orthoimage(kept.raster)
    warnings.append("Maps of incidence and of hidden ground are not kept with the result.")
    write_ortho_report(
        page,
        quality=quality,
        image=image,
        dem=dem,
        maps=False,
        inputs={"image": kept.raster or kept.path.stem, **history, "result": str(kept.path)},
        warnings=warnings,
        engine=kept.engine,
    )


def _orthoimage(
    raster: str | None,
) -> tuple[Raster | None, Dem | None, dict[str, str], list[str]]:
    """Return an orthoimage, the DEM that its tags name, those tags, and what is to be said of them."""
    from trueground.cli.elevation import opened
    from trueground.cli.report_inputs import fingerprint_differs
    from trueground.errors import TruegroundError
    from trueground.raster import open_raster

    if raster is None:
        return None, None, {}, ["No quick look: give the orthoimage with --raster."]
    image = open_raster(raster)
    tags = _history(raster)
    shown = ("image", "dem", "rpc", "heights", "resampling", "occlusion")
    named: dict[str, str] = {k: tags[k] for k in shown if k in tags}
    warnings: list[str] = []
    try:
        dem = opened(
            tags["dem"], heights=_datum(tags.get("heights", "")),
            scale=float(tags.get("dem_scale", 1.0)), offset=float(tags.get("dem_offset", 0.0)),
        )  # fmt: skip
    except (KeyError, ValueError, TruegroundError) as error:
        said = "its tags do not name it" if isinstance(error, KeyError) else error
        return None, None, named, [f"No quick look: the DEM of {raster} cannot be opened ({said})."]
    if fingerprint_differs(tags["dem"], tags.get("dem_fingerprint", "")):
        warnings.append(f"{tags['dem']} has changed since {raster} was made over it.")
    return image, dem, named, warnings


def _history(raster: str) -> dict[str, str]:
    from trueground.file_raster import open_dataset

    with open_dataset(raster) as dataset:
        return {k.lower().removeprefix("trueground_"): v for k, v in dataset.tags().items()}


def _datum(said: str) -> str | None:
    """Return the name of a datum from how products tell it."""
    if "ellipsoid" in said.lower():
        return "ellipsoid"
    return said or None


def _write_changes(kept: _Kept, page: Path) -> None:
    from trueground.raster import as_float, open_raster
    from trueground.report.uncertainty import write_uncertainty_report
    from trueground.report.uncertainty_saved import SavedChanges

    found = SavedChanges.of(kept.items)
    raster = kept.raster
    write_uncertainty_report(
        page,
        changes=found.changes,
        stable=found.stable,
        variogram=found.variogram,
        model=found.model,
        error_model=found.error_model,
        difference=None if raster is None else as_float(open_raster(raster)),
        areas=None,
        inputs={"difference": raster or kept.path.stem, "result": str(kept.path)},
        warnings=["No map: give the difference with --raster."] if raster is None else [],
        engine=kept.engine,
    )


def _write_convergence(kept: _Kept, page: Path) -> None:
    from trueground.report.convergence_saved import write_saved_convergence

    if kept.raster is not None:
        msg = f"--raster {kept.raster}: a study of convergence shows no raster; leave it out."
        raise usage(msg)
    lost = "Maps and curves are not kept with the result; trueground converge -o makes them again."
    write_saved_convergence(page, kept.items, inputs={"result": str(kept.path)}, warnings=[lost])


def _write_run(
    path: Path, items: Mapping[str, Any], *, output: Path | None, raster: str | None
) -> None:
    from trueground.cli.report_run import write_run

    if output is not None or raster is not None:
        msg = "the page of a run leads to the pages beside it, so it is index.html there: leave out -o and --raster."
        raise usage(msg)
    console.note(f"wrote {write_run(path, items)}")
