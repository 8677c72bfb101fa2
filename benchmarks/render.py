"""results.json as Markdown.

python benchmarks/render.py        # benchmarks/results.json to benchmarks/RESULTS.md
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

from figures import Row, asked, conclusion, errors, failed, growth_asked, number, ratio

HERE = Path(__file__).parent
HEAD = (
    "| | against | pairs | wall, times trueground's | processor | memory | wall [s] peer; ours "
    "| processor [s] | peak [MB] | errors peer; ours | asked |"
)
LIMIT = HEAD.replace("times trueground's", "times the limit's").replace("peer", "limit")
GROWTH = "| | size [px] | wall | processor | wall [s] | processor [s] | peak [MB] |"
HOW = """Medians of pairs (least - greatest in brackets): peer and trueground in turn, round by round, forwards and
backwards, peers in processes and environments of their own. Ratios of wall time, processor time and memory are the
peer's by trueground's: above 1 trueground is ahead. Memory is the peak of resident memory of the largest process.
All have run once before, so that nothing is compiled or loaded within the clock but what a command loads each time.
`fit`, `apply`: ratios of parts of the wall time. **Asked**: what was asked of trueground and its floor, beside what was
measured, whichever side it falls on."""


def rule(head: str) -> str:
    """Return the line below a table's head."""
    return "|" + "---|" * (head.count("|") - 1)


def seconds(row: Row, of: str) -> str:
    """Return medians of both."""
    return "; ".join(number(median(row[side][of])) for side in ("peer", "ours"))


def missed(row: Row) -> str:
    """Return errors of both, by unit."""
    texts = [f"{number(b)}; {number(a)} {k}" for k, (a, b) in errors(row).items()]
    if not texts and isinstance(row["peer"]["errors"].get("not judged"), str):
        return f"not judged: {row['peer']['errors']['not judged']}"
    return ", ".join(texts)


def line(row: Row) -> str:
    """Return a row of a comparison."""
    if failed(row):
        return f"| {row['title']} | {row['peer']['name']} | none: {failed(row)} |" + " |" * 8
    times = str(ratio(row, "wall"))
    parts = [f"{p} {number(r.median)}" for p in ("fit", "apply") if (r := ratio(row, p))]
    if parts:
        times += "; " + ", ".join(parts)
    memory = ratio(row, "peak")
    cells = [
        row["title"], row["peer"]["name"], str(len(row["ours"]["wall"])), times, str(ratio(row, "cpu")),
        number(memory.median) if memory else "", seconds(row, "wall"), seconds(row, "cpu"),
        f"{row['peer']['peak']:.0f}; {row['ours']['peak']:.0f}", missed(row),
        "; ".join(text for text, *_ in asked(row)),
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def grown(row: Row) -> list[str]:
    """Return the rows of a job of the table of growth."""
    if failed(row):
        return [f"| {row['title']} | none: {failed(row)} |" + " |" * 5]
    first = next(f for f in row["growth"] if f["size"] >= row["least"])
    lines = []
    for f in row["growth"]:
        times = (f"{number(f[of] / first[of])} x" for of in ("wall", "cpu"))
        cells = [str(f["size"]), *times, number(f["wall"]), number(f["cpu"]), f"{f['peak']:.0f}"]
        lines.append(f"| {row['title']} | " + " | ".join(cells) + " |")
    e = row["exponents"]
    told = "; ".join(text for text, *_ in growth_asked(row))
    lines.append(
        f"| **exponent** | from {row['least']} | {number(e['wall'])} | {number(e['cpu'])} | | {told} | "
        f"{number(e['peak'])} |"
    )
    return lines


def table(key: str, found: dict[str, Any]) -> str:
    """Return a table with its head, its text and its conclusion."""
    rows = found["rows"]
    growth = any("growth" in r for r in rows)
    limit = any(r.get("limit") for r in rows)
    head = GROWTH if growth else LIMIT if limit else HEAD
    body = [text for row in rows for text in (grown(row) if growth else [line(row)])]
    when = (
        f"Measured {found['when']}, commit {found['commit']}, in {found['seconds'] / 60:.0f} minutes; others kept "
        f"{found['others']:.2f} processors busy in the mean, load {found['load_before']} before and "
        f"{found['load_after']} after."
    )
    return "\n\n".join(
        [f"## ({key}) {found['title']}", found["intro"], "\n".join([head, rule(head), *body]),
         *conclusion(key, rows), f"*{when}*"]
    )  # fmt: skip


def document(results: dict[str, Any]) -> str:
    """Return the whole text."""
    machine, tables = results["machine"], results["tables"]
    form = (
        "Reduced form: smaller and fewer; for a first look, not to be quoted."
        if results["quick"]
        else ""
    )
    versions = ", ".join(f"{k} {v}" for k, v in results["versions"].items())
    top = [
        "# Results", form,
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory']} GB of memory, {machine['system']}. "
        f"Commit {results['commit']}, {results['date']}.",
        f"Versions: {versions}.",
        HOW + f" Made by `{results['command']}`; figures of all runs are in `results.json`.",
    ]  # fmt: skip
    parts = [table(key, tables[key]) for key in sorted(tables)]
    lacking = [key for key in results["all"] if key not in tables]
    if lacking:
        parts.append(f"Not measured yet: tables {', '.join(lacking)}.")
    return "\n\n".join(filter(None, [*top, *parts])) + "\n"


def render(source: Path, target: Path) -> None:
    """Write the Markdown of a JSON file."""
    target.write_text(document(json.loads(source.read_text())))


if __name__ == "__main__":
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "results.json"
    render(source, source.parent / "RESULTS.md")
