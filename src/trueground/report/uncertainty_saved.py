"""Mean changes and the models of their errors, as `trueground uncertainty -o R.json` kept them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trueground.error_model import ErrorModel
from trueground.errors import InputError
from trueground.stats import Statistics
from trueground.uncertainty import MeanChange
from trueground.variogram import Variogram
from trueground.variogram_model import VariogramModel


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedChanges:
    """What `write_uncertainty_report` is made of, but for the rasters."""

    changes: tuple[MeanChange, ...]
    stable: Statistics
    variogram: Variogram
    model: VariogramModel
    error_model: ErrorModel | None

    @classmethod
    def of(cls, items: Mapping[str, Any]) -> SavedChanges:
        """Read what the command wrote.

        Raises
        ------
        InputError
            Where something is missing or is not what it should be.
        """
        try:
            errors = items["error_model"]
            return cls(
                changes=tuple(MeanChange(**_known(a)) for a in items["areas"]),
                stable=Statistics(**items["stable_terrain"]),
                variogram=Variogram.from_dict(items["variogram"]),
                model=VariogramModel.from_dict(items["model"]),
                error_model=None if errors is None else ErrorModel.from_dict(errors),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            msg = f"the mean changes are not whole ({error!r}): give what 'trueground uncertainty -o R.json' wrote"
            raise InputError(msg) from error


def _known(area: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of an area; what JSON has no number for is NaN."""
    return {k: math.nan if v is None else v for k, v in area.items()}
