"""Tables of the report of an alignment: statistics, corrections of the heights, iterations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trueground.plot.style import MINUS
from trueground.report.page import TableSection
from trueground.report.text import MISSING, as_number, decimals_for, number, percent_change, plain

_STATISTICS = {
    "count": "Pixels",
    "median": "Median [m]",
    "nmad": "NMAD [m]",
    "mean": "Mean [m]",
    "std": "Standard deviation [m]",
    "rmse": "RMSE [m]",
    "le90": "LE90 [m]",
}
_ADDED = {"q05": "5 % [m]", "median": "Median [m]", "q95": "95 % [m]"}
_AT_REST = {"rotation_x": 0.0, "rotation_y": 0.0, "rotation_z": 0.0, "scale": 1.0}
_ITERATION_UNITS = {
    "shift_z": "m", "step": "m", "nmad": "m", "rmse": "m",
    "rotation_x": "°", "rotation_y": "°", "rotation_z": "°",
}  # fmt: skip
_GLOSSARY = {
    "nmad": "NMAD: normalised median absolute deviation, a spread that outliers do not move.",
    "le90": "LE90: nine of ten differences are smaller, whatever their sign.",
}


def statistics_of(result: Mapping[str, Any], when: str) -> dict[str, float | None]:
    """Return the statistics before or after; what is missing is None, but for the NMAD."""
    found = (result.get("statistics") or {}).get(when) or {}
    values = {name: as_number(found.get(name)) for name in _STATISTICS}
    if values["nmad"] is None:
        values["nmad"] = as_number(result.get(f"nmad_{when}"))
    return values


def statistics_section(
    before: Mapping[str, float | None], after: Mapping[str, float | None], where: str
) -> TableSection:
    """Return the statistics before and after, and how much less they are."""
    rows: list[tuple[str, ...]] = []
    for name, heading in _STATISTICS.items():
        pair = before[name], after[name]
        if pair == (None, None):
            continue
        places = 0 if name == "count" else decimals_for(pair)
        change = "" if name in ("count", "median", "mean") else percent_change(*pair)
        rows.append((heading, *(number(v, decimals=places) for v in pair), change or MISSING))
    return TableSection(
        anchor="numbers",
        half=True,
        heading="The difference in numbers",
        text=f"dh = reference {MINUS} moving{f', {where}' if where else ''}.",
        columns=("", "Before", "After", "Change"),
        rows=tuple(rows),
        note=" ".join(note for name, note in _GLOSSARY.items() if before[name] is not None),
    )


def corrections_of(result: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return what was added to the heights, as the result of a pipeline has it."""
    found = result.get("corrections") or ()
    return [c for c in found if isinstance(c, Mapping)]


def corrections_section(corrections: Sequence[Mapping[str, Any]]) -> TableSection:
    """Return what each correction added to the heights."""
    rows = []
    for one in corrections:
        samples = one.get("on_samples") or {}
        added = samples.get("added") or {}
        values = [as_number(added.get(name)) for name in _ADDED]
        values += [as_number(one.get(f"nmad_{when}")) for when in ("before", "after")]
        places = decimals_for(values)
        rows.append(
            (
                f"{plain(one.get('method'))}: {plain(one.get('summary'))}",
                *(number(v, decimals=places) for v in values),
            )
        )
    return TableSection(
        anchor="corrections",
        heading="Corrections of the heights",
        text="What was added to the moving DEM, in the order in which it was found, on the cells of the fit.",
        columns=("Correction", *_ADDED.values(), "NMAD before [m]", "NMAD after [m]"),
        rows=tuple(rows),
    )


def iterations_section(iterations: Sequence[Mapping[str, Any]], *, unit: str = "m") -> TableSection:
    """Return the iterations; what was not looked for, rotations or a scale, is left out."""
    names = list(dict.fromkeys(name for step in iterations for name in step if name != "iteration"))
    kept = [
        n for n in names if n not in _AT_REST or any(s.get(n) != _AT_REST[n] for s in iterations)
    ]
    units = {**_ITERATION_UNITS, "shift_x": unit, "shift_y": unit}
    return TableSection(
        anchor="iterations",
        heading="Iterations",
        columns=("Iteration", *(_column(name, units.get(name)) for name in kept)),
        rows=tuple(
            (plain(step.get("iteration", i)), *(_short(step.get(name)) for name in kept))
            for i, step in enumerate(iterations, start=1)
        ),
    )


def _column(name: str, unit: str | None) -> str:
    words = "NMAD" if name == "nmad" else name.replace("_", " ").capitalize()
    return words if unit is None else f"{words} [{unit}]"


def _short(value: object) -> str:
    found = as_number(value)
    if found is None or isinstance(value, int):
        return plain(value)
    return number(found, decimals=4)
