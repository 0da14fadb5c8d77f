"""Small datasets in every format that smalti reads."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image


def make_noise(n: int, *shape: int, seed: int = 0) -> np.ndarray:
    """Make random uint8 (n, *shape)."""
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def encode_picture(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    """Encode a picture (H, W) or (H, W, 3) as a file's content."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return path


def write_idx(path: Path, array: np.ndarray) -> Path:
    """Write uint8 of any shape in MNIST's format, compressed if the suffix is .gz."""
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    content = head + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def write_mnist(path: Path, train: int = 6, test: int = 3, packed: bool = False) -> Path:
    """Write a folder of the four files."""
    path.mkdir(parents=True, exist_ok=True)
    end = ".gz" if packed else ""
    for word, n, seed in (("train", train, 0), ("t10k", test, 1)):
        write_idx(path / f"{word}-images-idx3-ubyte{end}", make_noise(n, 8, 8, seed=seed))
        write_idx(path / f"{word}-labels-idx1-ubyte{end}", np.arange(n, dtype=np.uint8) % 3)
    return path


def make_two_classes(n: int = 3, side: int = 8) -> dict[str, bytes]:
    """Make n cats and n dogs."""
    pixels = make_noise(2 * n, side, side, 3)
    names = [f"{kind}/{k}.png" for kind in ("cats", "dogs") for k in range(n)]
    return dict(zip(names, map(encode_picture, pixels), strict=True))
