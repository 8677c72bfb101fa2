"""Run the comparisons, peer and trueground in turn, and write results.json and RESULTS.md.

    python benchmarks/run.py [--tables 1,2] [--quick] [--again] [--data FOLDER] [--scratch FOLDER]

Each table is kept in the JSON as soon as it is measured: what is interrupted goes on where it stopped, as long as
no file of the package or of the benchmarks has changed; `--again` measures anew. Tables that are named are always
measured.
`--quick` takes smaller rasters and fewer pairs, for less than ten minutes, and writes to build/bench-quick/.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import machine
import table_blockwise
import table_coreg
import table_growth
import table_limit
import table_ortho
import table_points
import table_start
from measure import HERE, Others
from plan import Plan
from render import render

TABLES: dict[str, ModuleType] = {
    "1": table_points, "2": table_ortho, "3": table_coreg, "4": table_blockwise,
    "5": table_growth, "6": table_limit, "7": table_start,
}  # fmt: skip
PAIRS = {False: 5, True: 1}


def opened(path: Path) -> dict[str, Any]:
    """Return the results that are there already."""
    return dict(json.loads(path.read_text())) if path.exists() else {"tables": {}}


def keep(path: Path, results: dict[str, Any]) -> None:
    """Write results and their text; nothing half-written is left."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(results, indent=1) + "\n")
    part.replace(path)
    render(path, path.with_name("RESULTS.md"))


def measure(key: str, plan: Plan) -> dict[str, Any]:
    """Run a table."""
    module, others = TABLES[key], Others()
    print(f"== ({key}) {module.TITLE}", flush=True)
    rows = module.run(plan)
    intro = module.INTRO
    if key == "5":
        least = rows[0].get("least", table_growth.LEAST)
        intro = intro.format(start=table_growth.START, least=least)
    return {"title": module.TITLE, "intro": intro, "rows": rows, "when": machine.now(),
            "commit": machine.commit(), "source": machine.source(), **others.said()}  # fmt: skip


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", default="", help="of 1 points, 2 ortho, 3 coregistration, 4 in blocks, 5 growth, "
                        "6 limit, 7 start: 1,2,...; all without it")  # fmt: skip
    parser.add_argument(
        "--quick",
        action="store_true",
        help="smaller and fewer, to build/bench-quick; not to be quoted",
    )
    parser.add_argument(
        "--again", action="store_true", help="also what was measured of this source"
    )
    parser.add_argument("--data", default=os.environ.get("TRUEGROUND_DATA", "../shared/data"),
                        help="folder of the real data; rows that need them say so without")  # fmt: skip
    parser.add_argument("--scratch", type=Path, help="folder for scenes, which are deleted")
    asked = parser.parse_args()
    named = [t for t in asked.tables.split(",") if t]
    if not set(named) <= set(TABLES):
        parser.error(f"--tables {asked.tables}: of {','.join(TABLES)}")
    quick = asked.quick
    home = machine.ROOT / "build" / "bench-quick" if quick else HERE
    home.mkdir(parents=True, exist_ok=True)
    data = Path(asked.data)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.scratch) as scratch:
        plan = Plan(
            quick=quick, data=data.resolve() if data.is_dir() else None, scratch=Path(scratch), pairs=PAIRS[quick]
        )  # fmt: skip
        results = opened(home / "results.json")
        source = machine.source()
        for key in named or TABLES:
            found = results["tables"].get(key)
            if found and found["source"] == source and not (named or asked.again):
                print(f"== ({key}) measured {found['when']}; --again measures it anew", flush=True)
                continue
            table = measure(key, plan)
            results = opened(home / "results.json")
            results["tables"][key] = table
            results |= {
                "quick": quick, "machine": machine.machine(), "versions": machine.versions(), "date": machine.now(),
                "commit": machine.commit(), "all": list(TABLES),
                "command": "make bench-quick" if quick else "make bench",
            }  # fmt: skip
            keep(home / "results.json", results)
    form = " (reduced form, not to be quoted)" if quick else ""
    print(f"{home / 'RESULTS.md'}{form}, {(time.perf_counter() - began) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
