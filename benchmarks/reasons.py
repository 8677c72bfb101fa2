"""Why trueground is not ahead: said by people who looked, chosen by the figures."""

from __future__ import annotations

UNKNOWN = "not looked into yet."
TIMES = ("wall", "cpu")
# Table, measure, words of the row's name: the first that fits is taken.
REASONS = (
    ("1", "peak", "",
     "Python, numpy, numba and loaded kernels are 180 MB before the first point; a C library has none of "
     "them."),
    ("1", "wall", "shareloc",
     "not expected: its C++ takes one point at a time."),
    ("2", "peak", "",
     "blocks of 2048 px in two threads, the image's window of each, what waits to be written, and Python "
     "with numba (190 MB); gdalwarp holds what -wm and its cache allow."),
    ("2", "error", "",
     "a coordinate within 1e-6 px of a DEM's node is taken for the node."),
    ("2", "time", "-et 0.125",
     "it interpolates positions between few points, and is pixels off for that; the start is 0.8 s of "
     "trueground's time."),
    ("2", "time", "",
     "the start is 0.8 s of trueground's time, which counts where there are few pixels."),
    ("3", "peak", "",
     "Python, numba and loaded kernels are 211 MB of trueground's, and the result is held in memory as "
     "xDEM's is."),
    ("3", "time", "directional-bias",
     "trueground fits a spline whose smoothness is cross-validated, and estimates its errors; xDEM takes "
     "medians of bins and straight lines between them."),
    ("3", "time", "terrain-bias",
     "trueground interpolates the slope at each sample, regresses bias and shift together and estimates "
     "errors; xDEM works the slope out once on whole arrays."),
    ("3", "time", "vertical-shift",
     "trueground reads block by block and works out the spatial correlation of the residuals for the "
     "standard error; xDEM takes one median of an array that it holds."),
    ("3", "error", "",
     "both are within what 1 m of noise leaves of samples that are not the same cells."),
    ("4", "peak", "",
     "one process of trueground against the larger of xDEM's two."),
    ("4", "error", "1500",
     "nine blocks are too few for cross-validation to choose more than a constant shift."),
    ("6", "time", "--blocks",
     "the fits take as much processor time as the reading, and more where a field of shifts is squeezed "
     "into few blocks, as in smaller pairs."),
    ("6", "time", "align, Nuth",
     "the start, samples from tiles all over both DEMs, the warp."),
    ("6", "time", "ortho",
     "the start is 0.8 s; geometry and resampling are the rest."),
    ("6", "time", "first cache",
     "what a million points read and write does not stay in the caches."),
    ("6", "time", "BLAS",
     "besides, divisions, and terms that wait for others: not each cycle has two multiplications to begin."),
    ("7", "time", "gdalwarp",
     "a C program starts without an interpreter; trueground loads numpy, pyproj, rasterio, numba's runtime "
     "and kernels."),
    ("7", "time", "Python alone",
     "it is what every program in Python pays before its first line."),
    ("7", "peak", "Python alone",
     "it is what every program in Python pays before its first line."),
    ("7", "time", "--help",
     "commands with their types and documentation are imported before help is written."),
    ("7", "time", "import",
     "`import trueground` loads a table of lazy names and the version."),
    ("7", "peak", "",
     "an interpreter with numpy, numba and kernels against a program or a module that has less to load."),
)  # fmt: skip


def reason(table: str, measure: str, called: str) -> str:
    """Return why a row of a table is not ahead; a reason of `time` is one of wall and of processor time."""
    for number, of, words, text in REASONS:
        if number == table and words in called and measure in ((of,) if of != "time" else TIMES):
            return text
    return UNKNOWN
