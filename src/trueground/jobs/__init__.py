"""Many scenes at once: a job file read and checked, planned, run, and gone on with.

A step of a job is a command of ours. What a command is and does comes from above, as `Commands`:
this package knows which of its parameters are files, where results lie, and what can be reused.
"""

from __future__ import annotations

from trueground.jobs.commands import Commands, Complaint, Extent, Outcome
from trueground.jobs.document import Fault, JobError
from trueground.jobs.model import Job, Scene, Step
from trueground.jobs.plan import Plan, plan
from trueground.jobs.reading import read_job
from trueground.jobs.record import RunRecord, StepRecord
from trueground.jobs.running import run_job

__all__ = [
    "Commands",
    "Complaint",
    "Extent",
    "Fault",
    "Job",
    "JobError",
    "Outcome",
    "Plan",
    "RunRecord",
    "Scene",
    "Step",
    "StepRecord",
    "plan",
    "read_job",
    "run_job",
]
