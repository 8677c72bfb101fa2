"""Coregistration: methods that find how a moving DEM has to be moved, or corrected, to lie on a reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trueground.coreg.aligned import AlignedDem
from trueground.coreg.base import Alignment, Method
from trueground.coreg.bias.corrected import Corrected
from trueground.coreg.bias.correction import Correction
from trueground.coreg.bias.deramp import Deramp
from trueground.coreg.bias.directional_bias import DirectionalBias
from trueground.coreg.bias.terrain_bias import TerrainBias
from trueground.coreg.blocks.blockwise import Blockwise
from trueground.coreg.blocks.result import BlockwiseAlignment
from trueground.coreg.chain import Chain, Result, read_result
from trueground.coreg.named import method_named
from trueground.coreg.pipeline import Pipeline
from trueground.coreg.rigid.cpd import Cpd
from trueground.coreg.rigid.dh_minimize import DhMinimize
from trueground.coreg.rigid.icp import Icp
from trueground.coreg.rigid.lzd import Lzd
from trueground.coreg.rigid.nuth_kaab import NuthKaab
from trueground.coreg.rigid.vertical_shift import VerticalShift

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
