"""Read IDX, the format of MNIST, with or without gzip."""

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
UINT8_CODE = 8  # IDX's code of uint8
MAX_GZIP_RATIO = 1032  # gzip's highest compression ratio
MAX_UNPACKED_BYTES = 700_000_000  # bytes of a decompressed file


def is_idx(path: Path) -> bool:
    """Whether a file's name or first bytes identify IDX pictures."""
    if IMAGE_NAME.fullmatch(path.name):
        return True
    with path.open("rb") as file:
        return file.read(4) == bytes([0, 0, UINT8_CODE, 3])


def find_image_files(folder: Path) -> dict[str, Path]:
    """Find the picture files of a folder with MNIST's file names, by split; {} if none."""
    found: dict[str, Path] = {}
    try:
        paths = sorted(folder.iterdir())  # a file before its .gz
    except OSError:
        return {}  # another reader reports it
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
    """Open a picture file and its label file, or the training and test files of a folder.

    Raises UserError if a file is damaged, or the numbers of pictures and labels differ.
    """
    files = find_image_files(path) if path.is_dir() else {SPLITS_BY_WORD[0][1]: path}
    parts = {split: read_idx(file, 3)[:, None] for split, file in files.items()}
    label_files = {split: find_label_file(file) for split, file in files.items()} if labels else {}
    numbers: dict[str, np.ndarray] = {}
    for split, file in label_files.items():
        if file is not None:
            numbers[split] = read_idx(file, 1)
            if len(numbers[split]) != len(parts[split]):
                n = len(parts[split])
                raise UserError(f"{file} holds {len(numbers[split])} labels for {n} pictures")
    if numbers and len(numbers) < len(parts):
        (missing, *_) = parts.keys() - numbers.keys()
        raise UserError(
            f"{files[missing]} has no label file, but the other split has; add or remove one"
        )
    return make_array_source(path.name.split(".")[0] or path.name, parts, numbers)


def find_label_file(images: Path) -> Path | None:
    """Find train-labels-idx1-ubyte for train-images-idx3-ubyte, with or without .gz."""
    name = re.sub("images", "labels", images.name, flags=re.IGNORECASE)
    name = re.sub("idx3", "idx1", name, flags=re.IGNORECASE).removesuffix(".gz")
    if name == images.name.removesuffix(".gz"):
        return None
    return next((p for n in (name, name + ".gz") if (p := images.with_name(n)).is_file()), None)


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """Read uint8 of `ndim` axes. Raises UserError if the file is not IDX or truncated."""
    try:
        with path.open("rb") as raw:
            compressed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if compressed else path.open("rb") as file:
            head = file.read(4 + 4 * ndim)
            if len(head) < 4 + 4 * ndim or head[:4] != bytes([0, 0, UINT8_CODE, ndim]):
                what = "pictures" if ndim == 3 else "labels"
                raise UserError(f"{path} is not an IDX file of uint8 {what}; download it again")
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
    """Raise UserError if a file is too small for its header, or decompresses to too much."""
    size, count = path.stat().st_size, math.prod(shape)
    if count > size * (MAX_GZIP_RATIO if compressed else 1):
        raise truncation_error(path, shape)
    if compressed and count > MAX_UNPACKED_BYTES:
        raise UserError(f"{path} decompresses to {count / 1e9:.1f} GB; run gunzip on it first")


def truncation_error(path: Path, shape: list[int]) -> UserError:
    expected = " x ".join(map(str, shape))
    return UserError(f"{path} is truncated: its header says {expected}; download it again")
