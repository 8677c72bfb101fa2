"""What was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def meant(word: str, known: Iterable[str]) -> str:
    """Return a question after the known word nearest to one; else all of them, where they are few."""
    names = list(known)
    near = difflib.get_close_matches(word.replace("_", "-")[:100], names, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"known: {', '.join(names)}" if len(names) <= 12 else ""


def shown(value: object) -> str:
    """Return a value as a TOML file has it, or nearly so, at most a line of it."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    text = "".join(c if c.isprintable() else " " for c in text)
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return f'"{text}"' if isinstance(value, str) else text
