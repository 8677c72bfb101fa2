"""Profiles of the main jobs, as text: stages (read, compute, write, wait), and where py-spy finds the threads.

    python benchmarks/profiles.py [--quick] [--jobs ortho,locate] [--data FOLDER]     # to benchmarks/profiles/

py-spy looks 200 times a second at each thread that runs. A sample belongs to the deepest function of the package
on its stack: time of a kernel, of numpy or of GDAL is that of the function that called it.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import machine
import peers
import table_growth
import table_ortho
from measure import HERE, OURS, WORKERS, Command, Failed
from plan import Plan

RATE = 200  # samples a second
SHOWN = 20  # functions
WAITING = ("thread.py _worker", "engine.py _waited")  # which py-spy takes for running now and then
Words = list[str]


def aligning(plan: Plan, folder: Path, *more: str) -> Words:
    """Return the words of an alignment."""
    plan.scene("scenes_dem.py", "bent", folder, plan.pick(8000, 3000))
    pair = [f"{folder}/{name}.tif" for name in ("reference", "moving")]
    return ["align", *pair, "-o", f"{folder}/out.tif", "--threads", "2", "--quiet", *more]


def rectifying(plan: Plan, folder: Path) -> Words:
    """Return the words of an orthorectification."""
    plan.scene("scenes_ortho.py", "texture", folder, plan.data, plan.pick(8000, 3000))
    grid = json.loads((folder / "grids.json").read_text())["UTM"]
    return table_ortho.ours(folder, grid, "zstd")[3:]


JOBS: dict[str, Callable[[Plan, Path], Words]] = {
    "align-whole": aligning,
    "align-blockwise": lambda plan, folder: aligning(plan, folder, "--blocks", "500"),
    "ortho": rectifying,
    "locate": lambda plan, folder: table_growth.locate(folder, plan.pick(6000, 2000), plan),
}


def stages(words: Words, folder: Path) -> str:
    """Run a command with its stages timed, and return them as text."""
    said = folder / "stages.json"
    Command(name="staged", words=[OURS, WORKERS / "staged.py", said, *words]).once()
    found = json.loads(said.read_text())
    lines = [f"{'stage':<34}{'wall [s]':>10}{'processor [s]':>15}{'calls':>9}"]
    for stage in ("read", "compute", "write", "wait"):
        wall, cpu, calls = found["stages"].get(stage, (0.0, 0.0, 0))
        lines.append(f"{stage:<34}{wall:>10.2f}{cpu:>15.2f}{calls:>9.0f}")
    rest = found["cpu"] - sum(cpu for _, cpu, _ in found["stages"].values())
    lines += [
        f"{'start: imports':<34}{found['start']:>10.2f}",
        f"{'everything else, GDAL threads too':<34}{'':>10}{rest:>15.2f}",
        f"{'the whole command':<34}{found['wall']:>10.2f}{found['cpu']:>15.2f}",
        "(read, compute: sums over threads; wait: the thread that writes, for blocks)",
    ]
    return "\n".join(lines)


def sampled(words: Words, folder: Path) -> str:
    """Run a command under py-spy, and return functions by samples."""
    raw = folder / "raw.txt"
    spy = peers.program("py-spy", "py-spy")
    Command(name="py-spy", warm=False, words=[
        spy, "record", "--rate", RATE, "--format", "raw", "--output", raw, "--", OURS, "-m", "trueground", *words,
    ]).once()  # fmt: skip
    return counted(raw.read_text())


def counted(raw: str) -> str:
    """Return how many samples each function has: as the deepest of the package, and anywhere on the stack."""
    deepest, anywhere = Counter[str](), Counter[str]()
    total = 0
    for line in raw.splitlines():
        stack, _, number = line.rpartition(" ")
        frames = [named(f) for f in stack.split(";")]
        own = [f for f in frames if f]
        samples = int(number)
        if last(stack) in WAITING or (own and own[-1] in WAITING):
            continue
        total += samples
        deepest[own[-1] if own else f"(outside) {last(stack)}"] += samples
        for frame in set(own):
            anywhere[frame] += samples
    lines = [f"{'own':>7}{'all':>7}  of {total} samples ({total / RATE:.1f} s of threads)"]
    for name, samples in deepest.most_common(SHOWN):
        lines.append(f"{samples / total:>7.1%}{anywhere.get(name, samples) / total:>7.1%}  {name}")
    return "\n".join(lines)


def last(stack: str) -> str:
    """Return the deepest frame of a stack that has none of the package: file and function."""
    function, _, place = stack.rpartition(";")[2].partition(" (")
    return f"{Path(place.rsplit(':', 1)[0].rstrip(')')).name} {function}"


def named(frame: str) -> str:
    """Return module and function of a frame of the package, or nothing."""
    function, _, place = frame.partition(" (")
    _, found, path = place.partition("trueground/")
    if not found or "site-packages" in place:
        return ""
    return f"{path.rsplit(':', 1)[0].rstrip(')')} {function}"


def main() -> None:
    """Profile the jobs that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--jobs", default=",".join(JOBS))
    parser.add_argument("--data", default=os.environ.get("TRUEGROUND_DATA", "../shared/data"))
    asked = parser.parse_args()
    home = HERE / "profiles" if not asked.quick else machine.ROOT / "build" / "bench-quick" / "profiles"  # fmt: skip
    home.mkdir(parents=True, exist_ok=True)
    data = Path(asked.data)
    for job in asked.jobs.split(","):
        with tempfile.TemporaryDirectory(prefix="profile-") as name:
            folder = Path(name)
            plan = Plan(quick=asked.quick, data=data.resolve() if data.is_dir() else None, scratch=folder)  # fmt: skip
            if plan.data is None and job == "ortho":
                print(f"{job}: needs the real data")
                continue
            words = JOBS[job](plan, folder)
            text = [
                f"{job}: trueground {' '.join(w.replace(str(folder) + '/', '') for w in words)}",
                f"{machine.machine()['processor']}, {machine.machine()['cores']} cores, commit {machine.commit()}, "
                f"{machine.now()}, load {os.getloadavg()[0]:.1f}",
            ]  # fmt: skip
            Command(name="warm", words=[OURS, "-m", "trueground", *words]).once()
            for part in (stages, sampled):
                try:
                    text.append(part(words, folder))
                except Failed as error:
                    text.append(f"{part.__name__}: failed: {error}")
            (home / f"{job}.txt").write_text("\n\n".join(text) + "\n")
            print("\n\n".join(text), flush=True)


if __name__ == "__main__":
    main()
