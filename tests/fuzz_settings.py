"""How much is tried by the tests in `tests/fuzz`: the examples of each test, times TRUEGROUND_FUZZ."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

Survives = Callable[..., str]
"""Runs a command that may fail, and returns its line of error; see `tests/fuzz/conftest.py`."""
SLOW = 5.0  # s of processor time
HANGS = 60.0  # s by the clock, which others slow down
TIMES = int(os.environ.get("TRUEGROUND_FUZZ", "1"))


def tried(examples: int) -> Callable[[Any], Any]:
    """Return the decorator of a test that tries so many examples, or a multiple of them."""
    return settings(
        max_examples=examples * TIMES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


# A star and a number say how often a piece is repeated.
PIECES = st.sampled_from([
    "", "nan", "NaN", "inf", "-Infinity", "1e999", "-1", "0", "1*400", "9*5000", "null", "true", "[]", "{}", "[[",
    "]", "}", "{", '"', "'", ",", ":", ";", "\n", "\r\n", "\t", "\\", "\\u0000", "\x00", "\ufeff", "\ud7ff", "\u2028",
    "../beside/precious.tif", "/etc/passwd", "..", "/vsicurl/http://127.0.0.1:9/x.tif", "<!--", "]]>", "&lt;", "&x;",
    "<a>", "</a>", "[*3000", "<a>*3000", "1_0", "0x10", "1,5", "1.5.5", "e", "\U0001f600", "$(touch x)", "`x`",
    "%s%n", "x*70000",
])  # fmt: skip
CHANGES = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 40), PIECES | st.text(max_size=5)),
    min_size=1,
    max_size=4,
)


def changed(text: str, changes: list[tuple[float, int, str]]) -> str:
    """Return a text with pieces of it replaced, each at a share of its length."""
    for share, length, piece in changes:
        at = int(share * len(text))
        word, star, times = piece.rpartition("*")
        new = word * int(times) if star and times.isdecimal() and len(times) < 6 else piece
        text = text[:at] + new + text[at + length :]
    return text
