"""A synthetic world with its truth: terrain, sensor, images, a distorted DEM."""

from __future__ import annotations

from trueground.samples.moving import Distortion
from trueground.samples.sensor import PushbroomSensor
from trueground.samples.small import small_dem, small_dems, small_raster, small_rpc, small_scene
from trueground.samples.synthetic import World, make_world, world
from trueground.samples.view import View

__all__ = [
    "Distortion",
    "PushbroomSensor",
    "View",
    "World",
    "make_world",
    "small_dem",
    "small_dems",
    "small_raster",
    "small_rpc",
    "small_scene",
    "world",
]
