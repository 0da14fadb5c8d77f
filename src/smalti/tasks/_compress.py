"""compress: lossless compression of pictures into one file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from smalti.coding._compress import BATCH_SIZE
from smalti.coding._compress import compress as compress_pictures
from smalti.coding.exact_pictures import read_exact
from smalti.coding.file import MAGIC, Header, read_header
from smalti.coding.heat_map import BitShare, draw_heat_map, split_bits
from smalti.coding.pixels import to_pixels
from smalti.core.errors import UserError
from smalti.core.files import stage_file
from smalti.core.model import name_model, open_model
from smalti.core.pictures import save_png
from smalti.core.progress import OnProgress, ignore_event, label_progress
from smalti.core.ranges import BatchSize
from smalti.core.short_repr import add_short_repr
from smalti.data.pictures import Pictures
from smalti.tasks.inputs import find_class_index

SHOWN = 100
"""Pictures in a heat map, at most."""


@dataclass(frozen=True)
@add_short_repr
class CompressedFile:
    """A file of compressed pictures."""

    content: bytes
    """The whole file."""
    notes: tuple[str, ...]
    """Messages about files that were skipped."""
    bit_shares: Mapping[str, BitShare]
    """Share of the levels and of the bits, for "black or white" and "gray"."""

    @property
    def header(self) -> Header:
        """The file's header: the number of pictures, the bytes of the payload, ..."""
        return read_header(self.content)

    @property
    def bits_per_dim(self) -> float:
        """Payload bits per pixel value; uncompressed, it would be 8."""
        return 8 * self.header.payload_bytes / (self.header.count * math.prod(self.header.shape))


def compress(
    pictures: str | Path | Tensor | Pictures,
    out: str | Path | None = None,
    *,
    model: object,
    label: int | str | None = None,
    batch_size: BatchSize = BATCH_SIZE,
    heat_map: str | Path | None = None,
    on_progress: OnProgress = ignore_event,
) -> CompressedFile:
    """Compress pictures losslessly with a PixelCNN.

    The pictures must have the model's size. `smalti decompress` needs the same model, and a machine
    with the same floating-point rounding.

    pictures: Picture, folder, archive, .npz, pack or hf:NAME. IDX files and LMDBs are read, too.
    out: Output file. A file that smalti compressed before is replaced.
    model: PixelCNN: shipped model, run or checkpoint.
    label: Class name or number of all pictures. Default: the data's classes if the model has them,
    else for each picture the class that needs the fewest bits.
    batch_size: Pictures per batch.
    heat_map: PNG file of where the bits go. It shows up to 100 pictures, and below each its bits.
    """
    if out is not None:
        check_output_file(Path(out))
    if heat_map is not None and Path(heat_map).is_dir():
        raise UserError(f"heat_map {heat_map} is a folder; name a PNG file")
    loaded = open_model(model, "walk")
    y = None if label is None else find_class_index(label, loaded.spec.classes, name_model(model))
    notes: list[str] = []
    bits: list[Tensor] = []
    with stage_file(out) if out is not None else nullcontext() as temporary:
        names = None
        if isinstance(pictures, str | Path):
            shape = (loaded.spec.channels, *loaded.spec.size)
            reading = label_progress("reading", on_progress)
            pictures, names = read_exact(pictures, shape, reading, notes.append)
        content = compress_pictures(
            loaded,
            pictures,
            None if y is None else [y] * len(pictures),
            file_names=names,
            model_name=str(model) if isinstance(model, str | Path) else "",
            batch_size=batch_size,
            on_progress=on_progress,
            on_bits=lambda batch: bits.append(batch.float()),
        )
        pixels, each = take_pixels(pictures), torch.cat(bits)
        if heat_map is not None:
            save_png(draw_heat_map(pixels[:SHOWN], each[:SHOWN]), heat_map)
        if temporary is not None:
            temporary.write_bytes(content)
    return CompressedFile(content, tuple(notes), split_bits(pixels, each))


def take_pixels(pictures: Tensor | Pictures) -> Tensor:
    """The pixels of the compressed pictures: uint8 (N, C, H, W)."""
    return pictures.pixels if isinstance(pictures, Pictures) else to_pixels(pictures)


def check_output_file(out: Path) -> None:
    """UserError unless `out` is new or a file that smalti compressed."""
    if out.is_dir():
        raise UserError(f"{out} is a folder; name a file for the compressed pictures")
    if out.exists() and out.stat().st_size:
        with out.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise UserError(
                    f"{out} exists and is not from `smalti compress`; name another file"
                )
