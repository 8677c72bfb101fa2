"""The command line `trueground`."""

from __future__ import annotations

try:
    from trueground.cli.main import app, main
except KeyboardInterrupt:  # `main` catches those that come later
    import sys

    print("error: interrupted; nothing was begun", file=sys.stderr)
    sys.exit(1)

__all__ = ["app", "main"]
