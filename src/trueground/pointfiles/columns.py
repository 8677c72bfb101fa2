"""Which columns of a table of points hold x, y, the height and its standard error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pyproj import CRS

from trueground.errors import InputError

Column = str | int
"""Name of a column in capital or small letters, or its number, counted from 1."""

# Names that are taken without being asked for, in small letters.
_PLACES = (
    (
        ("x", "x_coord", "xcoord", "coord_x", "point_x"),
        ("y", "y_coord", "ycoord", "coord_y", "point_y"),
    ),
    (("easting", "east", "e"), ("northing", "north", "n")),
    (("lon", "long", "longitude", "lon_ph", "lng"), ("lat", "latitude", "lat_ph")),
)
_LONGITUDES = 2  # place in the table above
_HEIGHTS = (
    "z",
    "h",
    "height",
    "heights",
    "elevation",
    "elev",
    "ele",
    "alt",
    "altitude",
    "z_coord",
    "point_z",
    "h_mean",
    "h_li",
    "h_ph",
    "h_te_best_fit",
    "h_te_mean",
    "elev_lowestmode",
)
_SIGMAS = ("sigma", "sigma_z", "sigma_h", "z_sigma", "h_sigma", "h_li_sigma")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a user says about the columns of a file; None leaves it to their names."""

    x: Column | None = None
    y: Column | None = None
    z: Column | None = None
    sigma: Column | None = None
    crs: CRS | None = None
    """Reference system as given, which tells longitudes from eastings where a file has both."""


class Layout(NamedTuple):
    """Places of the columns, from 0; None where the geometry says it, or nothing does."""

    x: int | None
    y: int | None
    z: int | None
    sigma: int | None


def layout(names: Sequence[str], wanted: Wanted, *, source: str, dimensions: int = 0) -> Layout:
    """Find the columns that are wanted, or have one of the usual names.

    Parameters
    ----------
    names
        Columns of the file, as they are written in it; empty where a column has no name.
    wanted
        What the user says.
    source
        What to call the file in a message.
    dimensions
        What the file's geometries say themselves: 0 nothing, 2 the place, 3 the height too.

    Raises
    ------
    InputError
        Where a column is missing, or several could be meant.
    """
    known = [name.strip().lower() for name in names]
    if dimensions and (wanted.x is not None or wanted.y is not None):
        msg = f"{source} holds points that say themselves where they are; leave out --points-x and --points-y"
        raise InputError(msg)
    x = y = z = None
    if not dimensions:
        x, y = _place(known, wanted, source)
    if wanted.z is not None:
        z = _given(known, wanted.z, "z", source=source)
    elif dimensions < 3:
        z = _height(known, source)
    sigma = (
        _given(known, wanted.sigma, "sigma", source=source)
        if wanted.sigma is not None
        else next((known.index(n) for n in _SIGMAS if n in known), None)
    )
    used = [i for i in (x, y, z) if i is not None]
    if len(set(used)) != len(used):
        msg = (
            f"{source}: x, y and z are to be columns {', '.join(str(i + 1) for i in used)}: "
            "they must be different ones"
        )
        raise InputError(msg)
    return Layout(x, y, z, sigma)


def _given(known: Sequence[str], column: Column, role: str, *, source: str) -> int:
    text = str(column).strip().lower()
    if isinstance(column, str) and text in known:
        return known.index(text)
    if text.isdecimal() and 1 <= int(text) <= len(known):
        return int(text) - 1
    msg = (
        f"{source} has no column {column!r} for {role}, but {_listed(known)}; "
        "give one of these names, or a number from 1"
    )
    raise InputError(msg)


def _listed(known: Sequence[str]) -> str:
    named = [name for name in known if name]
    return ", ".join(named) if named else f"{len(known)} columns without a name"


def _place(known: Sequence[str], wanted: Wanted, source: str) -> tuple[int, int]:
    if wanted.x is not None and wanted.y is not None:
        return _given(known, wanted.x, "x", source=source), _given(
            known, wanted.y, "y", source=source
        )
    if wanted.x is not None or wanted.y is not None:
        msg = f"{source}: x is {wanted.x!r} and y is {wanted.y!r}; give both --points-x and --points-y, or none"
        raise InputError(msg)
    if not any(known) and len(known) >= 3:
        return 0, 1  # x y z, the order of all files that name no columns
    found = []
    for group, pairs in enumerate(_PLACES):
        if wanted.crs is not None and wanted.crs.is_geographic and group == 1:
            continue
        if wanted.crs is not None and wanted.crs.is_projected and group == _LONGITUDES:
            continue
        sides = [[known.index(n) for n in side if n in known] for side in pairs]
        if all(sides):
            found.append((group, sides))
    if wanted.crs is not None and wanted.crs.is_geographic:
        found = [f for f in found if f[0] == _LONGITUDES] or found
    if not found:
        msg = (
            f"{source} has the columns {_listed(known)}: none says by its name where points are; "
            "say which with --points-x and --points-y (a name or a number)"
        )
        raise InputError(msg)
    if len(found) > 1 or any(len(side) > 1 for _, sides in found for side in sides):
        names = sorted({known[i] for _, sides in found for side in sides for i in side})
        msg = f"{source}: {', '.join(names)} could all be x and y; say which with --points-x and --points-y"
        raise InputError(msg)
    (x,), (y,) = found[0][1]
    return x, y


def _height(known: Sequence[str], source: str) -> int:
    if not any(known) and len(known) >= 3:
        return 2
    found = [known.index(name) for name in _HEIGHTS if name in known]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(known[i] for i in sorted(found))
        msg = f"{source}: {names} could all be the height; say which with --points-z"
    else:
        msg = (
            f"{source} has the columns {_listed(known)}: none is a height by its name; "
            "say which with --points-z (a name or a number)"
        )
    raise InputError(msg)
