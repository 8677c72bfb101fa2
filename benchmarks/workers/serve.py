"""How a job serves the benchmark: it makes ready, and each line of its input is a run. Runs in any tool's Python.

    python WORKER.py JOB '{"its": "arguments"}'

`run` runs the job, `judge` judges its last result, `warm {"other": "arguments"}` makes and runs it once with others.

A job gets its arguments and returns two functions: one that is timed, one that judges its last result. What the timed
one returns may hold `said`, a dict of figures that are told with the run.
"""

import contextlib
import json
import os
import resource
import sys
import time
from pathlib import Path


def serve(jobs):
    """Answer on what was standard output; what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    run, judge = jobs[sys.argv[1]](**json.loads(sys.argv[2]))

    def answer(**what):
        answers.write(json.dumps(what) + "\n")
        answers.flush()

    answer(ready=True)
    result = None
    for line in sys.stdin:
        if line.strip() == "judge":
            answer(**judge(result))
            continue
        if line.startswith("warm "):
            jobs[sys.argv[1]](**json.loads(line.removeprefix("warm ")))[0]()
            answer(warm=True)
            continue
        result = None
        forget_peak()
        begin, start = processor(), time.perf_counter()
        result = run()
        wall, cpu = time.perf_counter() - start, processor() - begin
        said = result.pop("said", {}) if isinstance(result, dict) else {}
        answer(wall=wall, cpu=cpu, peak=peak(), **said)


def processor():
    """Return processor time of this process and of its children that have ended [s]."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def forget_peak():
    """Let the peak of memory begin anew, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak():
    """Return the peak of this process, or of the largest child [MB]."""
    status = Path("/proc/self/status").read_text()
    own = int(status.split("VmHWM:")[1].split()[0])
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024.0
