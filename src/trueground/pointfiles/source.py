"""What every kind of file of points can do: give them chunk by chunk, and be written anew with some moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from trueground.pointcloud import Transform, transformed

Float = NDArray[np.float64]

CHUNK = 1 << 18
"""Points that are read at a time."""


class Chunk(NamedTuple):
    """Points that follow each other in a file."""

    x: Float
    y: Float
    z: Float
    sigma: Float | None


class PointSource(Protocol):
    """A file of points."""

    @property
    def crs(self) -> CRS | None:
        """Reference system that the file declares."""
        ...

    @property
    def count(self) -> int | None:
        """Number of points; None where only reading tells."""
        ...

    def chunks(self) -> Iterator[Chunk]:
        """Read the points, in their order."""
        ...

    def rewrite(self, target: Path, mover: Mover) -> None:
        """Write the file under another name, with points moved and all else as it is."""
        ...


@dataclass(slots=True)
class Mover:
    """Move points and count them; one that cannot be moved stays as it is."""

    transform: Transform
    count: int = field(default=0, init=False)
    """Points seen so far."""
    moved: int = field(default=0, init=False)
    """Points moved so far."""

    def __call__(
        self, x: Float, y: Float, z: Float
    ) -> tuple[Float, Float, Float, NDArray[np.bool_]]:
        """Return x, y, z (n,), and where they are those of a moved point."""
        new = transformed(self.transform, x, y, z)
        done = np.isfinite(new[0])
        self.count += x.size
        self.moved += int(np.count_nonzero(done))
        return *(np.where(done, a, b) for a, b in zip(new, (x, y, z), strict=True)), done  # type: ignore[return-value]
