"""What follows from the runs of a row: ratios, and where trueground is not ahead."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import Any

from reasons import reason

Row = dict[str, Any]
MEASURES = {
    "wall": "wall time", "cpu": "processor time", "peak": "memory", "error": "error", "failure": "result",
}  # fmt: skip
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


@dataclass(frozen=True)
class Behind:
    """In what trueground is not ahead, how it is said, and by how much."""

    measure: str
    text: str
    amount: float = math.nan
    """Ratio, or trueground's error."""
    unit: str = ""


def known(errors: dict[str, Any]) -> dict[str, float]:
    """Return errors that are numbers."""
    return {k: v for k, v in errors.items() if isinstance(v, float | int) and not math.isnan(v)}


def errors(row: Row) -> dict[str, tuple[float, float]]:
    """Return errors that both have, trueground's first; NaN is an error that could not be told."""
    if "growth" in row or failed(row):
        return {}
    a, b = row["ours"]["errors"], row["peer"]["errors"]
    return {k: (a[k], b[k]) for k in a if k in b and isinstance(a[k], float | int)}


def behind(row: Row) -> list[Behind]:
    """Return in what trueground is not ahead in a row."""
    if row.get("limit") or "growth" in row:
        return []
    if failed(row):
        alone = "failure" in row["ours"] and "failure" not in row["peer"]
        return [Behind("failure", f"none: {row['ours']['failure']}")] if alone else []
    found = []
    for of in ("wall", "cpu", "peak"):
        times = ratio(row, of)
        if times is not None and not times.median >= 1.0:
            found.append(Behind(of, f"{number(times.median)} x", times.median))
    return [*found, *_worse(row)]


def _worse(row: Row) -> list[Behind]:
    """Return errors that are larger than the peer's, or that are not known."""
    given, theirs = row["ours"]["errors"], known(row["peer"]["errors"])
    ours = known(given)
    found = [
        Behind("error", f"{k} not known" if isinstance(v, float) else f"{k}: {v}")
        for k, v in given.items()
        if k not in ours
    ]
    for label, error in theirs.items():
        unit = label.split()[0]
        if label not in given:
            found.append(Behind("error", f"none against {number(error)} {label}"))
        elif label in ours and ours[label] > max(ALIKE * error, SMALL[unit]):
            text = f"{number(ours[label])} against {number(error)} {label}"
            found.append(Behind("error", text, ours[label], unit))
    return found


def called(row: Row) -> str:
    """Return a row's name in a sentence."""
    return f"{row['title']} / {row['peer']['name']}" if "peer" in row else str(row["title"])


def asked(row: Row) -> list[tuple[str, bool, bool]]:
    """Return text of each figure that was asked for, whether it was reached, and whether its floor was."""
    found = []
    for one in row.get("asked", ()):
        measured = ratio(row, one["of"])
        least_text = f", floor {number(one['floor'])}" if one["floor"] is not None else ""
        wanted = f"{MEASURES.get(one['of'], one['of'])}: asked {number(one['wanted'])}{least_text}"
        if measured is None:
            found.append((f"{wanted}, no figure", False, True))
            continue
        floor = one["floor"] if one["floor"] is not None else one["wanted"]
        good, least = (
            (measured.median <= limit) if row["limit"] else (measured.median >= limit)
            for limit in (one["wanted"], floor)
        )
        text = f"{wanted}, measured {number(measured.median)}"
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
        for one in behind(row):
            why = reason(table, one.measure, called(row), one.amount, one.unit)
            where = f"{MEASURES[one.measure]} {one.text}"
            groups.setdefault(why, {}).setdefault(called(row), []).append(where)
    if groups:
        parts = []
        for why, places in groups.items():
            where = [f"{name} ({', '.join(texts)})" for name, texts in places.items()]
            parts.append(f"{'; '.join(where)}: {why}")
        return ["**Not ahead** in " + " Nor in ".join(parts)]
    raced = [r for r in rows if not r.get("limit") and "growth" not in r]
    compared = [r for r in raced if not failed(r)]
    if not compared:
        return []
    in_what = "time, memory and error" if any(map(errors, compared)) else "time and memory"
    if len(compared) < len(raced):
        return [
            f"Not behind in {in_what} in the {len(compared)} of {len(raced)} rows that have figures."
        ]
    alike = ", ".join(f"{number(v)} {unit}" for unit, v in SMALL.items())
    but = (
        f" (errors below {alike}, or {ALIKE} times the peer's, count as alike)"
        if "error" in in_what
        else ""
    )
    return [f"**Ahead** of every peer in every row, in {in_what}{but}."]


def _above_limits(table: str, rows: list[Row]) -> list[str]:
    """Return how far above a limit trueground is, and why."""
    limits = [(t, r) for r in rows if r.get("limit") and (t := ratio(r, "wall"))]
    if not limits:
        return []
    texts = [
        f"{r['title']}, {number(t.median)} times {r['peer']['name']}: "
        f"{reason(table, 'wall', called(r), t.median)}"
        for t, r in limits
        if not t.median <= 1.0
    ]
    if texts:
        return ["**Not at the limit**: " + " ".join(texts)]
    return [] if any(map(failed, rows)) else ["At the limit everywhere."]


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
    wanted, most = row.get("slope"), row.get("most")
    found = []
    if wanted is not None:
        text = f"exponent of processor time: asked {wanted[0]} +- {wanted[1]}"
        slope = None if failed(row) else row["exponents"]["cpu"]
        if slope is None:
            found.append((f"{text}, no figure", False, True))
        else:
            good = abs(slope - wanted[0]) <= wanted[1]
            found.append((f"{text}, measured {number(slope)}", good, True))
    if most is not None:
        text = f"memory: asked {number(most)} MB at most"
        if failed(row):
            found.append((f"{text}, no figure", False, True))
        else:
            peak = max(f["peak"] for f in row["growth"])
            found.append((f"{text}, measured {number(peak)} MB", peak <= most, True))
    return found
