"""MNIST's own format, IDX, packed by gzip or not."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from pathlib import Path

import numpy as np

from smalti.core.errors import UserError
from smalti.data.arrays import make_array_source
from smalti.data.source import Source, Split

IMAGE_NAME = re.compile(r"(.*images[-._]idx3.*?)(\.gz)?", re.IGNORECASE)
SPLITS_BY_WORD: tuple[tuple[str, Split], ...] = (
    ("train", "train"),
    ("t10k", "test"),
    ("test", "test"),
)
UINT8_CODE = 8  # the code of uint8
MAX_GZIP_RATIO = 1032  # gzip packs no better
MAX_UNPACKED_BYTES = 700_000_000  # bytes of a packed file


def is_idx(path: Path) -> bool:
    """Whether a file's name or first bytes say IDX of pictures."""
    if IMAGE_NAME.fullmatch(path.name):
        return True
    with path.open("rb") as file:
        return file.read(4) == bytes([0, 0, UINT8_CODE, 3])


def find_image_files(folder: Path) -> dict[str, Path]:
    """The picture files of a folder as MNIST comes, by split; empty in any other folder."""
    found: dict[str, Path] = {}
    try:
        paths = sorted(folder.iterdir())  # a file before its .gz
    except OSError:
        return {}  # another reader will say so
    for path in paths:
        if not (path.is_file() and IMAGE_NAME.fullmatch(path.name)):
            continue
        for word, split in SPLITS_BY_WORD:
            if word in path.name.lower():
                other = found.setdefault(split, path)
                if path not in (other, other.with_name(other.name + ".gz")):
                    raise UserError(f"{folder} holds {other.name} and {path.name}; name the file")
                break
    return found


def open_idx_source(path: Path, *, labels: bool = True) -> Source:
    """One file of pictures with the labels beside it, or the training and test files of a folder.

    UserError when one is damaged, or pictures and labels are not equally many.
    """
    files = find_image_files(path) if path.is_dir() else {SPLITS_BY_WORD[0][1]: path}
    parts = {split: read_idx(file, 3)[:, None] for split, file in files.items()}
    beside = {split: find_label_file(file) for split, file in files.items()} if labels else {}
    numbers: dict[str, np.ndarray] = {}
    for split, file in beside.items():
        if file is not None:
            numbers[split] = read_idx(file, 1)
            if len(numbers[split]) != len(parts[split]):
                n = len(parts[split])
                raise UserError(f"{file} holds {len(numbers[split])} labels for {n} pictures")
    if numbers and len(numbers) < len(parts):
        (lost, *_) = parts.keys() - numbers.keys()
        raise UserError(f"{files[lost]} has no file of labels beside it, the other one has")
    return make_array_source(path.name.split(".")[0] or path.name, parts, numbers)


def find_label_file(images: Path) -> Path | None:
    """train-labels-idx1-ubyte for train-images-idx3-ubyte, with or without .gz."""
    name = re.sub("images", "labels", images.name, flags=re.IGNORECASE)
    name = re.sub("idx3", "idx1", name, flags=re.IGNORECASE).removesuffix(".gz")
    if name == images.name.removesuffix(".gz"):
        return None
    return next((p for n in (name, name + ".gz") if (p := images.with_name(n)).is_file()), None)


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """uint8 of `ndim` axes. UserError when the file is something else, or cut short."""
    try:
        with path.open("rb") as raw:
            compressed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if compressed else path.open("rb") as file:
            head = file.read(4 + 4 * ndim)
            if len(head) < 4 + 4 * ndim or head[:4] != bytes([0, 0, UINT8_CODE, ndim]):
                what = "pictures" if ndim == 3 else "labels"
                raise UserError(f"{path} is no IDX file of {what} in bytes; download it again")
            shape = np.frombuffer(head, ">u4", offset=4).tolist()
            count = math.prod(shape)
            check_count(path, shape, compressed)
            content = np.empty(count, np.uint8)
            n_read = file.readinto(content.data)
    except (OSError, EOFError, zlib.error, MemoryError) as error:
        raise UserError(f"{path} cannot be read ({error}); download it again") from error
    if n_read < count:
        raise truncation_error(path, shape)
    return content.reshape(shape)


def check_count(path: Path, shape: list[int], compressed: bool) -> None:
    """UserError when a file cannot hold what it promises, or would unpack to fill the memory."""
    size, count = path.stat().st_size, math.prod(shape)
    if count > size * (MAX_GZIP_RATIO if compressed else 1):
        raise truncation_error(path, shape)
    if compressed and count > MAX_UNPACKED_BYTES:
        raise UserError(f"{path} unpacks to {count / 1e9:.1f} GB; unpack it by gunzip first")


def truncation_error(path: Path, shape: list[int]) -> UserError:
    promised = " x ".join(map(str, shape))
    return UserError(f"{path} is cut short: it promises {promised}; download it again")
