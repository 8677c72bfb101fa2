"""Compiled kernels on disk: a file for each signature, which any number of processes may write and read at once.

numba keeps an index of numbered files for each function. Two processes that write it at once would give one number to
two signatures, and a third would run the code of the one with the arguments of the other.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any

from numba.core.caching import IndexDataCacheFile

ENDING = ".nbc"


class CodeFiles(IndexDataCacheFile):
    """What is compiled of one function, by numba's key for a signature; numba packs and unpacks it."""

    def load(self, key: Any) -> Any:
        """Return the code of a signature; None where there is none that can be read."""
        try:
            kept, code = self._load_data(self._name_of(key))  # type: ignore[no-untyped-call]
        except Exception:  # not there, or cut short: it is compiled anew
            return None
        return code if kept == (self._source_stamp, key) else None

    def save(self, key: Any, code: Any) -> None:
        """Keep the code of a signature; where there is no room for it, it is compiled again another time."""
        with contextlib.suppress(OSError):
            self._save_data(self._name_of(key), ((self._source_stamp, key), code))  # type: ignore[no-untyped-call]

    def flush(self) -> None:
        """Forget everything."""
        for place in Path(self._cache_path).glob(
            f"{self._data_name_pattern.split('{')[0]}*{ENDING}"
        ):
            place.unlink(missing_ok=True)

    def _name_of(self, key: Any) -> str:
        digest = hashlib.sha256(repr((self._source_stamp, key)).encode()).hexdigest()
        return self._data_name_pattern.format(number=int(digest[:16], 16))
