"""What smalti itself wrote into a folder, known by the records beside it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

LARGEST = 1 << 24  # bytes of a record; a longer file is none
Path = tuple[str, ...]


class File(Protocol):
    """A file of a folder or an archive."""

    @property
    def parts(self) -> Path: ...
    @property
    def read(self) -> Callable[[int], bytes]: ...


# record -> (the keys of one that smalti wrote, the pictures beside it; None: all in the folder)
RECORDS: dict[str, tuple[tuple[set[str], ...], str | None]] = {
    "run.json": (({"format", "model", "training"},), None),
    "pack.json": (({"format", "splits", "made"},), None),
    "samples.json": (({"smalti", "seeds"},), r"grid\.png|(denoising|rows)\.gif|\d+\.png"),
    "inpainting.json": (({"smalti", "mask"},), r"grid\.png|\d+\.png"),
    "completions.json": (({"smalti", "rows"},), r"grid\.png|\d+-\d+\.png"),
    "reconstruction.json": (({"smalti", "model"},), r"grid\.png|\d+\.png"),
    "interpolation.json": (({"smalti"},), r"strip\.png|interpolation\.gif"),
    "match.json": (
        ({"smalti", "psnr_voted"},),
        r"(\d{5}-)?(field|distance|copied|voted|consistent)\.(png|gif)",
    ),
    "report.json": (
        ({"own_splits", "leaks"}, {"protocol", "rows"}, {"verdict", "recipe"}),
        r"(contact|duplicates|samples|neighbours|distances|reconstructions|codes|report)\.png",
    ),
}
SINGLE = re.compile(r"\d+(-\d+)?\.png")
GALLERY = b"<title>smalti: the gallery</title>"


class Written(NamedTuple):
    """A file that smalti wrote."""

    folder: Path
    """The run, the pack or the results that it is a part of."""
    is_single: bool = False
    """A picture by itself, such as a sample: it may be meant to be read. Sheets and films are not,
    nor what a run draws."""


def find_written(files: Iterable[File]) -> dict[Path, Written]:
    """The files that smalti wrote, by their paths."""
    folders: dict[Path, dict[str, File]] = defaultdict(dict)
    for file in files:
        folders[file.parts[:-1]][file.parts[-1]] = file
    whole = {folder for folder, inside in folders.items() if is_whole(folder, folders)}
    found: dict[Path, Written] = {}
    for folder, inside in folders.items():
        above = next((folder[:k] for k in range(len(folder) + 1) if folder[:k] in whole), None)
        if above is not None:
            found |= {file.parts: Written(above) for file in inside.values()}
            continue
        for record in inside.keys() & RECORDS.keys():
            for name in results_of(inside, record):
                found[*folder, name] = Written(folder, SINGLE.fullmatch(name) is not None)
    return found


def results_of(inside: Mapping[str, File], record: str) -> list[str]:
    """The names of a record and of what was written with it; none when it is no record."""
    content, pattern = content_of(inside[record], record), RECORDS[record][1]
    if content is None or pattern is None:
        return []
    named = [name for name in inside if re.fullmatch(pattern, name)]
    return [record, *(name for name in named if is_listed(name, content))]


def is_whole(folder: Path, folders: Mapping[Path, Mapping[str, File]]) -> bool:
    """Whether all in and below a folder is smalti's: a run, a pack, a gallery."""
    inside = folders[folder]
    for record, (_, pattern) in RECORDS.items():
        if pattern is None and record in inside and content_of(inside[record], record) is not None:
            return True
    return (*folder, "run") in folders and GALLERY in bytes_of(inside.get("index.html"))


def is_listed(name: str, record: dict[str, Any]) -> bool:
    """Whether a picture is one of the record's: it lists them or, in older ones, their seeds."""
    if isinstance(files := record.get("files"), list):
        return name in files
    seeds, stem = record.get("seeds"), name.removesuffix(".png")
    return not (isinstance(seeds, list) and stem.isdigit()) or int(stem) in seeds


def content_of(file: File, record: str) -> dict[str, Any] | None:
    """The record in a file; None when it is another program's."""
    try:
        content = json.loads(bytes_of(file))
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    return content if any(keys <= content.keys() for keys in RECORDS[record][0]) else None


def bytes_of(file: File | None) -> bytes:
    """A file's content; of one that is too large for a record, a part."""
    try:
        return file.read(LARGEST) if file else b""
    except Exception:  # archives raise nearly anything
        return b""
