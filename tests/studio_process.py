"""A `smalti serve` in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

START = "import sys; from smalti.cli import main; sys.exit(main())"


class RunningStudio(NamedTuple):
    """A server, and the address that it printed."""

    process: subprocess.Popen[str]
    address: str


@contextmanager
def run_studio(folder: Path, *words: str) -> Iterator[RunningStudio]:
    """Start a server on any free port; it must end well when it is interrupted."""
    command = [sys.executable, "-c", START, "serve", "--port", "0", "--folder", str(folder), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("The studio is open at http://127.0.0.1:"), line
            yield RunningStudio(process, line.split()[-1])
        finally:
            if process.poll() is None:  # a test may have killed it
                process.send_signal(signal.SIGINT)
                try:
                    assert process.wait(60) == 0
                finally:
                    process.kill()
