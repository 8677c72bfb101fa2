"""A table for people: drawn on a terminal, plain columns in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column is flush left, the others flush right."""
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table(*columns, box=None, header_style="bold", pad_edge=False)
        for column in table.columns[1:]:
            column.justify = "right"
        for row in rows:
            table.add_row(*row)
        # A narrow terminal breaks lines; broken cells could not be read.
        wide = sum(widths) + 2 * len(widths)
        Console(width=max(wide, Console().width)).print(table)
        return
    for cells in (columns, *rows):
        first, *others = (
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        print("  ".join([first, *others]).rstrip())
