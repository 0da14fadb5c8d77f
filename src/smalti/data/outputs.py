"""Recognize smalti's own output in a folder by its record files."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

MAX_RECORD_BYTES = 1 << 24  # a longer file is not a record
PathParts = tuple[str, ...]


class File(Protocol):
    """A file of a folder or an archive."""

    @property
    def parts(self) -> PathParts: ...
    @property
    def read(self) -> Callable[[int], bytes]: ...


# record -> (keys of smalti's records, pictures written with it; None: everything in the folder)
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
        r"(contact|duplicates|samples|neighbors|distances|reconstructions|codes|report)\.png",
    ),
}
SINGLE_PICTURE = re.compile(r"\d+(-\d+)?\.png")
GALLERY_TITLE = b"<title>smalti: the gallery</title>"


class OutputFile(NamedTuple):
    """A file that smalti wrote."""

    folder: PathParts
    """The folder of the run, pack or results."""
    is_single: bool = False
    """True for a single picture, such as a sample, which may be meant as input; False for sheets,
    animations and previews."""


def find_outputs(files: Iterable[File]) -> dict[PathParts, OutputFile]:
    """Find the files that smalti wrote, by path."""
    folders: dict[PathParts, dict[str, File]] = defaultdict(dict)
    for file in files:
        folders[file.parts[:-1]][file.parts[-1]] = file
    output_folders = {
        folder for folder, inside in folders.items() if is_output_folder(folder, folders)
    }
    found: dict[PathParts, OutputFile] = {}
    for folder, inside in folders.items():
        above = next(
            (folder[:k] for k in range(len(folder) + 1) if folder[:k] in output_folders), None
        )
        if above is not None:
            found |= {file.parts: OutputFile(above) for file in inside.values()}
            continue
        for record in inside.keys() & RECORDS.keys():
            for name in list_results(inside, record):
                found[*folder, name] = OutputFile(
                    folder, SINGLE_PICTURE.fullmatch(name) is not None
                )
    return found


def list_results(inside: Mapping[str, File], record: str) -> list[str]:
    """List a record and the files written with it; [] if it is not smalti's record."""
    content, pattern = read_record(inside[record], record), RECORDS[record][1]
    if content is None or pattern is None:
        return []
    named = [name for name in inside if re.fullmatch(pattern, name)]
    return [record, *(name for name in named if is_listed(name, content))]


def is_output_folder(folder: PathParts, folders: Mapping[PathParts, Mapping[str, File]]) -> bool:
    """Whether everything below a folder is smalti's: a run, a pack, a gallery."""
    inside = folders[folder]
    for record, (_, pattern) in RECORDS.items():
        if pattern is None and record in inside and read_record(inside[record], record) is not None:
            return True
    return (*folder, "run") in folders and GALLERY_TITLE in read_bytes(inside.get("index.html"))


def is_listed(name: str, record: dict[str, Any]) -> bool:
    """Whether a record lists a picture, by file name or, in older records, by seed."""
    if isinstance(files := record.get("files"), list):
        return name in files
    seeds, stem = record.get("seeds"), name.removesuffix(".png")
    return not (isinstance(seeds, list) and stem.isdigit()) or int(stem) in seeds


def read_record(file: File, record: str) -> dict[str, Any] | None:
    """Read a record file; None if smalti did not write it."""
    try:
        content = json.loads(read_bytes(file))
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    return content if any(keys <= content.keys() for keys in RECORDS[record][0]) else None


def read_bytes(file: File | None) -> bytes:
    """Read a file, up to the size limit of a record; b"" if it cannot be read."""
    try:
        return file.read(MAX_RECORD_BYTES) if file else b""
    except Exception:  # archives raise nearly anything
        return b""
