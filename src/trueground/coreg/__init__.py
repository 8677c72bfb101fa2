"""Coregistration: methods that find how a moving DEM has to be moved, or corrected, to lie on a reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trueground.coreg.aligned import AlignedDem
from trueground.coreg.base import Alignment, Method
from trueground.coreg.blocks.blockwise import Blockwise
from trueground.coreg.blocks.result import BlockwiseAlignment
from trueground.coreg.chain import Chain, Result, read_result
from trueground.coreg.corrected import Corrected
from trueground.coreg.correction import Correction
from trueground.coreg.cpd import Cpd
from trueground.coreg.deramp import Deramp
from trueground.coreg.dh_minimize import DhMinimize
from trueground.coreg.directional_bias import DirectionalBias
from trueground.coreg.icp import Icp
from trueground.coreg.lzd import Lzd
from trueground.coreg.named import method_named
from trueground.coreg.nuth_kaab import NuthKaab
from trueground.coreg.pipeline import Pipeline
from trueground.coreg.terrain_bias import TerrainBias
from trueground.coreg.vertical_shift import VerticalShift

METHODS: dict[str, Callable[..., Any]] = {
    "cpd": Cpd,
    "deramp": Deramp,
    "dh-minimize": DhMinimize,
    "directional-bias": DirectionalBias,
    "icp": Icp,
    "lzd": Lzd,
    "nuth-kaab": NuthKaab,
    "terrain-bias": TerrainBias,
    "vertical-shift": VerticalShift,
}
"""Methods by the names that the command line uses."""

__all__ = [
    "METHODS",
    "AlignedDem",
    "Alignment",
    "Blockwise",
    "BlockwiseAlignment",
    "Chain",
    "Corrected",
    "Correction",
    "Cpd",
    "Deramp",
    "DhMinimize",
    "DirectionalBias",
    "Icp",
    "Lzd",
    "Method",
    "NuthKaab",
    "Pipeline",
    "Result",
    "TerrainBias",
    "VerticalShift",
    "method_named",
    "read_result",
]
