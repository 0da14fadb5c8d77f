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

CHECKSUM_FILE = "SHA256SUMS"
MAX_CHECKSUM_BYTES = 2**16
STEP_PATTERN = r"step-(\d{1,12})"
MODEL_FILES = ("config.json", "model.safetensors")
RUN_FILES = (*MODEL_FILES, "trainer.pt")
"""What going on with a run takes."""


def write_checksums(step: Path) -> None:
    """Hash every file of a step, before it is put in its place."""
    files = sorted(path for path in step.iterdir() if path.is_file() and path.name != CHECKSUM_FILE)
    with open(step / CHECKSUM_FILE, "w", encoding="utf-8") as file:
        file.writelines(f"{hash_file(path)}  {path.name}\n" for path in files)
        file.flush()
        os.fsync(file.fileno())


def read_checksums(step: Path) -> dict[str, str]:
    """SHA-256 by file, as far as it is recorded."""
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
    """What is wrong with these files of a step, in a few words; empty when they are as saved."""
    sums = read_checksums(step)
    for name in file_names:
        path = step / name
        if not path.is_file():
            return f"{path} cannot be read: it is missing"
        try:
            if name in sums and hash_file(path) != sums[name]:
                return f"{path} is damaged: it is not what was saved"
        except OSError as error:
            return f"{path} cannot be read: {error.strerror or error}"
    return ""


def is_run(folder: Path) -> bool:
    """Whether a folder is a run, and no checkpoint itself."""
    if not folder.is_dir() or (folder / "config.json").is_file():
        return False
    return any((folder / name).is_file() for name in ("run.json", "latest")) or bool(
        list_steps(folder)
    )


def list_steps(run: Path) -> list[Path]:
    """The directories of a run's steps: first the one that `latest` names, then the newest."""
    found = {
        path: re.fullmatch(STEP_PATTERN, path.name) for path in run.glob("step-*") if path.is_dir()
    }
    numbers = {path: int(match[1]) for path, match in found.items() if match}
    newest = sorted(numbers, key=numbers.__getitem__, reverse=True)
    return list(dict.fromkeys([*list_latest_step(run), *newest]))


def list_latest_step(run: Path) -> list[Path]:
    """The directory that `latest` names, or where earlier versions put it aside."""
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
    """The newest step of a run whose files are whole; a Notice says which are passed over.

    None when nothing was saved yet. UserError when no saved step is whole.
    """
    step, passed_over = find_intact_step(run, file_names)
    for complaint in passed_over:
        warnings.warn(Notice(complaint), stacklevel=2)
    return step


def find_intact_step(run: Path, file_names: Iterable[str]) -> tuple[Path | None, list[str]]:
    """As `newest_step`, with a line for each step that is passed over."""
    file_names, complaints = tuple(file_names), list[str]()
    for step in list_steps(run):
        if not (complaint := find_damage(step, file_names)):
            return step, [f"{passed_over}; taking {step.name}" for passed_over in complaints]
        complaints.append(complaint)
    if complaints:
        raise UserError(f"{run} has no step that is whole: {complaints[0]}; train anew")
    return None, []
