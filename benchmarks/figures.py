"""What follows from the runs of a row: ratios, and where trueground is not ahead."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import Any

from reasons import reason

Row = dict[str, Any]
MEASURES = {"wall": "wall time", "cpu": "processor time", "peak": "memory", "error": "error"}
ALIKE = 1.2  # times a peer's error that is no worse
SMALL = {
    "px": 0.003,
    "m": 0.01,
    "%": 0.01,
}  # errors below which it does not matter which is smaller


@dataclass(frozen=True)
class Ratio:
    """Median, least and greatest of the pairs of a row."""

    median: float
    least: float
    greatest: float

    def __str__(self) -> str:
        if self.least == self.greatest:
            return number(self.median)
        return f"{number(self.median)} ({number(self.least)}-{number(self.greatest)})"


def number(value: float | None) -> str:
    """Return three significant digits, without an exponent where that can be."""
    if value is None or math.isnan(value):
        return "none"
    if value != 0.0 and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.1e}"
    if abs(value) >= 100.0:
        return f"{value:.0f}"
    return f"{value:.3g}"


def failed(row: Row) -> str:
    """Return why a row has no figures, or nothing."""
    for side in ("ours", "peer"):
        if "failure" in row.get(side, {}):
            return f"{row[side]['name']}: {row[side]['failure']}"
    return ""


def ratio(row: Row, of: str) -> Ratio | None:
    """Return how many times trueground's a peer's cost is; of a limit, how many times the limit's trueground's is."""
    if "growth" in row or failed(row):
        return None
    ours, peer = row["ours"], row["peer"]
    if of in ("fit", "apply"):
        ours, peer = ours.get("more", {}), peer.get("more", {})
    if of not in ours or of not in peer:
        return None
    a, b = (v[of] if isinstance(v[of], list) else [v[of]] for v in (ours, peer))
    if row.get("limit"):
        a, b = b, a
    pairs = [theirs / max(mine, 1e-9) for mine, theirs in zip(a, b, strict=True)]
    return Ratio(median(pairs), min(pairs), max(pairs))


def errors(row: Row) -> dict[str, tuple[float, float]]:
    """Return errors that both have, trueground's first."""
    if "growth" in row or failed(row):
        return {}
    a, b = row["ours"]["errors"], row["peer"]["errors"]
    return {k: (a[k], b[k]) for k in a if k in b and isinstance(a[k], float | int)}


def behind(row: Row) -> list[tuple[str, str]]:
    """Return in what trueground is not ahead in a row, and by how much."""
    if row.get("limit") or failed(row) or "growth" in row:
        return []
    found = []
    for of in ("wall", "cpu", "peak"):
        times = ratio(row, of)
        if times is not None and times.median < 1.0:
            found.append((of, f"{number(times.median)} x"))
    for label, (ours, theirs) in errors(row).items():
        small = SMALL[label.split()[0]]
        if ours > max(ALIKE * theirs, small):
            found.append(("error", f"{number(ours)} against {number(theirs)} {label}"))
    return found


def called(row: Row) -> str:
    """Return a row's name in a sentence."""
    return f"{row['title']} / {row['peer']['name']}" if "peer" in row else str(row["title"])


def asked(row: Row) -> list[tuple[str, bool, bool]]:
    """Return text of each figure that was asked for, whether it was reached, and whether its floor was."""
    found = []
    for one in row.get("asked", ()):
        measured = ratio(row, one["of"])
        if measured is None:
            continue
        floor = one["floor"] if one["floor"] is not None else one["wanted"]
        good, least = (
            (measured.median <= limit) if row["limit"] else (measured.median >= limit)
            for limit in (one["wanted"], floor)
        )
        least_text = f", floor {number(one['floor'])}" if one["floor"] is not None else ""
        text = f"{MEASURES[one['of']]}: asked {number(one['wanted'])}{least_text}, measured {number(measured.median)}"
        found.append((text, good, least or one["floor"] is None))
    return found


def conclusion(table: str, rows: list[Row]) -> list[str]:
    """Return the sentences below a table, of its figures alone."""
    told = [*_not_ahead(table, rows), *_above_limits(table, rows), *_unmet(rows)]
    holes = [f"{called(r)}: {failed(r)}" for r in rows if failed(r)]
    if holes:
        told.append(f"**No figures** of {'; '.join(holes)}.")
    return told


def _not_ahead(table: str, rows: list[Row]) -> list[str]:
    """Return where trueground is not ahead, and why: one sentence for each reason."""
    groups: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        for measure, text in behind(row):
            why = reason(table, measure, called(row))
            where = f"{MEASURES[measure]} {text}"
            groups.setdefault(why, {}).setdefault(called(row), []).append(where)
    if groups:
        parts = []
        for why, places in groups.items():
            where = [f"{name} ({', '.join(texts)})" for name, texts in places.items()]
            parts.append(f"{'; '.join(where)}: {why}")
        return ["**Not ahead** in " + " Nor in ".join(parts)]
    compared = [r for r in rows if not r.get("limit") and "growth" not in r and not failed(r)]
    return ["**Ahead** of every peer in every row, in time, memory and error."] if compared else []


def _above_limits(table: str, rows: list[Row]) -> list[str]:
    """Return how far above a limit trueground is, and why."""
    limits = [(t, r) for r in rows if r.get("limit") and (t := ratio(r, "wall"))]
    if not limits:
        return []
    texts = [
        f"{r['title']}, {number(t.median)} times {r['peer']['name']}: "
        f"{reason(table, 'wall', called(r))}"
        for t, r in limits
        if t.median > 1.0
    ]
    return ["**Not at the limit**: " + " ".join(texts)] if texts else ["At the limit everywhere."]


def _unmet(rows: list[Row]) -> list[str]:
    told = [(called(row), *one) for row in rows for one in [*asked(row), *growth_asked(row)]]
    if not told:
        return []
    short = [f"{name} ({text})" for name, text, good, least in told if not good and least]
    below = [f"{name} ({text})" for name, text, _, least in told if not least]
    sentences = []
    if short:
        sentences.append(f"**Asked and not reached**: {'; '.join(short)}.")
    if below:
        sentences.append(f"**Below the floor**: {'; '.join(below)}.")
    return sentences or [f"All {len(told)} figures that were asked for are reached."]


def growth_asked(row: Row) -> list[tuple[str, bool, bool]]:
    """Return what was asked of a row of the table of growth."""
    if "growth" not in row:
        return []
    found = []
    slope, wanted = row["exponents"]["cpu"], row.get("slope")
    if wanted is not None and slope is not None:
        text = f"exponent of processor time: asked {wanted[0]} +- {wanted[1]}, measured {number(slope)}"
        found.append((text, abs(slope - wanted[0]) <= wanted[1], True))
    if row.get("most") is not None:
        peak = max(f["peak"] for f in row["growth"])
        text = f"memory: asked {number(row['most'])} MB at most, measured {number(peak)} MB"
        found.append((text, peak <= row["most"], True))
    return found
