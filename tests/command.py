"""Typing a command in a test, and looking at what it left."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from smalti.cli import main

RUN = ["--steps", "3", "--batch", "4", "--size", "8", "--precision", "32", "--save", "2",
       "--model.network.widths", "8", "--model.network.attention", "true"]  # fmt: skip


def typed(words: str) -> int:
    """The exit code of `smalti WORDS`."""
    return main(words.split())


def contents(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image, dtype=int)


def apart(a: np.ndarray, b: np.ndarray) -> int:
    """The largest difference of two pictures, in levels of 256."""
    assert a.shape == b.shape
    return int(abs(a - b).max())


@contextmanager
def small_files(size: int = 2000) -> Iterator[None]:
    """A disk that is full after so many bytes of a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
