"""Folders of results: made whole or not at all, and never over somebody else's files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import smalti
from smalti.core.errors import UserError
from smalti.core.locks import lock_folder
from smalti.core.staging import (
    make_folders,
    name_full_disk,
    remove_empty_on_error,
    remove_if_empty,
    remove_leftovers,
    temporary_folder,
)

SYSTEM_FILES = {"lost+found", "@eaDir", "__MACOSX", "Thumbs.db", "desktop.ini"}
"""What systems put into a folder, beside hidden files: it does not count, and stays."""


@dataclass(frozen=True)
class ResultFiles:
    """What a command writes into a folder, by which an earlier result is known as ours."""

    name_pattern: str
    """A regular expression of the files' paths below the folder."""
    record_name: str | None = None
    """The JSON file that says how the others were made; without it nothing there is ours.

    Its "files", where it has them, are the others: what else is there is not ours. Where None is
    named, every file is such a record of itself."""
    record_keys: tuple[str, ...] = ("smalti",)
    """What a record of ours has at least."""
    shared: bool = False
    """Whether files of other names may lie beside these; they stay."""


@contextmanager
def stage_folder(out: str | Path, results: ResultFiles) -> Iterator[Path]:
    """A temporary folder whose files take their place in `out` when all went well.

    A new `out` appears as a whole. Into one that exists the files are moved, each in one step, and
    those of an earlier result of ours that are not written again are removed; so a link, a mount
    point or the working folder stays what it is.
    Entering finds out whether `out` can be written, and keeps it for this process until the end.
    Raises UserError for an `out` that is a file, is in use or holds what is not ours.
    """
    place = Path(os.path.realpath(out))
    check_folder(out)
    made = make_folders(place)
    with lock_folder(out), remove_empty_on_error(made):
        cut_short = remove_leftovers(place)
        remove_leftovers(place.parent)
        list_own_files(out, results, cut_short)
        with temporary_folder(place.parent if place in made else place) as folder:
            with name_full_disk(out):
                yield folder
            if not (place in made and rename_folder(folder, place)):
                move_files(folder, out, results, cut_short)


def stage_optional_folder(
    out: str | Path | None, results: ResultFiles
) -> AbstractContextManager[Path | None]:
    """As `folder_for`; None, and nothing is written, where there is no `out`."""
    return nullcontext() if out is None else stage_folder(out, results)


def check_replaceable(out: str | Path | None, results: ResultFiles) -> None:
    """UserError unless `out` is new, empty, or holds an earlier result of ours; or is None."""
    if out is not None:
        check_folder(out)
        list_own_files(out, results)


def check_writable(out: str | Path) -> None:
    """OSError unless something can be written into the folder `out`, which need not exist."""
    place = Path(os.path.realpath(out))
    try:
        with temporary_folder(place):
            pass
    except FileNotFoundError:
        for made in make_folders(place):
            remove_if_empty(made)


def check_folder(out: str | Path) -> None:
    place = Path(out)
    if place.exists() and not place.is_dir():
        raise UserError(f"{out} is a file; choose a folder with --out")


def list_own_files(out: str | Path, results: ResultFiles, cut_short: bool = False) -> set[str]:
    """Paths below `out` of an earlier result's files, which may be replaced or removed.

    cut_short: a kill may have come between an earlier result's files and its record.
    Raises UserError when something else is there.
    """
    record = read_record(Path(out, results.record_name or ""), results.record_keys)
    if record is None and cut_short:
        record = {}
    own: set[str] = set()
    for name in list_files(Path(out)):
        told = record if results.record_name else read_record(Path(out, name), results.record_keys)
        if told is not None and is_own_file(name, told, results):
            own.add(name)
        elif not results.shared or re.fullmatch(results.name_pattern, name):
            first = name.split("/")[0]
            raise UserError(f"{out} holds {first!r}, which is not ours; choose another --out")
    return own


def is_own_file(name: str, record: dict[str, Any], results: ResultFiles) -> bool:
    files = record.get("files")
    listed = not isinstance(files, list) or name == results.record_name or name in files
    return listed and re.fullmatch(results.name_pattern, name) is not None


def read_record(path: Path, required_keys: tuple[str, ...]) -> dict[str, Any] | None:
    """The JSON object at `path`; None when it is missing or not one that we write."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and content.keys() >= {*required_keys} else None


def write_record(path: Path, record: dict[str, Any]) -> None:
    """A JSON object with a line for each of its keys, the version, and the files beside it."""
    version = {"smalti": smalti.__version__}
    content = {**record, **version, "files": sorted(list_files(path.parent))}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def list_files(folder: Path) -> Iterator[str]:
    """Paths below `folder` of its files, links and empty folders; not of what systems put there."""
    for place, folders, files in os.walk(folder):
        here = Path(place).relative_to(folder)
        folders.sort()
        if place == str(folder):
            folders[:] = filter(is_visible, folders)
            files = filter(is_visible, files)
        elif not folders and not files:
            yield here.as_posix()
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        yield from ((here / name).as_posix() for name in sorted([*files, *links]))


def is_visible(name: str) -> bool:
    return name[0] != "." and name not in SYSTEM_FILES


def rename_folder(folder: Path, target: Path) -> bool:
    """Put a whole folder in the place of an empty one; false where that does not go."""
    try:
        os.rename(folder, target)
    except OSError:  # something has come into it
        return False
    return True


def move_files(folder: Path, out: str | Path, results: ResultFiles, cut_short: bool) -> None:
    """Move a folder's files to `out`: the old record goes first, and the new one comes last."""
    place, own = Path(os.path.realpath(out)), list_own_files(out, results, cut_short)
    new = sorted(list_files(folder), key=lambda name: (name == results.record_name, name))
    for name in new:
        if name not in own and os.path.lexists(place / name):
            raise UserError(f"{out} holds {name!r}, which is not ours; choose another --out")
    if results.record_name in own:
        (place / results.record_name).unlink()
    for name in sorted(own.difference(new, {results.record_name})):
        (place / name).unlink()
        remove_if_empty((place / name).parent)
    for name in new:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(folder / name, place / name)


def replace_directory(temporary: Path, target: Path) -> None:
    """Put a finished directory in the place of another of ours, which goes after."""
    with temporary_folder(target.parent) as aside:
        if target.exists():
            os.rename(target, aside / "old")
        os.rename(temporary, target)
