"""A pack: pictures decoded once, as bytes in a file that is mapped into memory.

A directory of `pack.json` (what they are and how they were made), `pixels.npy` (uint8, N x C x H x
W) and, with classes, `labels.npy` (int64, N). The rows of a split stand one behind the other.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from smalti.core.errors import UserError
from smalti.core.folders import Results
from smalti.data.arrays import as_image
from smalti.data.source import SPLITS, Source

FORMAT = 1
FILES = Results(r"pack\.json|pixels\.npy|labels\.npy", "pack.json", ("format", "made"))
"""What a pack holds."""


def is_pack(path: Path) -> bool:
    return (path / "pack.json").is_file()


def pack_source(path: Path, *, labels: bool = True) -> Source:
    """The pictures of a pack, not read but mapped: what is not used is never in memory.

    UserError, naming the file, when a part is missing, damaged or does not fit the others.
    """
    content = read_json(path / "pack.json")
    pixels = mapped(path / "pixels.npy")
    fits = pixels.ndim == 4 and pixels.shape[1] in (1, 3) and min(pixels.shape) > 0
    if pixels.dtype != np.uint8 or not fits:
        raise damaged(path / "pixels.npy", f"it holds {pixels.dtype} {pixels.shape}")
    N = len(pixels)
    classes = words_of(path / "pack.json", content, "classes")
    captions = words_of(path / "pack.json", content, "captions")
    numbers = labels_of(path / "labels.npy", N, len(classes)) if classes and labels else None
    if captions and len(captions) != N:
        raise damaged(path / "pack.json", f"it has {len(captions)} captions for {N} pictures")
    name = str(content.get("name", path.name))[:200]
    return Source(
        name=name,
        titles=[f"{path.name}[{k}]{f' ({captions[k]})' if captions else ''}" for k in range(N)],
        opened=lambda k: as_image(pixels[k]),
        labels=numbers,
        classes=classes if labels else (),
        captions=captions,
        splits=splits_of(path / "pack.json", content.get("splits", {}), N),
        array=pixels,
        size=(pixels.shape[2], pixels.shape[3]),
    )


def words_of(path: Path, content: dict[str, Any], what: str) -> tuple[str, ...]:
    words = content.get(what, [])
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise damaged(path, f"its {what} are no list of names")
    return tuple(words)


def read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, getattr(error, "strerror", None) or str(error)) from error
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise UserError(f"{path} has format {found}; this smalti reads {FORMAT}")
    return content


def mapped(path: Path) -> np.ndarray:
    """The array in a .npy file. Writing to it would change a copy, and never the file."""
    try:
        return np.load(path, mmap_mode="c", allow_pickle=False)
    except Exception as error:  # a head that lies raises nearly anything
        raise damaged(path, getattr(error, "strerror", None) or str(error)) from error


def labels_of(path: Path, n: int, k: int) -> np.ndarray:
    labels = mapped(path)
    if labels.dtype != np.int64 or labels.shape != (n,):
        raise damaged(path, f"it holds {labels.dtype} {labels.shape} for {n} pictures")
    if n and not 0 <= labels.min() <= labels.max() < k:
        raise damaged(path, f"it reaches from {labels.min()} to {labels.max()} with {k} classes")
    return np.array(labels)


def splits_of(path: Path, given: Any, n: int) -> dict[str, range]:
    """The row ranges of the splits, which cover 0 .. n-1 in order."""
    pairs = given.values() if isinstance(given, dict) else [None]
    if not all(
        isinstance(pair, list) and len(pair) == 2 and all(type(end) is int for end in pair)
        for pair in pairs
    ):
        raise damaged(path, "its splits are no ranges of rows")
    rows = {split: range(*given[split]) for split in SPLITS if split in given}
    ends = [0, *[part.stop for part in rows.values()]]
    starts = [*[part.start for part in rows.values()], n]
    if rows and not (starts == ends == sorted(ends) and "train" in rows):
        raise damaged(path, f"its splits do not make up its {n} pictures")
    return rows


def damaged(path: Path, reason: str) -> UserError:
    text = " ".join(reason.split())[:200]
    return UserError(f"{path} is damaged ({text}); pack the pictures again")


def home() -> Path:
    """Where fetched data lie: $SMALTI_DATA, or smalti in the user's cache."""
    if chosen := os.environ.get("SMALTI_DATA"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "smalti"
