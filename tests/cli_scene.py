"""The terrain, shift and RPC of the small scene on which the command line is tested."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import numpy as np

from trueground.rpc.model import Rpc

Run = Callable[..., subprocess.CompletedProcess[str]]
SHIFT = (7.3, -4.1, 2.2)  # m to add to the moving DEM


def hills(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Analytic terrain [m], steep enough to align."""
    return (
        900.0
        + 60.0 * np.sin(x / 170.0) * np.cos(y / 210.0)
        + 25.0 * np.sin(x / 61.0 + 1.0)
        + 20.0 * np.cos(y / 47.0 + x / 300.0)
    )


def simple_rpc(size: int) -> Rpc:
    """Return an almost affine view of the scene, 15 degrees off the vertical, about 2 m a pixel."""
    zeros = [0.0] * 20
    line = [0.0, 0.0, -1.0, 0.3, 1e-4, 1e-5, 1e-5, *zeros[7:]]
    samp = [0.0, 1.0, 0.0, -0.1, 1e-4, 1e-5, 1e-5, *zeros[7:]]
    one = [1.0, 1e-5, 1e-5, 1e-5, *zeros[4:]]
    half = size / 2
    return Rpc(
        line_off=half, samp_off=half, lat_off=46.45, long_off=7.70, height_off=900.0,
        line_scale=half, samp_scale=half, lat_scale=2e-5 * half, long_scale=2.8e-5 * half, height_scale=300.0,
        line_num=line, line_den=one, samp_num=samp, samp_den=one,
    )  # fmt: skip
