"""What results share, whatever was fitted: figures on the cells used, JSON, and when two are the same."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Self

from pyproj import CRS
from pyproj.exceptions import CRSError

from trueground.coreg.plain import figures_from, number_or_nan, same
from trueground.errors import InputError
from trueground.shown import Shown

_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True, kw_only=True, eq=False)
class JsonResult(ABC, Shown):
    """A value that can be written as JSON and read again."""

    kind_of_result: ClassVar[str]
    """What messages call it, with its article."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, text, lists and dictionaries; None is NaN."""

    @classmethod
    @abstractmethod
    def _from_items(cls, items: Mapping[str, Any]) -> Self:
        """Read what `to_dict` made; any error that malformed items lead to may be raised."""

    def to_json(self) -> str:
        """Return JSON text, to the last digit."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises
        ------
        InputError
            Where the text is not such JSON, or contradicts itself.
        """
        try:
            items = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise cls._not_one(error) from error
        return cls.from_dict(items)

    @classmethod
    def from_dict(cls, items: Mapping[str, Any]) -> Self:
        """Read what `to_dict` made.

        Raises
        ------
        InputError
            Where the items are none, or contradict each other.
        """
        try:
            return cls._from_items(items)
        except (*_MALFORMED, CRSError) as error:
            raise cls._not_one(error) from error

    @classmethod
    def _not_one(cls, error: Exception) -> InputError:
        return InputError(
            f"not {cls.kind_of_result} ({type(error).__name__}: {error}): "
            "give JSON that 'trueground align --transform' wrote"
        )

    def __eq__(self, other: object) -> bool:
        """Compare values, as JSON has them: NaN is what is not known, and equals itself."""
        if type(other) is not type(self):
            return NotImplemented
        return all(
            same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self) if f.compare
        )

    __hash__ = None  # type: ignore[assignment]  # it holds dictionaries


@dataclass(frozen=True, kw_only=True, eq=False)
class FitResult(JsonResult):
    """What one fit tells of itself."""

    method: str
    nmad_before: float
    """NMAD [m] of reference - moving on the cells used, before."""
    nmad_after: float
    """The same after."""
    samples: int
    """Number of cells used."""
    converged: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)
    on_samples: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Median, NMAD and RMSE [m] of reference - moving on the cells used, `before` and `after`; of a correction also
    quantiles of what is added there, `added`."""
    warnings: tuple[str, ...] = ()
    """What is weakly fixed, or may be something else."""

    @staticmethod
    def _figures_of(items: Mapping[str, Any]) -> dict[str, Any]:
        """Read the fields above."""
        return {
            "method": str(items.get("method", "unknown")),
            "nmad_before": number_or_nan(items.get("nmad_before")),
            "nmad_after": number_or_nan(items.get("nmad_after")),
            "samples": int(items.get("samples", 0)),
            "converged": bool(items.get("converged", True)),
            "parameters": dict(items.get("parameters", {})),
            "on_samples": figures_from(items.get("on_samples", {})),
            "warnings": tuple(str(w) for w in items.get("warnings", ())),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class WithStatistics:
    """A result that may hold figures of all cells, beside those that the fit used."""

    statistics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Figures of reference - moving on all usable cells, `before` and `after`, where asked for."""

    @staticmethod
    def _statistics_of(items: Mapping[str, Any]) -> dict[str, Any]:
        """Read the field above."""
        return {"statistics": figures_from(items.get("statistics", {}))}

    def with_statistics(self, **statistics: Mapping[str, float]) -> Self:
        """Return the same result with figures of the differences."""
        return replace(self, statistics={**self.statistics, **statistics})


def wkt_of(items: Mapping[str, Any]) -> str | None:
    """Return the WKT of the reference system that a result's items name; None where they name none."""
    crs = items.get("crs")
    return None if crs is None else CRS.from_user_input(crs).to_wkt()
