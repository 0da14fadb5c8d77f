"""Read a pack: decoded pictures in a memory-mapped file.

A folder of `pack.json` (contents and provenance), `pixels.npy` (uint8, N x C x H x W) and, with
classes, `labels.npy` (int64, N). The rows of a split are contiguous.
A pack may also be a zip archive of these files, which is smaller and read into memory.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from smalti.core.errors import UserError
from smalti.core.folders import ResultFiles
from smalti.data.arrays import to_pil_image
from smalti.data.source import ORIGIN_KEYS, SPLITS, Source

FORMAT = 1
FILES = ResultFiles(r"pack\.json|pixels\.npy|labels\.npy", "pack.json", ("format", "made"))
"""The files of a pack."""


def is_pack(path: Path) -> bool:
    """Whether a path is a pack, a folder or an archive."""
    if path.is_file():
        with path.open("rb") as file:
            if file.read(2) != b"PK":
                return False
        try:
            with zipfile.ZipFile(path) as archive:
                return {"pack.json", "pixels.npy"} <= set(archive.namelist())
        except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
            return False
    return (path / "pack.json").is_file()


def archive_pack(folder: Path, out: Path) -> None:
    """Write the pack in a folder as one archive, atomically."""
    temporary = out.with_name(out.name + ".tmp")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_BZIP2) as archive:
            for path in sorted(folder.iterdir()):
                archive.write(path, path.name)
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)


def open_pack_source(path: Path, *, labels: bool = True) -> Source:
    """Open the pictures of a pack, memory-mapped.

    Raises UserError, naming the file, if a file is missing, damaged or inconsistent.
    """
    content = read_json(path / "pack.json")
    pixels = map_array(path / "pixels.npy")
    fits = pixels.ndim == 4 and pixels.shape[1] in (1, 3) and min(pixels.shape) > 0
    if pixels.dtype != np.uint8 or not fits:
        raise damage_error(path / "pixels.npy", f"it holds {pixels.dtype} {pixels.shape}")
    N = len(pixels)
    classes = read_words(path / "pack.json", content, "classes")
    captions = read_words(path / "pack.json", content, "captions")
    numbers = read_labels(path / "labels.npy", N, len(classes)) if classes and labels else None
    if captions and len(captions) != N:
        raise damage_error(path / "pack.json", f"it has {len(captions)} captions for {N} pictures")
    attributes = read_attributes(path / "pack.json", content.get("attributes", {}), N)
    made = content.get("made")
    name = str(content.get("name", path.name))[:200]
    return Source(
        name=name,
        titles=[f"{path.name}[{k}]{f' ({captions[k]})' if captions else ''}" for k in range(N)],
        open_picture=lambda k: to_pil_image(pixels[k]),
        labels=numbers,
        classes=classes if labels else (),
        captions=captions,
        attributes=attributes,
        origin={k: made[k] for k in ORIGIN_KEYS if k in made} if isinstance(made, dict) else {},
        splits=read_split_ranges(path / "pack.json", content.get("splits", {}), N),
        pixels=pixels,
        size=(pixels.shape[2], pixels.shape[3]),
    )


def read_words(path: Path, content: dict[str, Any], key: str) -> tuple[str, ...]:
    words = content.get(key, [])
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise damage_error(path, f"its {key} are not a list of strings")
    return tuple(words)


def read_attributes(path: Path, content: object, n: int) -> dict[str, tuple[str, ...]]:
    if not isinstance(content, dict):
        raise damage_error(path, "its attributes are not an object")
    attributes = {name: read_words(path, content, name) for name in content}
    for name, words in attributes.items():
        if len(words) != n:
            raise damage_error(path, f"it has {len(words)} values of {name} for {n} pictures")
    return attributes


def read_json(path: Path) -> dict[str, Any]:
    try:
        if path.parent.is_file():
            with zipfile.ZipFile(path.parent) as archive:
                content = json.loads(archive.read(path.name))
        else:
            content = json.loads(path.read_text(encoding="utf-8"))
    except Exception as error:  # archives raise nearly anything
        raise damage_error(path, getattr(error, "strerror", None) or str(error)) from error
    version = content.get("format") if isinstance(content, dict) else None
    if version != FORMAT:
        raise UserError(f"{path} has format {version}; this smalti reads {FORMAT}")
    return content


def map_array(path: Path) -> np.ndarray:
    """Map the array of a .npy file, copy-on-write: the file never changes."""
    try:
        if path.parent.is_file():
            with zipfile.ZipFile(path.parent) as archive, archive.open(path.name) as file:
                return np.lib.format.read_array(file, allow_pickle=False)
        return np.load(path, mmap_mode="c", allow_pickle=False)
    except Exception as error:  # an invalid header raises nearly anything
        raise damage_error(path, getattr(error, "strerror", None) or str(error)) from error


def read_labels(path: Path, n: int, k: int) -> np.ndarray:
    labels = map_array(path)
    if labels.dtype != np.int64 or labels.shape != (n,):
        raise damage_error(path, f"it holds {labels.dtype} {labels.shape} for {n} pictures")
    if n and not 0 <= labels.min() <= labels.max() < k:
        raise damage_error(
            path, f"it has labels from {labels.min()} to {labels.max()} for {k} classes"
        )
    return np.array(labels)


def read_split_ranges(path: Path, content: object, n: int) -> dict[str, range]:
    """Parse the row ranges of the splits, which cover 0 .. n-1 in order."""
    if not isinstance(content, dict) or not all(
        isinstance(pair, list) and len(pair) == 2 and all(type(end) is int for end in pair)
        for pair in content.values()
    ):
        raise damage_error(path, "its splits are not row ranges")
    rows = {split: range(*content[split]) for split in SPLITS if split in content}
    ends = [0, *[part.stop for part in rows.values()]]
    starts = [*[part.start for part in rows.values()], n]
    if rows and not (starts == ends == sorted(ends) and "train" in rows):
        raise damage_error(path, f"its splits do not cover its {n} pictures")
    return rows


def damage_error(path: Path, reason: str) -> UserError:
    text = " ".join(reason.split())[:200]
    return UserError(f"{path} is damaged ({text}); pack the pictures again")


def find_data_home() -> Path:
    """Return the folder of downloaded data: $SMALTI_DATA, or smalti in the user's cache."""
    if folder := os.environ.get("SMALTI_DATA"):
        return Path(folder).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "smalti"
