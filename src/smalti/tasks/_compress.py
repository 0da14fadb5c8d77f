"""compress: pictures into one file, without a loss."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from smalti.coding._compress import BATCH_SIZE
from smalti.coding._compress import compress as compress_pictures
from smalti.coding.exact_pictures import read_exact
from smalti.coding.file import MAGIC, Header, read_header
from smalti.core.errors import UserError
from smalti.core.files import stage_file
from smalti.core.model import name_model, open_model
from smalti.core.progress import OnProgress, ignore_event, label_progress
from smalti.core.ranges import BatchSize
from smalti.core.short_repr import add_short_repr
from smalti.data.pictures import Pictures
from smalti.tasks.inputs import find_class_index


@dataclass(frozen=True)
@add_short_repr
class CompressedFile:
    """A file of compressed pictures."""

    content: bytes
    """The whole file."""
    notes: tuple[str, ...]
    """What lay beside the pictures and was passed over."""

    @property
    def header(self) -> Header:
        """What the file records: its `count` of pictures, the bytes of their `payload` ..."""
        return read_header(self.content)

    @property
    def bits_per_dim(self) -> float:
        """Bits of the payload for each number of the pictures, instead of 8."""
        return 8 * self.header.payload_bytes / (self.header.count * math.prod(self.header.shape))


def compress(
    pictures: str | Path | Tensor | Pictures,
    out: str | Path | None = None,
    *,
    model: object,
    label: int | str | None = None,
    batch_size: BatchSize = BATCH_SIZE,
    on_progress: OnProgress = ignore_event,
) -> CompressedFile:
    """Compress pictures without a loss, by a model whose likelihood is exact.

    They must have the model's size already. `smalti decompress` needs the same model, and a machine
    that rounds as this one does.

    pictures: a picture, a folder, archive, .npz, IDX, LMDB, pack or hf:NAME.
    out: the file for them all; one that was compressed before is replaced.
    model: a shipped model's name, a run or a checkpoint: a PixelCNN.
    label: the class of them all, by name or number; else the data's own classes where the model has
    them, else for each picture that of the fewest bits.
    batch_size: pictures of one walk.
    """
    if out is not None:
        check_output_file(Path(out))
    loaded = open_model(model, "walk")
    y = None if label is None else find_class_index(label, loaded.spec.classes, name_model(model))
    notes: list[str] = []
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
        )
        if temporary is not None:
            temporary.write_bytes(content)
    return CompressedFile(content, tuple(notes))


def check_output_file(out: Path) -> None:
    """UserError unless `out` is new, or a file that we wrote."""
    if out.is_dir():
        raise UserError(f"{out} is a folder; name a file for the compressed pictures")
    if out.exists() and out.stat().st_size:
        with out.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise UserError(f"{out} exists and is not of `smalti compress`; name another file")
