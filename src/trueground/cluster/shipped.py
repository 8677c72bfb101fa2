"""A function on its way to workers: packed once, unpacked once in each."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueground.grid import Window

Bytes = NDArray[np.uint8]
_LARGE = 1 << 16  # bytes of an array from which on it travels beside the rest
_unpacking = threading.Lock()


@dataclass(frozen=True, slots=True)
class Packed:
    """A function of windows as bytes."""

    text: bytes
    """What it is made of, as cloudpickle has it."""
    arrays: tuple[Bytes, ...]
    """Bytes of the large arrays in it."""

    @property
    def nbytes(self) -> int:
        """Bytes in all."""
        return len(self.text) + sum(a.nbytes for a in self.arrays)


def packed(function: Callable[[Window], Any]) -> Packed:
    """Pack a function; large arrays are not copied."""
    import cloudpickle

    arrays: list[Bytes] = []

    def apart(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < _LARGE:
            return True  # stays in the text
        arrays.append(np.frombuffer(raw, dtype=np.uint8))
        return False

    text = cloudpickle.dumps(function, protocol=5, buffer_callback=apart)
    return Packed(text, tuple(arrays))


class Shipped:
    """A packed function where it has arrived."""

    def __init__(self, text: bytes | Bytes, *arrays: Bytes) -> None:
        self._text, self._arrays = text, arrays
        self._function: Callable[[Window], Any] | None = None

    def __call__(self, window: Window) -> Any:
        """Compute a block, by the function that is unpacked for the first one."""
        with _unpacking:
            if self._function is None:
                # Kernels are compiled once more for arrays that cannot be written.
                own = [a if a.flags.writeable else a.copy() for a in self._arrays]
                self._function = pickle.loads(self._text, buffers=own)  # type: ignore[arg-type]
            function = self._function
        return function(window)

    def __reduce__(self) -> tuple[Any, ...]:
        return Shipped, (self._text, *self._arrays)

    def __sizeof__(self) -> int:
        return len(self._text) + sum(a.nbytes for a in self._arrays)
