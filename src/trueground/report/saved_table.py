"""A table of a page as a file to save: CSV that a program reads, made of the text that a person reads."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from trueground.plot.style import MINUS
from trueground.report.text import MISSING

_NUMBER = re.compile(r"[+-]?\d{1,3}(,\d{3})*(\.\d+)?")
_NO_BREAK = "\N{NO-BREAK SPACE}"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def table_csv(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""Return a table as CSV: numbers without commas, plus and typographic minus, and what is missing empty.

    Examples
    --------
    >>> table_csv(("place", "dh [m]"), [("a", "+1,234.50"), ("b, c", "\N{EN DASH}")])
    'place,dh [m]\na,1234.50\n"b, c",\n'
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([c or "name" for c in columns])
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    return out.getvalue()


def _plain(cell: str) -> str:
    text = cell.replace(MINUS, "-").replace(_NO_BREAK, " ").strip()
    if text == MISSING:
        return ""
    return text.replace(",", "").lstrip("+") if _NUMBER.fullmatch(text) else as_text(text)


def as_text(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: names come from files of others.

    Examples
    --------
    >>> as_text("=1+1"), as_text("-1.5e-3"), as_text("glacier")
    ("'=1+1", '-1.5e-3', 'glacier')
    """
    if not cell.startswith(_FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def without_formulas(table: str) -> str:
    """Return a CSV table, each cell of which is as `as_text` returns it."""
    out = io.StringIO()
    rows = csv.reader(io.StringIO(table, newline=""))
    csv.writer(out, lineterminator="\n").writerows([as_text(cell) for cell in row] for row in rows)
    return out.getvalue()
