"""What tells an input from another of the same name: small files by all their bytes, large ones by what is cheap."""

from __future__ import annotations

import datetime
import hashlib
import os
from pathlib import Path
from xml.etree import ElementTree

from trueground.errors import InputError
from trueground.file_raster import is_local, open_dataset

_WHOLE = 64 << 20  # bytes up to which a file is read whole
_END = 1 << 20  # bytes read at the beginning and at the end of a larger one
_PIECE = 1 << 20
_AUXILIARY = ".aux.xml"
_DECLARATION = "<!"  # of entities, by which a small file can become a large one: GDAL writes none
_CONTAINERS = ("Metadata", "PAMRasterBand")  # of it, which say nothing when they are empty


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def fingerprint(path: str | os.PathLike[str]) -> str:
    """Return what tells a file from another, with the name of how it was made.

    `sha256 HEX` of a local file of at most 64 MB. Of a larger one its size, the time of its last change and the SHA-256
    of its first and last MB: `size N, changed T, sha256 of first and last MB HEX`. What is not a local file is not
    read: `not a local file`.
    """
    name = os.fspath(path)
    file = Path(name)
    if not is_local(name) or not file.is_file():
        return "not a local file"
    try:
        status = file.stat()
        if status.st_size <= _WHOLE:
            return f"sha256 {sha256(file)}"
        with file.open("rb") as opened:
            digest = hashlib.sha256(opened.read(_END))
            opened.seek(-_END, os.SEEK_END)
            digest.update(opened.read(_END))
    except OSError as error:
        msg = f"{name} cannot be read: {error.strerror}; check its permissions"
        raise InputError(msg) from error
    changed = datetime.datetime.fromtimestamp(status.st_mtime, tz=datetime.UTC)
    return (
        f"size {status.st_size}, changed {changed.isoformat()}, sha256 of first and last MB "
        f"{digest.hexdigest()}"
    )


def raster_fingerprint(path: str) -> str:
    """Return the fingerprint of all the files that say what a raster holds.

    These are the sources of a VRT, and theirs where they are VRTs too; masks, external RPCs and what else GDAL reads
    beside each of them. Overviews are left out, and so is an `.aux.xml` with nothing but statistics.
    """
    prints = ((Path(name).name, _part(name)) for name in _files_behind(path))
    lines = sorted(f"{name}: {found}\n" for name, found in prints if found)
    if len(lines) < 2:
        return fingerprint(path)
    digest = hashlib.sha256("".join(lines).encode())
    return f"sha256 of the fingerprints of {len(lines)} files {digest.hexdigest()}"


def _files_behind(path: str) -> set[str]:
    """Return the files of a raster, and of all that it is made of."""
    found, new = set[str](), [path]
    while new:
        name = new.pop()
        if name in found:
            continue
        found.add(name)
        try:
            with open_dataset(name) as dataset:
                new += dataset.files
        except InputError:  # no raster: a side file
            continue
    return found


def _part(name: str) -> str:
    """Return the fingerprint of one of the files behind a raster; empty where it says nothing of its values."""
    if name.endswith(".ovr"):
        return ""
    if not name.endswith(_AUXILIARY):
        return fingerprint(name)
    try:
        text = Path(name).read_text(encoding="utf-8")
        root = ElementTree.fromstring("" if _DECLARATION in text else text)
    except (OSError, ValueError, ElementTree.ParseError):
        return fingerprint(name)
    _drop_statistics(root)
    return text_fingerprint(ElementTree.tostring(root, encoding="unicode")) if len(root) else ""


def _drop_statistics(element: ElementTree.Element) -> None:
    """Take away what any viewer may add to a raster: statistics and histograms."""
    for child in list(element):
        _drop_statistics(child)
        is_empty = child.tag in _CONTAINERS and not len(child)
        if is_empty or child.tag == "Histograms" or child.get("key", "").startswith("STATISTICS_"):
            element.remove(child)


def text_fingerprint(text: str) -> str:
    """Return the fingerprint of a text."""
    return f"sha256 {hashlib.sha256(text.encode()).hexdigest()}"
