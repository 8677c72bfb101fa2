"""A folder, or a file, for one process at a time; what a process that was killed leaves behind locks nobody out."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from trueground.errors import WriteError

LOCK = ".lock"
"""Name of the file that says who writes in a folder."""
_WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)  # of some file systems of clusters


class Holder(NamedTuple):
    """Who writes there."""

    pid: int
    host: str


@contextlib.contextmanager
def locked(place: Path, *, as_name: bool = False) -> Iterator[None]:
    """Keep a folder, or a file that need not exist yet, for this process, as long as the context lasts.

    With `as_name` a folder is locked as a file is: by another file beside it, for it is to be replaced as a whole.

    A file in the folder, or beside the file, is locked by the operating system, which unlocks it when the process ends
    in whatever way. It names the process for the others; on file systems without locks, and between computers, that
    name alone counts.

    Raises
    ------
    WriteError
        Where another process has it, or one of another computer has left without unlocking it.
    """
    inside = place.is_dir() and not as_name
    path = place / LOCK if inside else place.with_name(f".{place.name}{LOCK}")
    with _opened(path, place) as file:
        try:
            _sign(file, path)
            yield
        finally:  # before it is unlocked: later it may be another's
            file.truncate(0)
            with contextlib.suppress(OSError):  # Windows removes no file that is open
                path.unlink()


def _sign(file: FileIO, path: Path) -> None:
    """Write who this is."""
    try:
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> WriteError:
    return WriteError(
        f"{path} cannot be written ({error.strerror}); make room, choose another folder or change its permissions"
    )


def _opened(path: Path, place: Path) -> FileIO:
    """Return the lock file, locked and empty."""
    while True:
        try:
            file = FileIO(path, "a+", opener=_no_link)
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            _take(file, path, place)
            if _is_same(file, path):
                file.truncate(0)
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # who had it before has removed it meanwhile


def _no_link(path: str, flags: int) -> int:
    """Open a file that is no link: what a link leads to would be emptied."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _take(file: FileIO, path: Path, place: Path) -> None:
    """Lock the file, or raise."""
    try:
        sure = _lock(file)
    except BlockingIOError as error:
        raise WriteError(_refusal(path, place, _holder(file))) from error
    holder = _holder(file)
    if holder is None:
        return
    if holder.host != socket.gethostname() or not (sure or _is_gone(holder.pid)):
        raise WriteError(_refusal(path, place, holder))


def _refusal(path: Path, place: Path, holder: Holder | None) -> str:
    who = "another process" if holder is None else f"process {holder.pid} on {holder.host}"
    return (
        f"{place} is being written by {who}: one run at a time can write there; wait for it or stop it, "
        f"or give another name. If it no longer runs, delete {path}"
    )


def _holder(file: FileIO) -> Holder | None:
    """Return who is named in the file; None where it is empty, or cut short."""
    file.seek(0)
    try:
        said = json.loads(file.read())
        return Holder(int(said["pid"]), str(said["host"]))
    except (ValueError, KeyError, TypeError):
        return None


def _lock(file: FileIO) -> bool:
    """Have the operating system lock a file for this process; False where the file system cannot.

    Raises
    ------
    BlockingIOError
        Where another has it.
    """
    if sys.platform == "win32":
        import msvcrt

        file.seek(1 << 20)  # a byte beyond the text, which others read
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(*error.args) from error
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _WITHOUT_LOCKS:
            return False
        raise
    return True


def _is_gone(pid: int) -> bool:
    """Tell whether no process of this computer has this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's
        return False
    return False


def _is_same(file: FileIO, path: Path) -> bool:
    """Tell whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
