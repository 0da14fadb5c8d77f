"""A malformed input, and the command that meets it."""

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
    """Writes the input into a folder that holds nothing else."""
    command: str
    """The command, typed in that folder."""
    check: Callable[[Path], bool] = lambda where: True
    """Whether the result is right, where the command says that it went well."""
    good: bool = False
    """Whether nothing is wrong with the input: the command must go well."""


def write_file(name: str, data: bytes | str, *also: Make) -> Make:
    """Writes one file, after what else is wanted."""

    def make(workdir: Path) -> None:
        for other in also:
            other(workdir)
        path = workdir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())

    return make


def link_file(name: str, to: Path) -> Make:
    """A symbolic link: what is only read need not be copied."""

    def make(workdir: Path) -> None:
        (workdir / name).parent.mkdir(parents=True, exist_ok=True)
        (workdir / name).symlink_to(to)

    return make


def copy_folder(folder: Path, name: str, omit: str) -> Make:
    """A folder's files in a folder of that name, one of them left out."""

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
    check: Callable[[Path], bool] = lambda where: True,
) -> Iterator[Case]:
    """The file `name` with each of these defects of its bytes, and without any."""
    yield Case(f"{title}: good", write_file(name, data, *also), command, check, good=True)
    for defect, change in defects:
        yield Case(f"{title}: {defect}", write_file(name, change(data), *also), command, check)


def pick_evenly(cases: Sequence[T], n: int, seed: int) -> list[T]:
    """n of them, evenly spread, or all when there are no more; the seed decides where it begins."""
    if n >= len(cases):
        return list(cases)
    offset = random.Random(seed).random()
    return [cases[int((k + offset) * len(cases) / n)] for k in range(n)]
