"""Draw docs/demo.svg: real output of real commands, run here and now.

.venv/bin/python scripts/picture.py
"""

from __future__ import annotations

import io
import os
import pty
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 124
COMMANDS = (
    "tagwright train --data sample --model minilm --out demo-tagger --set train.epochs=10",
    "tagwright evaluate demo-tagger --data sample",
    'echo "Saw Massive Attack play in Bristol, then read Dune on the train to Cardiff"'
    " | tagwright predict demo-tagger --to text",
)


def run(command: str, folder: str) -> str:
    """Run a command with a terminal for its stdout and a pipe for its progress; return both, as shown."""
    here = str(Path(sys.executable).parent)
    env = {
        **os.environ,
        "COLUMNS": str(WIDTH),
        "TERM": "xterm-256color",
        "PATH": f"{here}:{os.environ['PATH']}",
    }
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        ["bash", "-c", command], cwd=folder, env=env, stdout=follower, stderr=subprocess.PIPE, text=True
    )
    os.close(follower)
    shown = io.BytesIO()
    assert process.stderr is not None
    progress = process.stderr.read()
    while True:
        try:
            block = os.read(leader, 65536)
        except OSError:
            break
        if not block:
            break
        shown.write(block)
    if process.wait() != 0:
        raise SystemExit(f"{command}: {progress}")
    lines = progress.splitlines()
    kept = [line for line in lines if "tokens/s" not in line]
    return (
        "\n".join(kept)
        + ("\n" if kept else "")
        + shown.getvalue().decode().replace("\r\n", "\n").rstrip()
        + "\n"
    )


def main() -> None:
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    with tempfile.TemporaryDirectory() as folder:
        for command in COMMANDS:
            console.print(Text.assemble(("$ ", "bold green"), (command, "bold")), soft_wrap=False)
            console.print(Text.from_ansi(run(command, folder)))
    out = Path(__file__).parents[1] / "docs" / "demo.svg"
    svg = console.export_svg(title="tagwright")
    # The picture must not load fonts from elsewhere; the style names monospace as well.
    out.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), encoding="utf-8")
    print(f"wrote {out.name}: {shlex.join(COMMANDS[:1])} …")


if __name__ == "__main__":
    main()
