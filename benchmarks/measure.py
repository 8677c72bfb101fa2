"""What a run costs, and races of contenders: one after the other, round by round (A B A B).

The standard library alone: a child's least peak of memory is that of the process which starts it, which stays small.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import peers

HERE = Path(__file__).parent
WORKERS = HERE / "workers"
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA", "NUMEXPR")}
PATIENCE = 900.0  # s that a run may take; then it is killed, and that is its figure
LEAVE = 10.0  # s that a worker may take to end


class Failed(Exception):  # noqa: N818 (no error of the benchmark)
    """A contender could not be run; the message is the last line of what it said."""


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What one run cost."""

    wall: float
    """[s]"""
    cpu: float
    """Of all its threads and of its children [s]."""
    peak: float
    """Peak of resident memory, of its largest process [MB]."""
    said: dict[str, Any] = field(default_factory=dict)
    """What else a worker tells of the run, as `fit` [s]."""


class Contender(Protocol):
    name: str

    def start(self) -> None:
        """Get ready, outside the clock; raise Failed."""

    def once(self) -> Spent:
        """Run."""

    def judge(self) -> dict[str, Any]:
        """Return errors of the last result against the truth, by label."""

    def close(self) -> None:
        """End what was started."""


def check(program: str | Path) -> None:
    """Raise Failed with what went wrong at the installation of a peer."""
    absent = peers.lacking(program)
    if absent:
        raise Failed(absent)


def environment(*, one_thread: bool = False, **more: str) -> dict[str, str]:
    """Return the environment of a contender: bytecode is kept, as it is where a tool is installed."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return kept | (ONE_THREAD if one_thread else {}) | more


@contextlib.contextmanager
def patience(process: subprocess.Popen[Any]) -> Iterator[None]:
    """Kill a process that takes too long, and its children."""
    timer = threading.Timer(PATIENCE, kill, [process])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def kill(process: subprocess.Popen[Any]) -> None:
    """Kill a process that leads a session of its own, with all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def why(status: int, said: str) -> str:
    """Return why a process ended as it did."""
    return (f"killed by signal {-status}: " if status < 0 else "") + last_line(said)


def last_line(text: str) -> str:
    """Return the last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


def _text(file: Any) -> str:
    """Return what was written to a file of bytes."""
    file.seek(0)
    return str(file.read().decode(errors="replace")).strip()


@dataclass(kw_only=True)
class Command:
    """A program with its arguments, a process each time."""

    name: str
    words: Sequence[str]
    env: Mapping[str, str] | None = None
    judged: Callable[[], dict[str, Any]] | None = None
    before: Callable[[], None] | None = None
    """Called before each run, outside the clock."""
    heard: bool = False
    """Tell what it prints, as `printed`."""
    warm: bool = True
    """Run once before the races: what is compiled at the first run is kept."""
    small: Sequence[str] | None = None
    """In place of the words, for that first run; and run before each that counts, outside the clock: a system may
    have let go of a program's files while others ran for a minute, and read them from the disk again."""

    def start(self) -> None:
        check(self.words[0])
        if self.warm:
            self._run(self.small or self.words)

    def once(self) -> Spent:
        if self.small:
            self._run(self.small)
        return self._run(self.words)

    def _run(self, words: Sequence[str]) -> Spent:
        if self.before:
            self.before()
        with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as printed:
            start = time.perf_counter()
            try:
                process = subprocess.Popen(
                    [str(w) for w in words], stdout=printed, stderr=said, stdin=subprocess.DEVNULL,
                    env=self.env or environment(), start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise Failed(str(error)) from error
            try:
                with patience(process):
                    _, status, usage = os.wait4(process.pid, 0)
            except BaseException:
                kill(process)
                raise
            wall = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            if status:
                raise Failed(why(process.returncode, _text(said)))
            told = {"printed": _text(printed)} if self.heard else {}
        return Spent(
            wall=wall, cpu=usage.ru_utime + usage.ru_stime, peak=usage.ru_maxrss / 1024, said=told
        )

    def judge(self) -> dict[str, Any]:
        return self.judged() if self.judged else {}

    def close(self) -> None:
        pass


@dataclass(kw_only=True)
class Worker:
    """A job in a process that lasts, which has run once before the clock starts: imports and kernels are loaded."""

    name: str
    python: str | Path
    script: str
    job: str
    given: Mapping[str, Any]
    env: Mapping[str, str] | None = None
    small: Mapping[str, Any] = field(default_factory=dict)
    """What is given otherwise for the first run, as a small scene."""
    judged: Callable[[], dict[str, Any]] | None = None
    """In place of the worker's own judgement, as of a file that it wrote."""
    _process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        check(self.python)
        words = [self.python, WORKERS / self.script, self.job, json.dumps(self.given)]
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 (as long as the worker)
        try:
            self._process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, text=True,
                env=self.env or environment(), start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            self._said.close()
            raise Failed(str(error)) from error
        self._answer()
        self._ask("warm " + json.dumps({**self.given, **self.small}) if self.small else "run")

    def _ask(self, what: str) -> dict[str, Any]:
        if self._process is None or self._process.stdin is None:
            raise Failed("it was not started")
        with contextlib.suppress(OSError):  # what it said before it went is read below
            self._process.stdin.write(what + "\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = ""
        if self._process and self._process.stdout:
            with patience(self._process):
                line = self._process.stdout.readline()
        if line:
            return dict(json.loads(line))
        raise Failed(why(*self._end()))

    def _end(self) -> tuple[int, str]:
        """End the process; return its status, and what it said of errors."""
        if self._process is None:
            return 0, ""
        try:
            self._process.communicate(timeout=LEAVE)  # its input ends
        except subprocess.TimeoutExpired:
            kill(self._process)
            self._process.communicate()
        self._said.seek(0)
        said, status = self._said.read(), self._process.returncode
        self._said.close()
        self._process = None
        return status, said

    def once(self) -> Spent:
        said = self._ask("run")
        return Spent(wall=said.pop("wall"), cpu=said.pop("cpu"), peak=said.pop("peak"), said=said)

    def judge(self) -> dict[str, Any]:
        return self.judged() if self.judged else self._ask("judge")

    def close(self) -> None:
        self._end()


@dataclass
class Outcome:
    """Runs of a contender, or why there are none."""

    name: str
    spent: list[Spent] = field(default_factory=list)
    errors: dict[str, Any] = field(default_factory=dict)
    failure: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return lists of figures."""
        if self.failure:
            return {"name": self.name, "failure": self.failure}
        more = {
            k: [round(s.said[k], 5) for s in self.spent]
            for k in (self.spent[0].said if self.spent else ())
        }
        return {
            "name": self.name,
            "wall": [round(s.wall, 6) for s in self.spent],
            "cpu": [round(s.cpu, 6) for s in self.spent],
            "peak": round(max(s.peak for s in self.spent), 1),
            "errors": self.errors,
            **({"more": more} if more else {}),
        }


def race(contenders: Sequence[Contender], rounds: int) -> list[Outcome]:
    """Run all in turn, round by round, forwards and backwards; a contender that fails drops out."""
    outcomes = [Outcome(c.name) for c in contenders]
    both = list(zip(contenders, outcomes, strict=True))
    try:
        for contender, outcome in both:
            attempt(outcome, contender.start)
        for number in range(rounds):
            for contender, outcome in both[:: -1 if number % 2 else 1]:
                spent = attempt(outcome, contender.once)
                if spent is not None:
                    outcome.spent.append(spent)
        for contender, outcome in both:
            outcome.errors = attempt(outcome, contender.judge) or {}
            tell(outcome)
    finally:
        for contender in contenders:
            contender.close()
    return outcomes


def attempt(outcome: Outcome, what: Callable[[], Any]) -> Any:
    """Call, unless it failed before; keep why it fails."""
    if outcome.failure:
        return None
    try:
        return what()
    except Failed as error:
        outcome.failure = str(error)
        return None


def tell(outcome: Outcome) -> None:
    """Print what a contender took, while the others go on."""
    if outcome.failure:
        print(f"    {outcome.name}: FAILED: {outcome.failure}", flush=True)
        return
    wall = sorted(s.wall for s in outcome.spent)[len(outcome.spent) // 2]
    cpu = sorted(s.cpu for s in outcome.spent)[len(outcome.spent) // 2]
    print(
        f"    {outcome.name}: {wall:.4g} s wall, {cpu:.4g} s processor, "
        f"{max(s.peak for s in outcome.spent):.0f} MB, {outcome.errors}",
        flush=True,
    )


def call(python: str | Path, script: Path, *words: object) -> str:
    """Run a script of this folder to its end and return what it printed; raise Failed."""
    try:
        ran = subprocess.run(
            [str(python), str(script), *map(str, words)], capture_output=True, text=True, check=False,
            env=environment(), timeout=PATIENCE,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(last_line(str(error))) from error
    if ran.returncode:
        raise Failed(last_line(ran.stderr))
    return ran.stdout


class Others:
    """How much of the machine others took while this ran."""

    def __init__(self) -> None:
        self.began, self.load = time.perf_counter(), os.getloadavg()[0]
        self.busy, self.own = _busy(), _own()

    def said(self) -> dict[str, float]:
        """Return processors that others kept busy in the mean, and the load before and after."""
        took = time.perf_counter() - self.began
        others = (_busy() - self.busy - (_own() - self.own)) / max(took, 1e-9)
        return {
            "seconds": round(took, 1),
            "others": round(max(others, 0.0), 3),
            "load_before": round(self.load, 2),
            "load_after": round(os.getloadavg()[0], 2),
        }


def _busy() -> float:
    """Return processor seconds of the whole machine, idle and waiting left out."""
    values = [float(v) for v in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]]
    return (sum(values) - values[3] - values[4]) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    """Return processor seconds of this process and of its children that have ended."""
    both = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in both)


OURS = sys.executable
