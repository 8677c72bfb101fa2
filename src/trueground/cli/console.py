"""What the user sees: messages and progress on standard error, results on standard output."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trueground.secret import without_secrets

if TYPE_CHECKING:
    from trueground.engine import Progress


@dataclass
class Console:
    """How much is said."""

    quiet: bool = False
    verbose: bool = False
    progress_lines: bool = False
    """Progress is said in lines, for programs that read them."""
    command: str = ""
    """The command as it was given, for reports."""
    _listeners: list[list[str]] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Say what was found or done."""
        if not self.quiet:
            _say(text)

    def detail(self, text: str) -> None:
        """Say more, where the user asked for it."""
        if self.verbose:
            _say(text)

    def warn(self, text: str) -> None:
        """Say what may be wrong, also when quiet."""
        for listener in self._listeners:
            listener.append(text)
        _say(f"warning: {text}")

    @contextlib.contextmanager
    def heard(self, warnings: list[str]) -> Iterator[None]:
        """Add what is warned of to a list."""
        self._listeners.append(warnings)
        try:
            yield
        finally:
            self._listeners.pop()

    def traceback(self) -> None:
        """Print the traceback of the exception that is being handled."""
        _say(traceback.format_exc().rstrip())

    @contextlib.contextmanager
    def warnings_in_one_line(self) -> Iterator[None]:
        """Print warnings as one line each."""
        # GDAL's messages come with the exception that they belong to; by themselves they would be printed twice.
        logging.getLogger("rasterio").propagate = self.verbose
        # Heights of infinity and the like are said by their result, NaN, not by numpy.
        warnings.simplefilter("ignore", RuntimeWarning)
        before = warnings.showwarning
        hooks = sys.excepthook, sys.unraisablehook
        if (
            not self.verbose
        ):  # what GDAL says may quote a file's bytes: rasterio fails to decode it, and prints how
            sys.excepthook, sys.unraisablehook = (lambda *_: None), (lambda _: None)
        warnings.showwarning = lambda message, *_a, **_k: self.warn(str(message))
        try:
            yield
        finally:
            warnings.showwarning = before
            sys.excepthook, sys.unraisablehook = hooks

    @contextlib.contextmanager
    def progress(self, title: str, *, pixels: int | None = None) -> Iterator[Progress]:
        """Show a bar on a terminal, with the time left, and nothing in a pipe, or lines where they are asked for.

        With the number of `pixels` that all blocks have together, also how many are done a second.
        """
        if self.progress_lines:
            yield _Lines(title)
            return
        if self.quiet or not sys.stderr.isatty():
            yield lambda _done, _total: None
            return
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=RichConsole(stderr=True),
            transient=True,
        )
        with bars:
            task = bars.add_task(title, total=None, rate="")
            speed = Speed(pixels=pixels)
            yield lambda done, total: bars.update(
                task, completed=done, total=total, rate=speed.after(done, total)
            )

    @contextlib.contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Say how long a step took, where the user asked for more."""
        start = time.perf_counter()
        yield
        self.detail(f"{what}: {time.perf_counter() - start:.2f} s")


class _Lines:
    """Says how much is done, where it is another percent."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._said = -1

    def __call__(self, done: int, total: int) -> None:
        percent = 100 * done // max(total, 1)
        if percent != self._said:
            self._said = percent
            _say(f"progress: {self._title} {percent} %")


class Speed:
    """How many pixels are done a second, from what was done since the first call or the start."""

    def __init__(self, *, pixels: int | None) -> None:
        self._pixels = pixels
        self._start = time.perf_counter()
        self._first: int | None = None

    def after(self, done: int, total: int) -> str:
        """Say it after `done` of `total` blocks; nothing where the number of pixels is unknown."""
        if (
            self._first is None
        ):  # what an earlier run has done comes at once, and is none of our speed
            self._first = done if done > 1 else 0
        elapsed = time.perf_counter() - self._start
        if self._pixels is None or elapsed <= 0.0 or total == 0:
            return ""
        return f"{self._pixels * (done - self._first) / total / elapsed / 1e6:.1f} Mpx/s"


console = Console()


def say_error(text: str) -> None:
    """Print an error as one line."""
    _say(f"error: {' '.join(text.split())}")


def _say(text: str) -> None:
    print(without_secrets(text), file=sys.stderr)
