"""Nothing that a job writes leaves its folder: not by a name, and not through a link."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath, PureWindowsPath

from trueground.errors import WriteError

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._ +-]*[A-Za-z0-9_+-])?")
_MOST = 120  # characters, so that temporary names beside it fit in 255
_LONGEST = 1000  # characters of a folder's path: systems take some thousands bytes with all that lies in it
_TAKEN = ("step.json", "run.json", "index.html", "nul", "con", "aux", "prn")


def name_fault(name: object, *, dots: bool = True) -> str | None:
    """Return why something cannot be the name of a file or folder that a job makes; None where it can."""
    if not isinstance(name, str):
        return "must be a text"
    if "/" in name or "\\" in name:
        return "must be a name without folders: a job writes in its own folders alone"
    if not _NAME.fullmatch(name) or (not dots and "." in name):
        also = ", ." if dots else ""
        return (
            f"must be made of letters, digits{also}, - and _, and begin with a letter, a digit or _"
        )
    if len(name) > _MOST:
        return f"must have {_MOST} characters at most, and has {len(name)}"
    if name.lower() in _TAKEN:
        return "is a name that the job itself takes; give another"
    return None


def folder_fault(text: str, beside: Path) -> str | None:
    """Return why the output folder that a job file names is none that it may name; None where it may."""
    parts = PurePosixPath(text).parts
    if not text.strip():
        return "must name a folder"
    if len(text) > _LONGEST or any(len(part) > _MOST for part in parts):
        return f"must be made of names of {_MOST} characters at most, {_LONGEST} in all"
    if PurePosixPath(text).is_absolute() or PureWindowsPath(text).drive or "\\" in text:
        return "must be a path from the job file's folder; an absolute one is given with -o on the command line"
    if ".." in parts or text.startswith("~"):
        return "must not leave the job file's folder; another place is given with -o on the command line"
    if not is_inside(beside / text, beside):
        return "leads out of the job file's folder through a link; give the place with -o on the command line"
    return None


def is_inside(path: str | os.PathLike[str], folder: Path) -> bool:
    """Tell whether a path, links followed, is in a folder or is that folder."""
    real, inside = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    return real == inside or inside in real.parents


def check_unlinked(folder: Path, top: Path) -> None:
    """Raise where a folder below `top` is reached through a link.

    Raises
    ------
    WriteError
        Where it is.
    """
    place = top
    for part in folder.relative_to(top).parts:
        place /= part
        if place.is_symlink():
            msg = f"{place} is a link, and a job writes in its own folder alone; remove it"
            raise WriteError(msg)
