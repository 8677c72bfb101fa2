"""Figures of rasters with matplotlib: each function draws into `ax`, or into new axes, and returns it.

Rasters of any size are read block by block and averaged down, never whole. North is up.
"""

from __future__ import annotations

from trueground.plot.blocks import plot_all_tiles, plot_shift_field, plot_tiles
from trueground.plot.colours import colour_scale, colours_of_dh, shared_limit, stretch
from trueground.plot.convergence import plot_convergence
from trueground.plot.histogram import Histogram, histogram_of, plot_histogram
from trueground.plot.maps import ScaleBar, plot_dh, plot_image, scale_bar, shade_on
from trueground.plot.overview import MAX_PIXELS, north_up, overview
from trueground.plot.residuals import plot_residuals
from trueground.plot.style import Theme, figure, figure_png, theme

__all__ = [
    "MAX_PIXELS",
    "Histogram",
    "ScaleBar",
    "Theme",
    "colour_scale",
    "colours_of_dh",
    "figure",
    "figure_png",
    "histogram_of",
    "north_up",
    "overview",
    "plot_all_tiles",
    "plot_convergence",
    "plot_dh",
    "plot_histogram",
    "plot_image",
    "plot_residuals",
    "plot_shift_field",
    "plot_tiles",
    "scale_bar",
    "shade_on",
    "shared_limit",
    "stretch",
    "theme",
]
