"""The errors that trueground raises: each message holds the value, the rule and the remedy."""

from __future__ import annotations


class TruegroundError(Exception):
    """Base of all errors that a user can mend."""


class InputError(TruegroundError):
    """A file, table or argument that cannot be used."""


class DatumError(TruegroundError):
    """Heights whose vertical datum is unknown, or a geoid grid that cannot be found."""


class ProjectionError(TruegroundError):
    """Coordinates that cannot be brought from one reference system to another."""


class RpcError(TruegroundError):
    """Rational polynomial coefficients that are missing or malformed."""


class OverlapError(TruegroundError):
    """Rasters that share no ground."""


class FitError(TruegroundError):
    """An alignment that cannot be estimated from the data."""


class WriteError(TruegroundError):
    """An output that could not be written; nothing is left under its name."""


class BlockError(TruegroundError):
    """A block that failed while a raster was computed."""
