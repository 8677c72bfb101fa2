"""Locks of folders: one process at a time, and none for good."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import pytest

from trueground.errors import WriteError
from trueground.lock import LOCK, locked

HOLD = """
import sys, time
from pathlib import Path
from trueground.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(100)
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has the folder."""
    words = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def held(folder: Path) -> bool:
    """Tell whether the folder can be had; nothing is left in it then."""
    with locked(folder):
        assert json.loads((folder / LOCK).read_text())["pid"] == os.getpid()
    assert not (folder / LOCK).exists()
    return True


def test_the_process_that_has_it_is_named_and_its_death_frees_it(tmp_path, other):
    with pytest.raises(WriteError) as caught:
        held(tmp_path)
    said = str(caught.value)
    for words in (f"process {other.pid} on {socket.gethostname()}", str(tmp_path), "stop it"):
        assert words in said
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert (tmp_path / LOCK).exists()  # it had no chance to tidy up
    assert held(tmp_path)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_goes_wrong_frees_it(tmp_path, error):
    with pytest.raises(error), locked(tmp_path):
        raise error
    assert held(tmp_path)


def test_once_in_a_process_too(tmp_path):
    with locked(tmp_path), pytest.raises(WriteError, match=f"process {os.getpid()}"):
        held(tmp_path)
    assert held(tmp_path)


def left(folder: Path, pid: int, host: str) -> None:
    (folder / LOCK).write_text(json.dumps({"pid": pid, "host": host}))


def test_of_another_computer_only_a_person_knows(tmp_path):
    left(tmp_path, 1, "elsewhere")
    with pytest.raises(
        WriteError, match=r"process 1 on elsewhere.*If it no longer runs, delete .*\.lock"
    ):
        held(tmp_path)
    (tmp_path / LOCK).unlink()
    assert held(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x", "host": 1}'])
def test_a_file_that_was_cut_short_locks_nobody_out(tmp_path, text):
    (tmp_path / LOCK).write_text(text)
    assert held(tmp_path)


def test_file_systems_without_locks(tmp_path, monkeypatch, other):
    """The name of the process alone counts."""
    import fcntl

    def missing(*_: object) -> None:
        raise OSError(errno.ENOSYS, "not here")

    monkeypatch.setattr(fcntl, "flock", missing)
    with pytest.raises(WriteError, match=f"process {other.pid} on"):
        held(tmp_path)
    other.kill()
    other.wait()
    assert held(tmp_path)


def test_a_file_that_is_removed_meanwhile_is_no_lock(tmp_path, monkeypatch):
    """Between opening and locking, who had it before may have removed it: its name may be another's by then."""
    import fcntl

    lock, calls = fcntl.flock, []

    def removed(file: object, how: int) -> None:
        if not calls:
            (tmp_path / LOCK).unlink()
        calls.append(how)
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", removed)
    assert held(tmp_path)
    assert len(calls) == 2


def test_a_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(WriteError, match="permissions"):
        held(tmp_path / "none" / "deeper")


def test_a_full_disk_leaves_no_lock(tmp_path, monkeypatch):
    class Full(FileIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("trueground.lock.FileIO", Full)
    with pytest.raises(WriteError, match=r"No space left on device.*make room"):
        held(tmp_path)
    assert not (tmp_path / LOCK).exists()
    monkeypatch.undo()
    assert held(tmp_path)
