"""Serial numba kernels, and the one decorator that compiles them.

Parallelism is over blocks and belongs to the engines: every kernel here is serial and releases the
GIL.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba import njit
from numba.core import externals
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys

from trueground.kernels._code_files import ENDING, CodeFiles

_UNUSED = 90 * 86_400.0  # s
COMMAND = "TRUEGROUND_COMMAND"  # set in the environment of a process that is a command of ours


class _Cache(FunctionCache):
    """Compiled kernels on disk, loaded without numba's compiler.

    numba brings in all that it can compile, and looks for BLAS, before it loads anything: 0.3 s. Machine code asks for
    names of its run time and of the C library only. What is not found is compiled, and all is brought in by then.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        self._cache_file = CodeFiles(self._cache_path, self._impl.filename_base, _DIGEST)  # type: ignore[no-untyped-call]

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Load the machine code for a signature; None where there is none."""
        rtsys.initialize(target_context)
        externals.c_math_functions.install(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)  # type: ignore[no-untyped-call]


def _digest() -> str:
    """Return what all kernels depend on: numba notices no edit in a kernel that another calls."""
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


_DIGEST = _digest()


def _cache_folder() -> Path:
    """Return a writable folder named after the content of all kernels."""
    name = f"kernels-{_DIGEST}"
    home = os.environ.get("XDG_CACHE_HOME")
    base = Path(home) if home else Path("~/.cache").expanduser()
    user = os.getuid() if hasattr(os, "getuid") else "user"
    for folder in (
        base / "trueground" / name,
        Path(tempfile.gettempdir()) / f"trueground-{user}" / name,
    ):
        try:
            if not folder.exists():
                _forget_unused(folder.parent)
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError:
            continue
        # numba unpickles what it finds: a folder that someone else made is not to be trusted.
        if not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid():
            return folder
    return Path(tempfile.mkdtemp(prefix="trueground-kernels-"))


def _forget_unused(home: Path) -> None:
    """Remove kernels of versions that no process has asked for in a long time: asking marks their folder."""
    for folder in home.glob("kernels-*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _UNUSED:
                shutil.rmtree(folder)


CACHE_FOLDER = _cache_folder()
if (
    COMMAND in os.environ
    and sys.stderr.isatty()
    and next(CACHE_FOLDER.rglob(f"*{ENDING}"), None) is None
):
    print("compiling kernels, once for each version: some 20 s in all", file=sys.stderr)


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel lazily, without the GIL, kept on disk between runs."""
    return _compiled(function, fastmath=False)


def fused(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel whose multiplications and additions may be fused into one instruction.

    It rounds once less and is safe for NaN. Vector and scalar code fuse alike, so a value does not
    depend on its place in an array (a test holds it).
    """
    return _compiled(function, fastmath={"contract"})


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a small fused kernel that is always put in where it is called.

    A loop that calls anything is not vectorised, and LLVM leaves what it finds large as a call.
    """
    return _compiled(function, fastmath={"contract"}, inline=True)


def _compiled(
    function: Callable[..., Any], *, fastmath: bool | set[str], inline: bool = False
) -> Callable[..., Any]:
    settings: Any = numba.config
    before = settings.CACHE_DIR
    if "NUMBA_CACHE_DIR" not in os.environ:
        settings.CACHE_DIR = str(CACHE_FOLDER)
    try:
        made: Any = njit(nogil=True, error_model="numpy", fastmath=fastmath, forceinline=inline)(
            function
        )
        made._cache = _Cache(function)
        return made  # type: ignore[no-any-return]
    finally:
        settings.CACHE_DIR = before
