"""Find the saved steps of a run, and check their files.

A step has a file SHA256SUMS in the format of `sha256sum -c`. Steps of earlier versions have none;
they count as intact if their files exist.
"""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path

from smalti.core.errors import Notice, UserError

CHECKSUM_FILE = "SHA256SUMS"
MAX_CHECKSUM_BYTES = 2**16
STEP_PATTERN = r"step-(\d{1,12})"
MODEL_FILES = ("config.json", "model.safetensors")
RUN_FILES = (*MODEL_FILES, "trainer.pt")
"""The files needed to resume a run."""


def write_checksums(step: Path) -> None:
    """Hash every file of a step, before the step is moved into its run."""
    files = sorted(path for path in step.iterdir() if path.is_file() and path.name != CHECKSUM_FILE)
    with open(step / CHECKSUM_FILE, "w", encoding="utf-8") as file:
        file.writelines(f"{hash_file(path)}  {path.name}\n" for path in files)
        file.flush()
        os.fsync(file.fileno())


def read_checksums(step: Path) -> dict[str, str]:
    """Read the recorded SHA-256 of each file."""
    try:
        with open(step / CHECKSUM_FILE, encoding="utf-8", errors="replace") as file:
            lines = file.read(MAX_CHECKSUM_BYTES).splitlines()
    except OSError:
        return {}
    found = (re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line) for line in lines)
    return {match[2]: match[1] for match in found if match}


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_damage(step: Path, file_names: Iterable[str]) -> str:
    """Describe what is wrong with files of a step; empty if they are as saved."""
    sums = read_checksums(step)
    for name in file_names:
        path = step / name
        if not path.is_file():
            return f"{path} cannot be read: it is missing"
        try:
            if name in sums and hash_file(path) != sums[name]:
                return f"{path} is damaged: its checksum differs"
        except OSError as error:
            return f"{path} cannot be read: {error.strerror or error}"
    return ""


def is_run(folder: Path) -> bool:
    """Whether a folder is a run, not a checkpoint."""
    if not folder.is_dir() or (folder / "config.json").is_file():
        return False
    return any((folder / name).is_file() for name in ("run.json", "latest")) or bool(
        list_steps(folder)
    )


def list_steps(run: Path) -> list[Path]:
    """List the directories of a run's steps: first the one that `latest` names, then the newest."""
    found = {
        path: re.fullmatch(STEP_PATTERN, path.name) for path in run.glob("step-*") if path.is_dir()
    }
    numbers = {path: int(match[1]) for path, match in found.items() if match}
    newest = sorted(numbers, key=numbers.__getitem__, reverse=True)
    return list(dict.fromkeys([*list_latest_step(run), *newest]))


def list_latest_step(run: Path) -> list[Path]:
    """List the directory that `latest` names, or its .old copy of earlier versions."""
    try:
        with open(run / "latest", encoding="utf-8", errors="replace") as file:
            name = file.read(100).strip()
    except OSError:
        return []
    if not re.fullmatch(STEP_PATTERN, name):
        return []
    aside = run / f"{name}.old"
    return [aside] if aside.is_dir() and not (run / name).exists() else [run / name]


def find_newest_step(run: Path, file_names: Iterable[str] = MODEL_FILES) -> Path | None:
    """Find the newest intact step of a run; a Notice lists damaged newer ones.

    None if nothing is saved yet. UserError if no saved step is intact.
    """
    step, messages = find_intact_step(run, file_names)
    for message in messages:
        warnings.warn(Notice(message), stacklevel=2)
    return step


def find_intact_step(run: Path, file_names: Iterable[str]) -> tuple[Path | None, list[str]]:
    """As `find_newest_step`, with a message for each damaged step."""
    file_names, damaged = tuple(file_names), list[str]()
    for step in list_steps(run):
        if not (damage := find_damage(step, file_names)):
            return step, [f"{message}; taking {step.name}" for message in damaged]
        damaged.append(damage)
    if damaged:
        raise UserError(f"{run} has no intact step: {damaged[0]}; train again")
    return None, []
