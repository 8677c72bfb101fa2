"""RPCs fitted to a rigorous pushbroom sensor above any place: the antimeridian and high latitudes too."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from trueground.rpc.fit import fit_rpc
from trueground.rpc.model import Rpc
from trueground.samples.sensor import SEMI_MAJOR_M, Angle, PushbroomSensor, aimed

SHAPE = 4000, 5000  # px of some 2 m
HEIGHTS = 0.0, 2000.0  # m


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A sensor, and the RPC fitted to it."""

    sensor: PushbroomSensor
    rpc: Rpc

    def pixels(self, number, *, seed=0):
        """Rows, columns and heights anywhere in the domain."""
        rng = np.random.default_rng(seed)
        rows, cols = self.sensor.shape
        return (
            rng.uniform(0, rows, number),
            rng.uniform(0, cols, number),
            rng.uniform(*HEIGHTS, number),
        )


@lru_cache(maxsize=16)
def scene(lon: float, lat: float, *, roll: float = 0.2, pitch: float = -0.3) -> Scene:
    """Return a sensor that looks at a place from the side and from ahead."""
    sensor = PushbroomSensor(
        shape=SHAPE, radial=(1.0, 0.0, 0.0), forward=(0.0, 0.0, 1.0), radius=SEMI_MAJOR_M + 694e3,
        line_period=2.0 / 6780.0, column_angle=-2.0 / 745e3, distortion=2.0,
        roll=Angle(constant=roll, rate=1e-4), pitch=Angle(constant=pitch), yaw=Angle(constant=0.02),
    )  # fmt: skip
    # Aimed at the prime meridian, not too near a pole, and turned from there; the ellipsoid moves it by some km.
    start = math.copysign(min(abs(lat), 80.0), lat)
    sensor = aimed(sensor, 0.0, start, height=500.0, heading=math.radians(190.0))
    turn = _about("z", lon) @ _about("y", start - lat)
    sensor = replace(
        sensor,
        radial=tuple((turn @ sensor.radial).tolist()),
        forward=tuple((turn @ sensor.forward).tolist()),
    )
    rows, cols = (np.linspace(0.0, n, 15) for n in SHAPE)
    height, row, col = np.meshgrid(np.linspace(*HEIGHTS, 7), rows, cols, indexing="ij")
    at = sensor.locate(row, col, height)
    return Scene(sensor=sensor, rpc=fit_rpc(row, col, *at, height).rpc)


def _about(axis, degrees):
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    if axis == "z":
        return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
