"""The saved steps of a run: which are there, and which of them are whole.

Beside the files of a step lies SHA256SUMS, as `sha256sum` writes it and `sha256sum -c` reads it.
Steps of earlier versions have none; they count as whole while their files are there.
"""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path

from smalti.core.errors import Notice, UserError

SUMS = "SHA256SUMS"
LARGEST_SUMS = 2**16
NAME = r"step-(\d{1,12})"
FILES_OF_A_MODEL = ("config.json", "model.safetensors")
FILES_OF_A_RUN = (*FILES_OF_A_MODEL, "trainer.pt")
"""What going on with a run takes."""


def write_sums(step: Path) -> None:
    """Hash every file of a step, before it is put in its place."""
    files = sorted(path for path in step.iterdir() if path.is_file() and path.name != SUMS)
    with open(step / SUMS, "w", encoding="utf-8") as file:
        file.writelines(f"{sha256(path)}  {path.name}\n" for path in files)
        file.flush()
        os.fsync(file.fileno())


def read_sums(step: Path) -> dict[str, str]:
    """SHA-256 by file, as far as it is recorded."""
    try:
        with open(step / SUMS, encoding="utf-8", errors="replace") as file:
            lines = file.read(LARGEST_SUMS).splitlines()
    except OSError:
        return {}
    found = (re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line) for line in lines)
    return {match[2]: match[1] for match in found if match}


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def damage(step: Path, names: Iterable[str]) -> str:
    """What is wrong with these files of a step, in a few words; empty when they are as saved."""
    sums = read_sums(step)
    for name in names:
        path = step / name
        if not path.is_file():
            return f"{path} cannot be read: it is missing"
        try:
            if name in sums and sha256(path) != sums[name]:
                return f"{path} is damaged: it is not what was saved"
        except OSError as error:
            return f"{path} cannot be read: {error.strerror or error}"
    return ""


def is_run(folder: Path) -> bool:
    """Whether a folder is a run, and no checkpoint itself."""
    if not folder.is_dir() or (folder / "config.json").is_file():
        return False
    return any((folder / name).is_file() for name in ("run.json", "latest")) or bool(
        steps_of(folder)
    )


def steps_of(run: Path) -> list[Path]:
    """The directories of a run's steps: first the one that `latest` names, then the newest."""
    found = {path: re.fullmatch(NAME, path.name) for path in run.glob("step-*") if path.is_dir()}
    numbers = {path: int(match[1]) for path, match in found.items() if match}
    newest = sorted(numbers, key=numbers.__getitem__, reverse=True)
    return list(dict.fromkeys([*named_steps(run), *newest]))


def named_steps(run: Path) -> list[Path]:
    """The directory that `latest` names, or where earlier versions put it aside."""
    try:
        with open(run / "latest", encoding="utf-8", errors="replace") as file:
            name = file.read(100).strip()
    except OSError:
        return []
    if not re.fullmatch(NAME, name):
        return []
    aside = run / f"{name}.old"
    return [aside] if aside.is_dir() and not (run / name).exists() else [run / name]


def newest_step(run: Path, names: Iterable[str] = FILES_OF_A_MODEL) -> Path | None:
    """The newest step of a run whose files are whole; a Notice says which are passed over.

    None when nothing was saved yet. UserError when no saved step is whole.
    """
    step, passed_over = find_whole_step(run, names)
    for complaint in passed_over:
        warnings.warn(Notice(complaint), stacklevel=2)
    return step


def find_whole_step(run: Path, names: Iterable[str]) -> tuple[Path | None, list[str]]:
    """As `newest_step`, with a line for each step that is passed over."""
    names, complaints = tuple(names), list[str]()
    for step in steps_of(run):
        if not (complaint := damage(step, names)):
            return step, [f"{passed_over}; taking {step.name}" for passed_over in complaints]
        complaints.append(complaint)
    if complaints:
        raise UserError(f"{run} has no step that is whole: {complaints[0]}; train anew")
    return None, []
