"""Two classic ways from image to ground on a DEM, kept for comparison and for people who migrate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

from numpy.typing import ArrayLike

from trueground.rpc.located import Located

if TYPE_CHECKING:
    from typing import Unpack

    from trueground.dem import Dem
    from trueground.rpc.model import Rpc
    from trueground.rpc.patch import OnNodata

Solver = Literal["certified", "gdal", "height-substitution"]


class Settings(TypedDict, total=False):
    """Of the classic solvers."""

    tolerance: float
    max_iterations: int
    start_height: float
    damping: float


def solve(  # noqa: PLR0917
    rpc: Rpc,
    dem: Dem,
    row: ArrayLike,
    col: ArrayLike,
    *,
    solver: Solver,
    on_nodata: OnNodata,
    **settings: Unpack[Settings],
) -> Located:
    """Locate image positions on a DEM by iteration."""
    raise NotImplementedError
