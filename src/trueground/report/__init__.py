"""Results as one self-contained HTML page: offline, printable, light and dark.

A report is a pure function of results already saved: nothing is fitted or decided here, and
templates compute nothing.
"""

from __future__ import annotations

from trueground.report.alignment import write_alignment_report
from trueground.report.convergence import write_convergence_report
from trueground.report.demo import write_demo_report
from trueground.report.ortho import write_ortho_report

__all__ = [
    "write_alignment_report",
    "write_convergence_report",
    "write_demo_report",
    "write_ortho_report",
]
