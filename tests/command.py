"""Typing a command in a test, and looking at what it left."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalti.cli import main
from smalti.core.progress import Cancelled

TINY_RUN = ["--steps", "3", "--batch", "4", "--size", "8", "--precision", "32", "--save", "2",
       "--model.network.widths", "8", "--model.network.attention", "true"]  # fmt: skip


def run_command(command: str) -> int:
    """The exit code of `smalti WORDS`."""
    return main(command.split())


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
    """A disk that is full after so many bytes of a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def read_files(place: str | Path) -> dict[str, bytes]:
    """The bytes of a file, or of all files below a folder."""
    place = Path(place)
    files = [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]
    assert files
    return {str(path.relative_to(place)): path.read_bytes() for path in files}


@contextmanager
def expect_nothing_left(folder: Path) -> Iterator[Callable[[object], None]]:
    """An `on_progress` that ends a task at its second word; then nothing new is in the folder."""
    before, told = list_contents(folder), []

    def cancel(at: object) -> None:
        told.append(at)
        if len(told) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        yield cancel
    assert list_contents(folder) == before
