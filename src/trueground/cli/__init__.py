"""The command line `trueground`."""

from __future__ import annotations

from trueground.cli.main import app, main

__all__ = ["app", "main"]
