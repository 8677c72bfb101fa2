"""The reference of the command line, from what the commands say of themselves."""

from __future__ import annotations

import re

HEAD = """# Commands

What `trueground COMMAND --help` says, of all commands. Exit codes: 0 done, 2 wrong usage, 1 everything else, with
one line that says what is wrong and what to do; 130 after Ctrl-C. `--quiet`, `--verbose`,
`--progress lines` and `--config FILE.toml` ([options in a file](../config.md)) go with every command.

"""


def pages() -> dict[str, str]:
    """Return the page by its place."""
    from trueground.cli import app

    text = app.generate_docs(output_format="markdown", include_hidden=False)
    return {"reference/commands.md": HEAD + tidied(text)}


def tidied(text: str) -> str:
    """Leave the title, the table of contents, and what is said of every command, once."""
    parts = re.split(r"(?m)^(?=## trueground )", text)[1:]
    kept = [re.sub(r"(?m)^\* `--(quiet|verbose|progress|config)\b.*\n", "", part) for part in parts]
    return "".join(kept)
