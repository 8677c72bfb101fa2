"""The peers, an environment each, so that none stands in another's way.

    python benchmarks/peers.py        # makes .venv-bench/NAME for each; one that cannot be installed is said, no more

The pins of xDEM are those of the extra `bench` in pyproject.toml; the others are here. Debian's gdal-bin is taken as it
is found; where apt-get and the right to use it are there, it is asked for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".venv-bench"
PINS = {
    "orthority": ["orthority==0.7.0"],
    "shareloc": ["shareloc==0.3.0"],
    "demcompare": ["demcompare==0.6.1"],
    "py-spy": ["py-spy==0.4.3"],
}
NAMES = ("xdem", *PINS)
FAILURE = ".failure"  # holds the last line of an installation that failed
PATIENCE = 900.0  # s that an installation may take
DEBIAN = ("gdal-bin", "python3-gdal")


def pins(name: str) -> list[str]:
    """Return what pip is asked for."""
    if name != "xdem":
        return PINS[name]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return list(project["project"]["optional-dependencies"]["bench"])


def python_of(name: str) -> Path:
    """Return a peer's Python."""
    return HOME / name / "bin" / "python"


def program(name: str, of: str) -> Path:
    """Return a program of a peer."""
    return HOME / of / "bin" / name


def why_not(name: str) -> str:
    """Return why a peer is not there, or nothing."""
    said = HOME / f"{name}{FAILURE}"
    if said.exists():
        return said.read_text().strip()
    return "" if python_of(name).exists() else "not installed: python benchmarks/peers.py"


def lacking(path: str | Path) -> str:
    """Return why the peer of a program is not there, or nothing."""
    if HOME not in Path(path).parents:
        return ""
    return why_not(Path(path).relative_to(HOME).parts[0])


def version(name: str) -> str:
    """Return a peer's version."""
    if why_not(name):
        return "not there"
    words = f"import importlib.metadata as m; print(m.version({name!r}))"
    ran = subprocess.run([python_of(name), "-c", words], capture_output=True, text=True, check=False)  # fmt: skip
    return ran.stdout.strip() or "not there"


def failing(words: list[str]) -> str:
    """Run a program; return the last line of what went wrong, or nothing."""
    try:
        ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if not ran.returncode:
        return ""
    lines = [t for t in ran.stderr.splitlines() if t.strip() and not t.startswith("WARNING")]
    return (lines or ["it said nothing"])[-1]


def install(name: str) -> None:
    """Make an environment; keep the last line of what went wrong."""
    done, wanted = HOME / name / ".installed", "\n".join(pins(name))
    if done.exists() and done.read_text() == wanted:
        return
    print(f"installing {name}", flush=True)
    said = HOME / f"{name}{FAILURE}"
    said.unlink(missing_ok=True)
    pip = [python_of(name), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    for words in (
        [sys.executable, "-m", "venv", "--clear", HOME / name],
        [*pip, "--only-binary=:all:", *pins(name)],
    ):
        failure = failing([str(w) for w in words])
        if failure:
            said.write_text(failure)
            print(f"{name} could not be installed: {said.read_text()}", flush=True)
            return
    done.write_text(wanted)


def install_debian() -> None:
    """Ask apt for GDAL's programs, as root or without a password; go on without."""
    missing = shutil.which("gdalwarp") is None
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not missing or shutil.which("apt-get") is None or (sudo and shutil.which("sudo") is None):
        return
    get = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-qq", "--no-install-recommends",
           "-o", "DPkg::Lock::Timeout=30"]  # fmt: skip
    for words in ([*get, "update"], [*get, "install", *DEBIAN]):
        try:
            subprocess.run(
                words, check=False, timeout=300, stdin=subprocess.DEVNULL, capture_output=True
            )
        except (OSError, subprocess.TimeoutExpired):
            break
    if shutil.which("gdalwarp") is None:
        print(
            "gdal-bin could not be installed: rows that need it say so", file=sys.stderr, flush=True
        )


def main() -> None:
    """Install all that is not there."""
    HOME.mkdir(exist_ok=True)
    (HOME / ".gitignore").write_text("*\n")
    install_debian()
    for name in NAMES:
        install(name)


if __name__ == "__main__":
    main()
