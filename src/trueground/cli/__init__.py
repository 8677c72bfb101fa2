"""The command line `trueground`."""

from __future__ import annotations

try:
    from trueground.cli.main import app, main
except KeyboardInterrupt:  # `main` catches those that come later
    import signal
    import sys

    from trueground.cli.signals import die_of

    print("error: interrupted; nothing was begun", file=sys.stderr, flush=True)
    die_of(signal.SIGINT)

__all__ = ["app", "main"]
