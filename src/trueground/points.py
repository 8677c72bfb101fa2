"""Tables of points: CSV with a header in, CSV or GeoJSON out. No digit is lost."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueground.errors import InputError
from trueground.status import Status

Columns = dict[str, NDArray[Any]]  # float64, or whole numbers that were counted


def read_points(
    path: str | os.PathLike[str], names: Sequence[str], *, optional: Sequence[str] = ()
) -> Columns:
    """Read named columns of a CSV file.

    Parameters
    ----------
    path
        File with a header; its other columns are ignored. A cell that is empty or `nan` becomes
        NaN.
    names
        Columns that must be there, in any order.
    optional
        Columns that are read where they are there.

    Raises
    ------
    InputError
        Where the file or a column is missing, or a cell is not a number; it names the line.
    """
    header, lines = _cells(path, names)
    names = [*names, *(name for name in optional if name in header)]
    places = [header.index(name) for name in names]
    rows = [
        [_number(cells[place] if place < len(cells) else "", path, line) for place in places]
        for line, cells in lines
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, len(names))
    return {name: np.ascontiguousarray(table[:, i]) for i, name in enumerate(names)}


def read_labels(path: str | os.PathLike[str], names: Sequence[str]) -> list[str]:
    """Read the first of some columns that a CSV file has, as text; numbers from 1 where it has none."""
    header, lines = _cells(path, ())
    place = next((header.index(name) for name in names if name in header), None)
    if place is None:
        return [str(i + 1) for i in range(len(lines))]
    return [cells[place].strip() if place < len(cells) else "" for _, cells in lines]


def _cells(
    path: str | os.PathLike[str], names: Sequence[str]
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header, in small letters, and the number and cells of each line that is not empty."""
    wanted = f" {','.join(names)}" if names else ""
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            header = [cell.strip().lower() for cell in next(lines, [])]
            if any(name not in header for name in names):
                msg = (
                    f"{path} has the columns {','.join(header) or '(none)'}: "
                    f"a header with{wanted} is needed"
                )
                raise InputError(msg)
            return header, [
                (lines.line_num, cells)
                for cells in lines
                if len(cells) > 1 or any(map(str.strip, cells))
            ]
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}; check the path"
        raise InputError(msg) from error
    except (UnicodeDecodeError, csv.Error) as error:
        msg = f"{path} is not a CSV file: {error}; give text with a header{wanted}"
        raise InputError(msg) from error


def _number(text: str, path: str | os.PathLike[str], line: int) -> float:
    text = text.strip()
    if not text:
        return math.nan
    try:
        return float(text.replace("_", "?"))  # Python reads 1_000, no other program does
    except ValueError as error:
        msg = (
            f"{path}, line {line}: {text[:40]!r} is not a number; a cell may be empty but not text"
        )
        raise InputError(msg) from error


def to_csv(columns: Columns, status: NDArray[np.uint8], computed: Sequence[str]) -> str:
    """Return a CSV table with the status last; computed numbers of a failed point are empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*columns, "status"])
    labels = [Status(s).label for s in range(len(Status))]
    lists = {name: values.reshape(-1).tolist() for name, values in columns.items()}
    for i, code in enumerate(status.reshape(-1).tolist()):
        failed = code != Status.OK
        writer.writerow(
            [
                "" if (failed and name in computed) or math.isnan(values[i]) else repr(values[i])
                for name, values in lists.items()
            ]
            + [labels[code]]
        )
    return out.getvalue()


def to_geojson(columns: Columns, status: NDArray[np.uint8], computed: Sequence[str]) -> str:
    """Return a GeoJSON collection of points by `lon` and `lat`; a failed one has no geometry."""
    features = []
    lists = {name: values.reshape(-1).tolist() for name, values in columns.items()}
    for i, code in enumerate(status.reshape(-1).tolist()):
        failed = code != Status.OK
        item = {
            name: v[i] if math.isfinite(v[i]) and not (failed and name in computed) else None
            for name, v in lists.items()
        }
        lon, lat, height = item.get("lon"), item.get("lat"), item.get("height")
        place = None
        if lon is not None and lat is not None:
            place = {
                "type": "Point",
                "coordinates": [lon, lat] if height is None else [lon, lat, height],
            }
        features.append(
            {
                "type": "Feature",
                "geometry": place,
                "properties": {**item, "status": Status(code).label},
            }
        )
    return json.dumps({"type": "FeatureCollection", "features": features}) + "\n"
