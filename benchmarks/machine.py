"""What stands on top of the results: machine, versions, date, commit."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import peers

ROOT = Path(__file__).parents[1]
OURS = ("trueground", "numpy", "numba", "rasterio", "pyproj", "scipy")


def machine() -> dict[str, object]:
    """Return processor, cores, memory [GB] and system."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":", 1)[1].strip() for line in info.splitlines() if "model name" in line]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": round(memory),
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
    }


def first_line(*words: str) -> str:
    """Return the first line that a program prints."""
    if shutil.which(words[0]) is None:
        return "not there"
    ran = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    return (ran.stdout.strip().splitlines() or ["not there"])[0]


def versions() -> dict[str, str]:
    """Return versions of trueground, of what it stands on, and of the peers."""
    found = {name: importlib.metadata.version(name) for name in OURS}
    gdal = "import rasterio; print(rasterio.__gdal_version__)"
    found["GDAL in rasterio's wheel"] = first_line(sys.executable, "-c", gdal)
    found["GDAL of the system"] = first_line("gdalwarp", "--version").removeprefix("GDAL ")
    return found | {name: peers.version(name) for name in peers.NAMES}


def commit() -> str:
    """Return the commit, and whether files of the source differ from it."""
    name = first_line("git", "rev-parse", "--short", "HEAD")
    changed = first_line("git", "status", "--porcelain", "--", "src")
    return name if changed == "not there" else f"{name} with changes in src"


def source() -> str:
    """Return a hash of the package and of the benchmarks: what is measured."""
    told = hashlib.sha256()
    for path in sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]):
        told.update(path.read_bytes())
    return told.hexdigest()[:16]


def now() -> str:
    """Return the time, in UTC."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
