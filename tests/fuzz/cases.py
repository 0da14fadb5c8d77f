"""A malformed input, and the command that reads it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Make = Callable[[Path], object]
T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """One input with one defect."""

    name: str
    make: Make
    """Writes the input into an empty folder."""
    command: str
    """The command, run in that folder."""
    check: Callable[[Path], bool] = lambda workdir: True
    """Whether the result is right, if the command succeeds."""
    good: bool = False
    """Whether the input is valid: the command must succeed."""


def write_file(name: str, data: bytes | str, *also: Make) -> Make:
    """Make a function that writes one file, after the others."""

    def make(workdir: Path) -> None:
        for other in also:
            other(workdir)
        path = workdir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())

    return make


def link_file(name: str, to: Path) -> Make:
    """Make a function that creates a symbolic link instead of a copy."""

    def make(workdir: Path) -> None:
        (workdir / name).parent.mkdir(parents=True, exist_ok=True)
        (workdir / name).symlink_to(to)

    return make


def copy_folder(folder: Path, name: str, omit: str) -> Make:
    """Make a function that copies a folder without one of its files."""

    def make(workdir: Path) -> None:
        shutil.copytree(folder, workdir / name)
        (workdir / name / omit).unlink()

    return make


def make_cases(
    title: str,
    name: str,
    data: bytes,
    defects: Iterable[tuple[str, Callable[[bytes], bytes]]],
    command: str,
    *also: Make,
    check: Callable[[Path], bool] = lambda workdir: True,
) -> Iterator[Case]:
    """Yield cases of the file `name` with each of these defects, and without any."""
    yield Case(f"{title}: good", write_file(name, data, *also), command, check, good=True)
    for defect, change in defects:
        yield Case(f"{title}: {defect}", write_file(name, change(data), *also), command, check)


def pick_evenly(cases: Sequence[T], n: int, seed: int) -> list[T]:
    """Pick n evenly spaced cases, or all if there are fewer; the seed sets the offset."""
    if n >= len(cases):
        return list(cases)
    offset = random.Random(seed).random()
    return [cases[int((k + offset) * len(cases) / n)] for k in range(n)]
