"""What all methods share that compare two DEMs at a sample of cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueground.coreg.combine import Combined
from trueground.errors import InputError
from trueground.kernels import medians
from trueground.sampling import Resampling, check_resampling
from trueground.stats import NMAD_FACTOR

Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Sampled(Combined):
    """Which cells are looked at, which of them count, and how the moving DEM is read between its nodes."""

    samples: int = 1_000_000
    """Cells of the reference to look at, at most."""
    seed: int = 0
    """Chooses the cells, where there are more."""
    slope_range: tuple[float, float] | None = None
    """Least and greatest slope [degrees] of cells that count; None: all."""
    trim: float | None = None
    """NMADs from the median beyond which a difference does not count; None: all count."""
    resampling: Resampling = "cubic"
    """How heights of the moving DEM are made between its nodes during the fit."""

    def __post_init__(self) -> None:
        check_resampling(self.resampling)
        if self.trim is not None and not self.trim > 0.0:
            msg = f"trim {self.trim}: must be a number of NMADs above 0"
            raise InputError(msg)
        if self.slope_range is not None and not 0.0 <= self.slope_range[0] < self.slope_range[1]:
            msg = f"slope range {self.slope_range}: must be two rising numbers of degrees from 0"
            raise InputError(msg)

    def within_trim(self, dh: Float) -> NDArray[np.bool_]:
        """Tell which differences (n,) are known, and near enough to their median to count."""
        use = np.isfinite(dh)
        if self.trim is not None and use.any():
            _, median, spread = medians.spread(dh)
            with np.errstate(invalid="ignore"):
                use &= np.abs(dh - median) <= self.trim * NMAD_FACTOR * spread
        return use


def require_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise where a setting is none of those that there are.

    Raises
    ------
    InputError
        With the name of the setting, its value and the choices.
    """
    if value not in choices:
        msg = f"{name} {value!r}: must be one of {', '.join(choices)}"
        raise InputError(msg)


def figures(dh: Float) -> dict[str, float]:
    """Return median, NMAD and RMSE [m] of differences that are all known."""
    if dh.size == 0:
        return dict.fromkeys(("median", "nmad", "rmse"), float("nan"))
    _, median, spread = medians.spread(dh)
    return {
        "median": median,
        "nmad": NMAD_FACTOR * spread,
        "rmse": float(np.sqrt(dh @ dh / dh.size)),
    }
