"""The gallery: every example is run, and shown with what it printed, what it drew, and its source."""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
from pathlib import Path

INDEX = """# Gallery

Programs of `examples/`, run on the [synthetic world](../reference/running.md) when this documentation was built.
Each takes paths, so that it runs on your own files as well: `python examples/NAME.py --help`.

"""


def pages(examples: Path, *, work: Path) -> dict[str, str | bytes]:
    """Run all examples and return their pages and pictures by their places."""
    made: dict[str, str | bytes] = {}
    index = [INDEX]
    for script in sorted(examples.glob("*.py")):
        title, text, files = one(script, work / script.stem)
        made[f"gallery/{script.stem}.md"] = text
        made |= {f"gallery/{script.stem}/{name}": content for name, content in files.items()}
        index.append(f"## [{title}]({script.stem}.md)\n\n")
        if files:
            first = next(iter(files))
            picture = f"![{alt(first)}]({script.stem}/{first}){{ .thumbnail }}"
            index.append(f"[{picture}]({script.stem}.md)\n\n")
    made["gallery/index.md"] = "".join(index)
    return made


def one(script: Path, folder: Path) -> tuple[str, str, dict[str, bytes]]:
    """Return the title, the page and the pictures of an example."""
    source = script.read_text(encoding="utf-8")
    told = run(script, source, folder)
    lines = (ast.get_docstring(ast.parse(source)) or script.stem).splitlines()
    title = lines[0].rstrip(".")
    rest = "\n".join(lines[1:]).strip()
    files = {
        p.name: p.read_bytes()
        for p in sorted(folder.glob("*.png"), key=lambda p: p.stat().st_mtime_ns)
    }
    parts = [
        f"# {title}\n",
        rest,
        "\n## What it prints\n",
        f"```\n{told.strip()}\n```\n",
        "## What it draws\n",
    ]
    parts += [f"![{alt(name)}]({script.stem}/{name})\n" for name in files]
    parts += ["## The program\n", f'```python title="examples/{script.name}"\n{source}```\n']
    return title, "\n".join(parts), files


def run(script: Path, source: str, folder: Path) -> str:
    """Run an example where it or trueground has changed since the last time; return what it printed."""
    key, said = folder / "key", folder / "printed.txt"
    now = state(source)
    if key.is_file() and key.read_text(encoding="utf-8") == now:
        return said.read_text(encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*"):
        old.unlink()
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", str(script), "--output", str(folder)],
        capture_output=True, text=True, check=False, env={**os.environ, "MPLBACKEND": "agg"},
    )  # fmt: skip
    if done.returncode:
        msg = f"{script} failed with exit code {done.returncode}:\n{done.stderr}"
        raise RuntimeError(msg)
    said.write_text(done.stdout, encoding="utf-8")
    key.write_text(now, encoding="utf-8")
    return done.stdout


def state(source: str) -> str:
    """Return a hash of an example and of all that trueground is."""
    import trueground

    digest = hashlib.sha256(source.encode())
    for path in sorted(Path(trueground.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def alt(name: str) -> str:
    """Return the words for a picture, from its name."""
    return Path(name).stem.replace("_", " ")
