"""The end of a report: what went in, with which parameters, and how to make it again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from trueground.report.page import CommandSection, Section, TableSection, versions
from trueground.report.text import crs_name, plain

_PARTICULARS = {
    "method": "Method",
    "parameters": "Parameters",
    "converged": "Converged",
    "samples": "Cells used by the fit",
    "crs": "CRS of the shift",
    "matrix": "Matrix",
    "centroid": "Centroid",
}
_EMPTY: tuple[Any, ...] = (None, "", [], (), {})
_CAPITALS = re.compile(r"\b(dem|rpc|crs)\b", re.IGNORECASE)
_ONE_STEP = re.compile(r"Pipeline\(steps=\((.*?),?\)\)")  # as Python writes a pipeline of one step


def closing_sections(
    inputs: Mapping[str, Any], command: str, *, result: Mapping[str, Any] | None = None
) -> tuple[Section, ...]:
    """Return a table of what went in, where anything did, and the command that makes the result again.

    Parameters
    ----------
    inputs
        Name to value; what is empty is left out.
    command
        As it was given; empty where it is not known.
    result
        An alignment as its JSON has it, whose method, parameters and matrix are told too.
    """
    rows = [(_label(k), plain(v)) for k, v in inputs.items() if v not in _EMPTY]
    rows += _particulars(result or {})
    table = TableSection(
        anchor="inputs",
        heading="Inputs and parameters",
        columns=("Name", "Value"),
        rows=tuple(rows),
        numeric=False,
    )
    made = (result or {}).get("versions")
    again = CommandSection(
        anchor="command",
        heading="Make it again",
        command=command,
        versions=plain(made) if made else versions(),
    )
    return (table, again) if rows else (again,)


def motion(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what tells of the motion: of a pipeline with corrections, a part of its result."""
    return result.get("alignment") or result


def _particulars(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for name, heading in _PARTICULARS.items():
        value = result.get(name, motion(result).get(name))
        if value in _EMPTY:
            continue
        if name == "parameters" and isinstance(value, Mapping):
            value = _listed(value)
        elif name == "matrix" and isinstance(value, Sequence):
            value = "\n".join(plain(row) for row in value)
        rows.append((heading, crs_name(value) if name == "crs" else plain(value)))
    return rows


def _listed(parameters: Mapping[str, Any]) -> str:
    """Return the parameters that have a value, one a line."""
    given = {k: plain(v) for k, v in parameters.items() if v not in _EMPTY}
    steps = ((k.replace("_", " "), _ONE_STEP.sub(r"\1", v)) for k, v in given.items())
    return "\n".join(f"{name}: {value}" for name, value in steps)


def _label(name: str) -> str:
    words = _CAPITALS.sub(lambda found: found[0].upper(), str(name).replace("_", " "))
    return words[:1].upper() + words[1:]
