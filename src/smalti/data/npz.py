"""Read pictures from NumPy's .npz, with arrays found by their usual names."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from smalti.core.errors import UserError
from smalti.data.arrays import make_array_source, to_uint8
from smalti.data.source import Source, Split

PIXEL_NAMES = ("images", "image", "pixels", "pictures", "x", "data", "arr_0")
LABEL_NAMES = ("labels", "label", "y", "targets", "arr_1")
MAX_UNPACKED_BYTES, MAX_RATIO = 1 << 29, 20  # larger arrays may compress at most by this ratio
CLASS_NAMES = ("classes", "class_names", "label_names")
SPLIT_NAMES: dict[str, Split] = {
    "train": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test",
}  # fmt: skip


def open_npz_source(path: Path, *, labels: bool = True) -> Source:
    """Open the pictures and labels of a .npz file, with splits from the names.

    Names: `images`, or `train_images` and `test_images`, or `x_train` and `x_test`; the labels
    likewise.  Nothing is unpickled.  Raises UserError, naming the faulty array.
    """
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError("it is not a zip archive")
            file.seek(0)
            check_members(path)
            with np.load(file, allow_pickle=False) as arrays:
                return _make_source(path, arrays, labels)
    except UserError:
        raise
    except Exception as error:  # damaged or encrypted members raise nearly anything
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        text = " ".join(reason.split())[:200]
        raise UserError(f"{path} cannot be read ({text}); save it again") from error


def check_members(path: Path) -> None:
    """Raise UserError if a compressed array would decompress to too much memory."""
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            limit = max(MAX_UNPACKED_BYTES, MAX_RATIO * info.compress_size)
            if info.file_size > limit:
                raise UserError(
                    f"{path}: {info.filename} unpacks from {info.compress_size / 1e6:.1f} MB to "
                    f"{info.file_size / 1e9:.1f} GB; save it with np.savez, uncompressed"
                )


def _make_source(path: Path, arrays: np.lib.npyio.NpzFile, with_labels: bool) -> Source:
    named = {name: split for name in arrays.files if (split := match_split(name, PIXEL_NAMES))}
    if not named:
        inside = ", ".join(arrays.files) or "nothing"
        raise UserError(f"{path} holds {inside}; name the pictures images, or x_train and x_test")
    split_names = {split: name for name, split in named.items() if split != "all"}
    names = split_names or {"train": next(iter(named))}
    if "train" not in names:
        raise UserError(f"{path} has {', '.join(names.values())}, but no pictures to train on")
    parts = {split: to_uint8(f"{path}: {name}", arrays[name]) for split, name in names.items()}
    labels = {
        split: read_labels(path, arrays, "all" if not split_names else split, len(part))
        for split, part in parts.items()
    }
    present = {split: numbers for split, numbers in labels.items() if numbers is not None}
    if present and len(present) < len(parts):
        (missing, *_) = parts.keys() - present.keys()
        raise UserError(f"{path} has no labels for {missing}; give them to every split or to none")
    classes = next((arrays[n] for n in arrays.files if n.lower() in CLASS_NAMES), np.array([]))
    words = tuple(map(str, classes.tolist()))
    if repeated := [word for k, word in enumerate(words) if word in words[:k]]:
        raise UserError(f"{path} names the class {repeated[0]!r} twice; give distinct names")
    return make_array_source(path.stem, parts, present if with_labels else {}, words)


def match_split(name: str, words: tuple[str, ...]) -> str | None:
    """Match an array's name to a split, or "all" if it names none; None if nothing matches."""
    lower = name.lower()
    if lower in words:
        return "all"
    for word, split in SPLIT_NAMES.items():
        if lower in {name for w in words for name in (f"{word}_{w}", f"{w}_{word}")}:
            return split
    return None


def read_labels(path: Path, arrays: np.lib.npyio.NpzFile, split: str, n: int) -> np.ndarray | None:
    """Read labels (n,) of a split, stored as (n,) or (n, 1); None if there are none."""
    for name in arrays.files:
        if match_split(name, LABEL_NAMES) == split:
            labels = arrays[name]
            labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
            if labels.shape != (n,):
                raise UserError(
                    f"{path}: {name} has the shape {labels.shape} for {n} pictures; give ({n},)"
                )
            return labels
    return None
