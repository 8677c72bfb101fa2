"""Run every benchmark of this folder and print what each prints.

Usage: python benchmarks/run.py [--data FOLDER]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

SCRIPTS = (
    "ventoux.py",
    "longyearbyen.py",
    "rpc_points.py",
    "memory.py",
    "certified_rays.py",
    "ortho_exact.py",
    "ortho_speed.py",
    "ortho_scale.py",
    "rigid_apply.py",
    "against_xdem.py",
    "blockwise_xdem.py",
    "blockwise_truth.py",
    "blockwise_scale.py",
    "engines.py",
)


def main() -> None:
    """Run the scripts one after the other; stop at the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=os.environ.get("TRUEGROUND_DATA", "../shared/data"))
    environment = {**os.environ, "TRUEGROUND_DATA": parser.parse_args().data}
    for script in SCRIPTS:
        print(f"== {script}", flush=True)
        subprocess.run(
            [sys.executable, Path(__file__).parent / script], check=True, env=environment
        )


if __name__ == "__main__":
    main()
