"""Points in text: CSV, TSV, and columns between blanks."""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from trueground.errors import InputError
from trueground.pointfiles.columns import Layout, Wanted, layout
from trueground.pointfiles.source import Chunk, Mover

Float = NDArray[np.float64]
Record = tuple[int, str]  # number, from 1, and the line with its end

CHUNK = 1 << 15
"""Lines that are read at a time."""

_BLANKS = " "  # stands for any number of them
_DELIMITERS = ("\t", ";", ",", "|")
_COMMENTS = ("#", "//")
_SAMPLE = 50  # lines that tell how a file is written
_LONGEST = 100  # lines of a cell in quotation marks
_NO_DATA = frozenset(("", "nan", "na", "n/a", "null", "none", "-"))
_QUOTE = '"'


@dataclass(frozen=True, kw_only=True)
class TextPoints:
    """A table in a text file. What is not moved is kept to the letter."""

    path: str
    wanted: Wanted
    delimiter: str = field(init=False)
    before: int = field(init=False)
    """Lines up to and with the header."""
    layout: Layout = field(init=False)
    _names: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        with _opened(self.path) as file:
            start = file.read(4096)
            if "\x00" in start or start.startswith("\udcff\udcfe"):
                msg = f"{self.path} is not text in UTF-8; save it as such, or give it the ending of what it is"
                raise InputError(msg)
            file.seek(0)
            lines = list(itertools.islice(_lines(file, self.path), 10 * _SAMPLE))
        table = [(i, line) for i, line in enumerate(lines) if _is_data(line)][:_SAMPLE]
        if not table:
            msg = f"{self.path} holds no points; give a file with a line for each"
            raise InputError(msg)
        self._set("delimiter", _delimiter([line for _, line in table]))
        first, cells = table[0][0], self._plain(table[0][1])
        numbers = sum(_is_number(cell) for cell in cells)
        names = [""] * len(cells)
        self._set("before", first)
        if 2 * numbers < len(cells):
            names = cells
            self._set("before", first + 1)
        elif first:  # a header behind the sign of a comment
            spoken = self._plain(lines[first - 1].strip().lstrip("#/ \t"))
            names = spoken if len(spoken) == len(cells) else names
        self._set("layout", layout(names, self.wanted, source=self.path))
        self._set("_names", tuple(names))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def crs(self) -> CRS | None:
        """None: a table says nothing about it."""
        return None

    @property
    def count(self) -> int | None:
        """None: only reading tells."""
        return None

    def _cells(self, line: str) -> list[str]:
        """Return the cells of a record, as they are written."""
        line = line.rstrip("\r\n")
        if self.delimiter == _BLANKS:
            return line.split()
        if _QUOTE not in line:
            return line.split(self.delimiter)
        return re.split(f'{re.escape(self.delimiter)}(?=(?:[^"]*"[^"]*")*[^"]*$)', line)

    def _plain(self, line: str) -> list[str]:
        return [_plain(cell) for cell in self._cells(line)]

    def chunks(self) -> Iterator[Chunk]:
        """Read the points, in their order."""
        with _opened(self.path) as file:
            for records in self._records(file):
                rows = [record for record in records if _is_data(record[1])]
                if rows:
                    yield self._chunk(rows)

    def _records(self, file: IO[str]) -> Iterator[list[Record]]:
        """Give the lines behind the header with their numbers, some at a time."""
        lines = itertools.islice(enumerate(_lines(file, self.path), start=1), self.before, None)
        while some := list(itertools.islice(lines, CHUNK)):
            yield some

    def _chunk(self, rows: Sequence[Record]) -> Chunk:
        """Read the points of some lines: all at once, or cell by cell where that fails."""
        used = [i for i in self.layout if i is not None]
        lines = [line for _, line in rows]
        try:
            if any(_QUOTE in line for line in lines):
                columns = self._columns(rows, used)
            else:
                separator = None if self.delimiter == _BLANKS else self.delimiter
                table = np.loadtxt(lines, delimiter=separator, usecols=used, comments=None, ndmin=2)
                columns = [np.ascontiguousarray(table[:, k]) for k in range(len(used))]
        except ValueError:
            columns = self._columns(rows, used)
        x, y, z, *sigma = columns
        return Chunk(x, y, z, sigma[0] if sigma else None)

    def _columns(self, rows: Sequence[Record], used: Sequence[int]) -> list[Float]:
        cells = [(number, self._cells(line)) for number, line in rows]
        return [np.array([self._number(row, i, line) for line, row in cells]) for i in used]

    def _number(self, cells: Sequence[str], place: int, line: int) -> float:
        text = _plain(cells[place]) if place < len(cells) else ""
        if text.lower() in _NO_DATA:
            return math.nan
        number = text.replace("_", "?")
        if self.delimiter == ";" and "." not in number:
            number = number.replace(",", ".")
        try:
            return float(number)
        except ValueError as error:
            named = self._names[place] or str(place + 1)
            msg = (
                f"{self.path}, line {line}: {text[:40]!r} in column {named} is not a number; "
                "a cell may be empty but not text"
            )
            raise InputError(msg) from error

    def rewrite(self, target: Path, mover: Mover) -> None:
        """Write the table again; lines whose point is not moved, and all other cells, are kept to the letter."""
        options = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
        with _opened(self.path) as file, target.open("w", **options) as out:  # type: ignore[call-overload]
            out.writelines(itertools.islice(_lines(file, self.path), self.before))
            file.seek(0)
            for records in self._records(file):
                lines = [line for _, line in records]
                places = [i for i, line in enumerate(lines) if _is_data(line)]
                if places:
                    old = self._chunk([records[i] for i in places])[:3]
                    *new, done = mover(*old)
                    changed = [np.asarray(n != o) & done for n, o in zip(new, old, strict=True)]
                    for k in np.flatnonzero(np.any(changed, axis=0)).tolist():
                        line = lines[places[k]]
                        cells = self._cells(line)
                        for place, values, differs in zip(
                            self.layout[:3], new, changed, strict=True
                        ):
                            if place is not None and differs[k]:
                                cells[place] = _as_before(float(values[k]), cells[place])
                        end = line[len(line.rstrip("\r\n")) :]
                        lines[places[k]] = self.delimiter.join(cells) + end
                out.writelines(lines)


def _as_before(value: float, cell: str) -> str:
    """Write a number with all its digits, and with the decimal sign and quotation marks that were there."""
    text = repr(value)
    if "," in cell:
        text = text.replace(".", ",")
    return f'"{text}"' if cell.strip().startswith(_QUOTE) else text


def _opened(path: str) -> IO[str]:
    try:
        # Bytes that are no UTF-8 come back as they were.
        return Path(path).open(encoding="utf-8", errors="surrogateescape", newline="")
    except OSError as error:
        msg = f"{path} cannot be read: {os.strerror(error.errno or 0)}; check the path"
        raise InputError(msg) from error


def _lines(file: IO[str], path: str) -> Iterator[str]:
    """Give the records of a file: lines, joined where a quotation mark is open at their end."""
    for number, first in enumerate(file, start=1):
        line = first
        if _QUOTE in line and line.count(_QUOTE) % 2:
            for more in itertools.islice(file, _LONGEST):
                line += more
                if not line.count(_QUOTE) % 2:
                    break
            else:
                msg = f"{path}: the quotation mark in record {number} is not closed; close or remove it"
                raise InputError(msg)
        yield line


def _is_data(line: str) -> bool:
    text = line.lstrip(" \t\r\n\ufeff")
    return bool(text) and not text.startswith(_COMMENTS)


def _plain(cell: str) -> str:
    """Return what a cell says, without blanks and quotation marks around it."""
    text = cell.strip().lstrip("\ufeff")
    if len(text) >= 2 and text[0] == text[-1] == _QUOTE:
        text = text[1:-1].replace(_QUOTE * 2, _QUOTE).strip()
    return text


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _delimiter(lines: Sequence[str]) -> str:
    """Return what separates the cells: what cuts all lines into the same number of them."""
    outside: Callable[[str], str] = lambda line: re.sub(r'"[^"]*"', "", line)  # noqa: E731
    bare = [outside(line) for line in lines]
    for candidate in _DELIMITERS:
        counts = {line.count(candidate) for line in bare}
        if len(counts) == 1 and counts != {0}:
            return candidate
    most = max(_DELIMITERS, key=bare[0].count)  # lines of different lengths
    return most if most in bare[0] else _BLANKS
