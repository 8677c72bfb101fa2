"""Zip the plugin for QGIS, with the licence and the version of the package: `build/trueground_processing.zip`."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "qgis" / "trueground_processing"
_SUFFIXES = (".py", ".txt", ".svg")


def build(folder: Path) -> Path:
    """Write the archive into a folder, and return its path; the same content gives the same bytes."""
    found = re.search(
        r'(?m)^__version__ = "(.+)"$', (ROOT / "src/trueground/__init__.py").read_text()
    )
    if found is None:
        msg = "src/trueground/__init__.py has no __version__"
        raise ValueError(msg)
    contents = {p.name: p.read_bytes() for p in sorted(PLUGIN.iterdir()) if p.suffix in _SUFFIXES}
    metadata = contents["metadata.txt"].decode().replace("version=0\n", f"version={found[1]}\n")
    contents["metadata.txt"] = metadata.encode()
    contents["LICENSE"] = (ROOT / "LICENSE").read_bytes()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{PLUGIN.name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(f"{PLUGIN.name}/{name}"), content)
    return path


if __name__ == "__main__":
    print(f"wrote {build(ROOT / 'build')}")
