"""Why trueground is not ahead: said by people who looked, each as far as it reaches, chosen by the figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

UNKNOWN = "not looked into yet."
TIME = ("wall", "cpu")
PEAK = ("peak",)
LIMITS = "6"
"""The table whose ratios are trueground's to a limit's."""


@dataclass(frozen=True)
class Reason:
    """A reason, and the figures beyond which it is not taken for one."""

    table: str
    measures: tuple[str, ...]
    words: str
    """Of the row's name."""
    reach: float | Mapping[str, float]
    """The least ratio to a peer, the greatest to a limit, the greatest error by unit that this explains."""
    text: str

    def explains(self, table: str, measure: str, called: str, amount: float, unit: str) -> bool:
        """Tell whether this is why a row is not ahead; what is not a number is not explained."""
        if table != self.table or measure not in self.measures or self.words not in called:
            return False
        if isinstance(self.reach, Mapping):
            return unit in self.reach and amount <= self.reach[unit]
        return amount <= self.reach if table == LIMITS else amount >= self.reach


# The first that fits is taken.
REASONS = (
    Reason("1", PEAK, "", 0.25,
           "Python, numpy, numba and loaded kernels are there before the first point; a C library has none of them."),
    Reason("2", PEAK, "", 0.25,
           "blocks of 2048 px in two threads, the image's window of each, what waits to be written, and Python with "
           "numba; gdalwarp holds what -wm and its cache allow."),
    Reason("2", TIME, "-et 0.125", 0.5,
           "it interpolates positions between few points, and the start of Python is a part of trueground's time."),
    Reason("2", TIME, "", 0.5,
           "the start of Python is a part of trueground's time, which counts where there are few pixels."),
    Reason("3", PEAK, "", 0.5,
           "Python, numba and loaded kernels are a part of trueground's, and the result is held in memory as xDEM's "
           "is."),
    Reason("3", TIME, "directional-bias", 0.3,
           "trueground fits a spline whose smoothness is cross-validated, and estimates its errors; xDEM takes medians "
           "of bins and straight lines between them."),
    Reason("3", TIME, "terrain-bias", 0.3,
           "trueground interpolates the slope at each sample, regresses bias and shift together and estimates errors; "
           "xDEM works the slope out once on whole arrays."),
    Reason("3", TIME, "vertical-shift", 0.2,
           "trueground reads block by block and works out the spatial correlation of the residuals for the standard "
           "error; xDEM takes one median of an array that it holds."),
    Reason("3", ("error",), "", {"px": 0.005},
           "both are within what 1 m of noise leaves of samples that are not the same cells."),
    Reason("4", PEAK, "", 0.3, "one process of trueground against the larger of xDEM's two."),
    Reason("4", ("error",), "1500", {"m": 2.5},
           "nine blocks are too few for cross-validation to choose more than a constant shift."),
    Reason("6", TIME, "--blocks", 4.0,
           "the fits take as much processor time as the reading, and more where a field of shifts is squeezed into "
           "few blocks, as in smaller pairs."),
    Reason("6", TIME, "align, Nuth", 8.0, "the start, samples from tiles all over both DEMs, the warp."),
    Reason("6", TIME, "ortho", 8.0, "the start; geometry and resampling are the rest."),
    Reason("6", TIME, "first cache", 4.0, "what a million points read and write does not stay in the caches."),
    Reason("6", TIME, "BLAS", 8.0,
           "besides, divisions, and terms that wait for others: not each cycle has two multiplications to begin."),
    Reason("7", TIME, "gdalwarp", 0.05,
           "a C program starts without an interpreter; trueground loads numpy, pyproj, rasterio, numba's runtime and "
           "kernels."),
    Reason("7", (*TIME, *PEAK), "Python alone", 0.2,
           "it is what every program in Python pays before its first line."),
    Reason("7", TIME, "--help", 0.2,
           "commands with their types and documentation are imported before help is written."),
    Reason("7", TIME, "import", 0.2, "`import trueground` loads a table of lazy names and the version."),
    Reason("7", PEAK, "", 0.1,
           "an interpreter with numpy, numba and kernels against a program or a module that has less to load."),
)  # fmt: skip


def reason(table: str, measure: str, called: str, amount: float, unit: str = "") -> str:
    """Return why a row of a table is not ahead, as far as it is known."""
    for one in REASONS:
        if one.explains(table, measure, called, amount, unit):
            return one.text
    return UNKNOWN
