"""Write result folders atomically, and never overwrite files that smalti did not write."""

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
"""Files that operating systems create; like hidden files they are ignored and kept."""


@dataclass(frozen=True)
class ResultFiles:
    """The files that a command writes into a folder; they identify an earlier result as ours."""

    name_pattern: str
    """Regular expression of the files' paths relative to the folder."""
    record_name: str | None = None
    """The JSON file that describes how the others were made; without it no file is ours.

    Its "files", if present, lists the others; files not listed are not ours. If None, every file
    is its own record."""
    record_keys: tuple[str, ...] = ("smalti",)
    """Keys that our records have."""
    shared: bool = False
    """Whether the folder may contain files of other names, which are kept."""


@contextmanager
def stage_folder(out: str | Path, results: ResultFiles) -> Iterator[Path]:
    """Yield a temporary folder; on success its files are moved to `out`.

    A new `out` appears in one rename. In an existing one the files are replaced one by one, and
    files of our earlier result that are not written again are removed; so a symbolic link, a mount
    point or the working folder is kept.
    Entering checks that `out` is writable, and locks it until the end.
    Raises UserError if `out` is a file, is in use or contains files that are not ours.
    """
    target = Path(os.path.realpath(out))
    check_folder(out)
    made = make_folders(target)
    with lock_folder(out), remove_empty_on_error(made):
        cut_short = remove_leftovers(target)
        remove_leftovers(target.parent)
        list_own_files(out, results, cut_short)
        with temporary_folder(target.parent if target in made else target) as folder:
            with name_full_disk(out):
                yield folder
            if not (target in made and rename_folder(folder, target)):
                move_files(folder, out, results, cut_short)


def stage_optional_folder(
    out: str | Path | None, results: ResultFiles
) -> AbstractContextManager[Path | None]:
    """As `stage_folder`; if `out` is None, yield None and write nothing."""
    return nullcontext() if out is None else stage_folder(out, results)


def check_replaceable(out: str | Path | None, results: ResultFiles) -> None:
    """UserError unless `out` is None, new, empty, or contains our earlier result."""
    if out is not None:
        check_folder(out)
        list_own_files(out, results)


def check_writable(out: str | Path) -> None:
    """OSError unless the folder `out`, which need not exist, is writable."""
    target = Path(os.path.realpath(out))
    try:
        with temporary_folder(target):
            pass
    except FileNotFoundError:
        for made in make_folders(target):
            remove_if_empty(made)


def check_folder(out: str | Path) -> None:
    target = Path(out)
    if target.exists() and not target.is_dir():
        raise UserError(f"{out} is a file; choose a folder with --out")


def list_own_files(out: str | Path, results: ResultFiles, cut_short: bool = False) -> set[str]:
    """List the files of our earlier result in `out`, which may be replaced or removed.

    cut_short: a process may have been killed after writing its files, before its record.
    Raises UserError if there are other files.
    """
    record = read_record(Path(out, results.record_name or ""), results.record_keys)
    if record is None and cut_short:
        record = {}
    own: set[str] = set()
    for name in list_files(Path(out)):
        described = (
            record if results.record_name else read_record(Path(out, name), results.record_keys)
        )
        if described is not None and is_own_file(name, described, results):
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
    """Read a record; None if it is missing or not ours."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and content.keys() >= {*required_keys} else None


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write a record as JSON, one key a line, with the version and the files of its folder."""
    version = {"smalti": smalti.__version__}
    content = {**record, **version, "files": sorted(list_files(path.parent))}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def list_files(folder: Path) -> Iterator[str]:
    """List files, links and empty folders, relative to `folder`, without system files."""
    for path, folders, files in os.walk(folder):
        relative = Path(path).relative_to(folder)
        folders.sort()
        if path == str(folder):
            folders[:] = filter(is_visible, folders)
            files = filter(is_visible, files)
        elif not folders and not files:
            yield relative.as_posix()
        links = [name for name in folders if os.path.islink(os.path.join(path, name))]
        yield from ((relative / name).as_posix() for name in sorted([*files, *links]))


def is_visible(name: str) -> bool:
    return name[0] != "." and name not in SYSTEM_FILES


def rename_folder(folder: Path, target: Path) -> bool:
    """Replace an empty folder by another; return whether that worked."""
    try:
        os.rename(folder, target)
    except OSError:  # it is no longer empty
        return False
    return True


def move_files(folder: Path, out: str | Path, results: ResultFiles, cut_short: bool) -> None:
    """Move a folder's files to `out`: remove the old record first, write the new one last."""
    target, own = Path(os.path.realpath(out)), list_own_files(out, results, cut_short)
    new = sorted(list_files(folder), key=lambda name: (name == results.record_name, name))
    for name in new:
        if name not in own and os.path.lexists(target / name):
            raise UserError(f"{out} holds {name!r}, which is not ours; choose another --out")
    if results.record_name in own:
        (target / results.record_name).unlink()
    for name in sorted(own.difference(new, {results.record_name})):
        (target / name).unlink()
        remove_if_empty((target / name).parent)
    for name in new:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(folder / name, target / name)


def replace_directory(temporary: Path, target: Path) -> None:
    """Replace one of our directories by a finished one."""
    with temporary_folder(target.parent) as aside:
        if target.exists():
            os.rename(target, aside / "old")
        os.rename(temporary, target)
