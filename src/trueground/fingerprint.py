"""What tells an input from another of the same name: small files by all their bytes, large ones by what is cheap."""

from __future__ import annotations

import datetime
import hashlib
import os
from pathlib import Path

from trueground.errors import InputError
from trueground.raster import is_local, open_dataset

_WHOLE = 64 << 20  # bytes up to which a file is read whole
_END = 1 << 20  # bytes read at the beginning and at the end of a larger one
_PIECE = 1 << 20


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
    """Return the fingerprint of all the files behind a raster: the sources of a VRT, the bands of a product."""
    try:
        with open_dataset(path) as dataset:
            files = sorted(f for f in dataset.files if not f.endswith(".aux.xml"))
    except InputError:
        files = []
    if len(files) < 2:
        return fingerprint(path)
    digest = hashlib.sha256()
    for name in files:
        digest.update(f"{Path(name).name}: {fingerprint(name)}\n".encode())
    return f"sha256 of the fingerprints of {len(files)} files {digest.hexdigest()}"


def text_fingerprint(text: str) -> str:
    """Return the fingerprint of a text."""
    return f"sha256 {hashlib.sha256(text.encode()).hexdigest()}"
