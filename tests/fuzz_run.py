"""The command line in this process, for the tests in `tests/fuzz` and the process that they start."""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout

from fuzz_settings import SLOW
from trueground.cli.main import run


def ran(words: Sequence[str]) -> tuple[int, str, float, float]:
    """Run a command; return its exit code, what it said to stderr, its processor time and its time [s].

    One that is slow runs again, and it is the second run that counts: kernels may have been compiled.
    """
    done = _once(words)
    return done if done[2] < SLOW else _once(words)


def _once(words: Sequence[str]) -> tuple[int, str, float, float]:
    errors = io.StringIO()
    start, worked = time.perf_counter(), time.process_time()
    with warnings.catch_warnings(), redirect_stderr(errors), redirect_stdout(io.StringIO()):
        warnings.simplefilter("default")
        code = run([str(w) for w in words])
    return code, errors.getvalue(), time.process_time() - worked, time.perf_counter() - start
