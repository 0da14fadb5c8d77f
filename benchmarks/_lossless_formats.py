"""Sizes of pictures in general lossless formats: PNG, WebP, JPEG XL, xz, zpaq and paq9a."""

from __future__ import annotations

import importlib
import io
import lzma
import math
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

COLUMNS = (1, 10, 20, 25, 40, 50)
"""Columns of the sheets tried for PNG, WebP and JPEG XL; the smallest file counts."""


class FormatSize(NamedTuple):
    """The size of pictures in one format."""

    name: str
    n_bytes: int
    seconds: float
    """Seconds of processor time to write the counted file; 0 for another program's."""
    remark: str = ""


def draw_sheet(pixels: Tensor, columns: int) -> Image.Image:
    """Tile uint8 (N, C, H, W) without margins; the rest of the last row is black."""
    N, C, H, W = pixels.shape
    rows = math.ceil(N / columns)
    padded = torch.zeros(rows * columns, C, H, W, dtype=torch.uint8)
    padded[:N] = pixels
    tiles = padded.view(rows, columns, C, H, W).permute(0, 3, 1, 4, 2)  # (rows, H, columns, W, C)
    sheet = tiles.reshape(rows * H, columns * W, C).numpy()
    return Image.fromarray(sheet[..., 0] if C == 1 else sheet)


def measure_sheet(name: str, pixels: Tensor, **options: Any) -> FormatSize:
    """Measure the smallest sheet in a format of Pillow."""
    sizes = []
    for columns in COLUMNS:
        sheet, file, begun = draw_sheet(pixels, columns), io.BytesIO(), time.process_time()
        if max(sheet.size) < 16384:
            sheet.save(file, **options)
            sizes.append((file.tell(), time.process_time() - begun))
    n_bytes, seconds = min(sizes)
    return FormatSize(name, n_bytes, seconds, "the smallest of several layouts")


def measure_bytes(name: str, pixels: Tensor, compress: Callable[[bytes], bytes]) -> FormatSize:
    """Measure what a function makes of the bytes, picture by picture."""
    begun = time.process_time()
    n = len(compress(pixels.numpy().tobytes()))
    return FormatSize(name, n, time.process_time() - begun)


def compress_by_zpaq(content: bytes) -> bytes:
    """Compress by the program zpaq with its best method; its archive also has a name and a date."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pixels").write_bytes(content)
        command = ["zpaq", "a", "a.zpaq", "pixels", "-m5", "-t1"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return (Path(folder) / "a.zpaq").read_bytes()


def measure_formats(pixels: Tensor) -> Iterator[FormatSize]:
    """Yield the sizes of uint8 pictures (N, C, H, W) in each format that is installed here."""
    pixels = pixels.contiguous()
    yield measure_sheet("PNG of one sheet", pixels, format="PNG", optimize=True)
    webp = {"format": "WEBP", "lossless": True, "quality": 100, "method": 6}
    yield measure_sheet("WebP lossless of one sheet", pixels, **webp)
    if find_module("pillow_jxl"):  # pillow-jxl-plugin
        jxl = {"format": "JXL", "lossless": True, "effort": 9}
        yield measure_sheet("JPEG XL lossless of one sheet", pixels, **jxl)
    preset = 9 | lzma.PRESET_EXTREME
    yield measure_bytes("xz -9e of the bytes", pixels, lambda b: lzma.compress(b, preset=preset))
    if shutil.which("zpaq"):
        yield measure_bytes("zpaq -m5 of the bytes", pixels, compress_by_zpaq)._replace(seconds=0)
    if paq := find_module("paq"):  # Debian's python3-paq
        yield measure_bytes("paq9a of the bytes", pixels, paq.compress)


def find_module(name: str) -> Any:
    """Import a module; None if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
