"""Serial numba kernels, and the one decorator that compiles them.

Parallelism is over blocks and belongs to the engines: every kernel here is serial and releases the
GIL.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

_BLAS = ("scipy.linalg", "scipy.linalg.cython_blas")
COMMAND = "TRUEGROUND_COMMAND"  # set in the environment of a process that is a command of ours


def _load_numba() -> None:
    """Load numba without letting it look for BLAS, which costs a command 0.15 s and no kernel needs.

    Not in a process of somebody else, whose own kernels may.
    """
    if COMMAND not in os.environ or "numba" in sys.modules or _BLAS[0] in sys.modules:
        return
    held: dict[str, Any] = dict.fromkeys(_BLAS)
    sys.modules.update(held)
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        for name in _BLAS:
            del sys.modules[name]


_load_numba()
import numba  # noqa: E402 (after it was loaded in our way)
from numba import njit  # noqa: E402


def _cache_folder() -> Path:
    """Return a writable folder named after the content of all kernels.

    numba notices an edit in the file of a cached function but not in a kernel that it calls, so the
    key covers them all.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    name = f"kernels-{digest.hexdigest()[:16]}"
    home = os.environ.get("XDG_CACHE_HOME")
    base = Path(home) if home else Path("~/.cache").expanduser()
    user = os.getuid() if hasattr(os, "getuid") else "user"
    for folder in (
        base / "trueground" / name,
        Path(tempfile.gettempdir()) / f"trueground-{user}" / name,
    ):
        try:
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


CACHE_FOLDER = _cache_folder()
if (
    COMMAND in os.environ
    and sys.stderr.isatty()
    and next(CACHE_FOLDER.rglob("*.nbi"), None) is None
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
        return njit(
            nogil=True, cache=True, error_model="numpy", fastmath=fastmath, forceinline=inline
        )(function)
    finally:
        settings.CACHE_DIR = before
