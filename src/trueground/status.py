"""Why a point has no position: the statuses of `localize` and `project`."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """What became of a point. A point that is not `OK` is NaN.

    Examples
    --------
    >>> from trueground import Status
    >>> Status(2).label
    'outside dem'
    """

    OK = 0
    OUTSIDE_IMAGE = 1
    """The point lies far outside of what the RPC was made for."""
    OUTSIDE_DEM = 2
    """The line of sight passes beside the DEM, or enters it below the surface."""
    NO_DATA = 3
    """The line of sight crosses a hole of the DEM before any surface."""
    NO_INTERSECTION = 4
    """The line of sight stays above the surface over the whole DEM."""
    DIVERGED = 5
    """The RPC cannot be inverted or evaluated there, or the iteration of a classic solver did not settle."""
    BAD_INPUT = 6
    """A coordinate is missing or not a number."""

    @property
    def label(self) -> str:
        """The word used in tables: `ok`, `outside dem`, ..."""
        return self.name.lower().replace("_", " ")
