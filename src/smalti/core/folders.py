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
    disk_named,
    empty_removed_on_error,
    make_folders,
    remove_empty,
    remove_leftovers,
    temporary_folder,
)

SYSTEM = {"lost+found", "@eaDir", "__MACOSX", "Thumbs.db", "desktop.ini"}
"""What systems put into a folder, beside hidden files: it does not count, and stays."""


@dataclass(frozen=True)
class Results:
    """What a command writes into a folder, by which an earlier result is known as ours."""

    names: str
    """A regular expression of the files' paths below the folder."""
    record: str | None = None
    """The JSON file that says how the others were made; without it nothing there is ours.

    Its "files", where it has them, are the others: what else is there is not ours. Where None is
    named, every file is such a record of itself."""
    keys: tuple[str, ...] = ("smalti",)
    """What a record of ours has at least."""
    shared: bool = False
    """Whether files of other names may lie beside these; they stay."""


@contextmanager
def folder_for(out: str | Path, results: Results) -> Iterator[Path]:
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
    with lock_folder(out), empty_removed_on_error(made):
        cut_short = remove_leftovers(place)
        remove_leftovers(place.parent)
        own_files(out, results, cut_short)
        with temporary_folder(place.parent if place in made else place) as folder:
            with disk_named(out):
                yield folder
            if not (place in made and rename_folder(folder, place)):
                move_files(folder, out, results, cut_short)


def results_folder(out: str | Path | None, results: Results) -> AbstractContextManager[Path | None]:
    """As `folder_for`; None, and nothing is written, where there is no `out`."""
    return nullcontext() if out is None else folder_for(out, results)


def check_free(out: str | Path | None, results: Results) -> None:
    """UserError unless `out` is new, empty, or holds an earlier result of ours; or is None."""
    if out is not None:
        check_folder(out)
        own_files(out, results)


def check_writable(out: str | Path) -> None:
    """OSError unless something can be written into the folder `out`, which need not exist."""
    place = Path(os.path.realpath(out))
    try:
        with temporary_folder(place):
            pass
    except FileNotFoundError:
        for made in make_folders(place):
            remove_empty(made)


def check_folder(out: str | Path) -> None:
    place = Path(out)
    if place.exists() and not place.is_dir():
        raise UserError(f"{out} is a file; choose a folder with --out")


def own_files(out: str | Path, results: Results, cut_short: bool = False) -> set[str]:
    """Paths below `out` of an earlier result's files, which may be replaced or removed.

    cut_short: a kill may have come between an earlier result's files and its record.
    Raises UserError when something else is there.
    """
    record = read_record(Path(out, results.record or ""), results.keys)
    if record is None and cut_short:
        record = {}
    own: set[str] = set()
    for name in members(Path(out)):
        told = record if results.record else read_record(Path(out, name), results.keys)
        if told is not None and is_own(name, told, results):
            own.add(name)
        elif not results.shared or re.fullmatch(results.names, name):
            first = name.split("/")[0]
            raise UserError(f"{out} holds {first!r}, which is not ours; choose another --out")
    return own


def is_own(name: str, record: dict[str, Any], results: Results) -> bool:
    files = record.get("files")
    listed = not isinstance(files, list) or name == results.record or name in files
    return listed and re.fullmatch(results.names, name) is not None


def read_record(path: Path, keys: tuple[str, ...]) -> dict[str, Any] | None:
    """The JSON object at `path`; None when it is missing or not one that we write."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and content.keys() >= {*keys} else None


def write_record(path: Path, record: dict[str, Any]) -> None:
    """A JSON object with a line for each of its keys, the version, and the files beside it."""
    version = {"smalti": smalti.__version__}
    content = {**record, **version, "files": sorted(members(path.parent))}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def members(folder: Path) -> Iterator[str]:
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
    return name[0] != "." and name not in SYSTEM


def rename_folder(folder: Path, place: Path) -> bool:
    """Put a whole folder in the place of an empty one; false where that does not go."""
    try:
        os.rename(folder, place)
    except OSError:  # something has come into it
        return False
    return True


def move_files(folder: Path, out: str | Path, results: Results, cut_short: bool) -> None:
    """Move a folder's files to `out`: the old record goes first, and the new one comes last."""
    place, own = Path(os.path.realpath(out)), own_files(out, results, cut_short)
    new = sorted(members(folder), key=lambda name: (name == results.record, name))
    for name in new:
        if name not in own and os.path.lexists(place / name):
            raise UserError(f"{out} holds {name!r}, which is not ours; choose another --out")
    if results.record in own:
        (place / results.record).unlink()
    for name in sorted(own.difference(new, {results.record})):
        (place / name).unlink()
        remove_empty((place / name).parent)
    for name in new:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(folder / name, place / name)


def replace_directory(temporary: Path, to: Path) -> None:
    """Put a finished directory in the place of another of ours, which goes after."""
    with temporary_folder(to.parent) as aside:
        if to.exists():
            os.rename(to, aside / "old")
        os.rename(temporary, to)
