"""Ground control without a hand: a reference orthoimage says where an image, or another orthoimage, lies."""

from __future__ import annotations

from trueground.control.automatic import Matching, automatic_control
from trueground.control.result import AutomaticControl, Patches
from trueground.control.texture import texture_of
from trueground.control.vectors import ResidualVectors, residual_vectors

__all__ = [
    "AutomaticControl",
    "Matching",
    "Patches",
    "ResidualVectors",
    "automatic_control",
    "residual_vectors",
    "texture_of",
]
