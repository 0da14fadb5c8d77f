"""Runs commands in tests, and reads the files that they write."""

from __future__ import annotations

import resource
import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from cyclopts import App
from PIL import Image

from smalti.cli import build_app, check_verb, main
from smalti.cli.options import check_numbers
from smalti.core.progress import Cancelled

TINY_RUN = ["--steps", "3", "--batch-size", "4", "--size", "8", "--precision", "32",
       "--save-every", "2", "--model.network.widths", "8",
       "--model.network.attention", "true"]  # fmt: skip


def run_command(command: str) -> int:
    """The exit code of `smalti WORDS`."""
    return main(command.split())


def parse_command(line: str) -> None:
    """Parse a line `smalti VERB ...` with all its options, without running it.

    Raises what the command line would raise for a wrong verb, option or value.
    """
    program, *words = shlex.split(line, comments=True)
    assert program == "smalti", line
    if words[0] != "--help":
        check_verb(words[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("smalti.cli.call_app", parse_words)
        parse_words(build_app(), words)


def parse_words(app: App, words: list[str]) -> None:
    """Parse words, in two steps if the options depend on the other words."""
    command, bound, _ = app.parse_args(words, print_error=False, exit_on_error=False)
    check_numbers(command, bound, words)
    if hasattr(command, "choose"):
        command(*bound.args, **bound.kwargs)


def list_contents(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def read_pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image, dtype=int)


def compute_max_difference(a: np.ndarray, b: np.ndarray) -> int:
    """The largest difference of two pictures, in levels of 256."""
    assert a.shape == b.shape
    return int(abs(a - b).max())


@contextmanager
def limit_file_size(size: int = 2000) -> Iterator[None]:
    """Simulate a disk that is full after `size` bytes of a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def read_files(path: str | Path) -> dict[str, bytes]:
    """The bytes of a file, or of all files below a folder."""
    root = Path(path)
    files = [root] if root.is_file() else [p for p in root.rglob("*") if p.is_file()]
    assert files
    return {str(file.relative_to(root)): file.read_bytes() for file in files}


@contextmanager
def expect_nothing_left(folder: Path) -> Iterator[Callable[[object], None]]:
    """Cancel a task at its second progress event, and check that nothing new is in the folder."""
    before, events = list_contents(folder), []

    def cancel(event: object) -> None:
        events.append(event)
        if len(events) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        yield cancel
    assert list_contents(folder) == before
