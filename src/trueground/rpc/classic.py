"""Two classic ways from image to ground on a DEM, kept for comparison and for people who migrate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from numpy.typing import ArrayLike

from trueground.errors import InputError

if TYPE_CHECKING:
    from trueground.dem import Dem
    from trueground.rpc.located import Located
    from trueground.rpc.model import Rpc


class Classic(Protocol):
    """A solver that iterates; its settings are its fields."""

    def locate(  # noqa: PLR0917
        self, rpc: Rpc, dem: Dem, row: ArrayLike, col: ArrayLike
    ) -> Located:
        """Locate image positions on a DEM."""
        ...


Solver = Literal["certified", "gdal", "height-substitution"] | Classic


def named(name: str) -> Classic:
    """Return a solver with its usual settings."""
    msg = f"solver {name!r}: must be 'certified', 'gdal' or 'height-substitution'"
    raise InputError(msg)
