"""The end of a report: what went in, and how to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueground.report.page import CommandSection, Section, TableSection, versions
from trueground.report.text import plain


def inputs_and_command(inputs: Mapping[str, Any], command: str) -> tuple[Section, ...]:
    """Return a table of what went in, where anything did, and the command that makes the report again."""
    table = TableSection(
        anchor="inputs",
        heading="Inputs",
        columns=("", "Value"),
        rows=tuple((name, plain(value)) for name, value in inputs.items()),
        numeric=False,
    )
    again = CommandSection(
        anchor="command", heading="Make it again", command=command, versions=versions()
    )
    return (table, again) if inputs else (again,)
