"""Tables for people: drawn on a terminal, plain columns in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: Collection[str] = ()
) -> None:
    """Print a table; the first column and those named are flush left, the others flush right."""
    flush_left = [k == 0 or name in left for k, name in enumerate(columns)]
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(*columns, box=None, header_style="bold", pad_edge=False)
        for column, is_left in zip(table.columns, flush_left, strict=True):
            column.justify = "left" if is_left else "right"
        for row in rows:
            table.add_row(*map(Text, row))
        # A narrow terminal breaks lines; broken cells could not be read.
        wide = sum(widths) + 2 * len(widths)
        Console(width=max(wide, Console().width)).print(table)
        return
    for cells in (columns, *rows):
        padded = (
            cell.ljust(width) if is_left else cell.rjust(width)
            for cell, width, is_left in zip(cells, widths, flush_left, strict=True)
        )
        print("  ".join(padded).rstrip())


def print_items(items: Mapping[str, str]) -> None:
    """Print names and what they are; on a terminal long texts are broken in their own column."""
    width = max(map(len, items))
    if not sys.stdout.isatty():
        for name, value in items.items():
            print(f"{name:<{width}}  {value}")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in items.items():
        table.add_row(Text(name), Text(value))
    Console().print(table)
