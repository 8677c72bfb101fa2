"""Put satellite images and elevation models in their true place on the ground, and prove it."""

from __future__ import annotations

__version__ = "0.1.0"
