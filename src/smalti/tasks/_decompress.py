"""decompress: restore compressed pictures."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from smalti.coding._compress import decompress as decompress_pictures
from smalti.coding.environment import detect_vector_units
from smalti.coding.file import Header, from_bytes, read_file
from smalti.coding.file_names import EXTENSION, is_writable
from smalti.core.errors import Notice, UserError
from smalti.core.folders import ResultFiles, list_files, stage_optional_folder
from smalti.core.model import Model, open_model
from smalti.core.pictures import save_png
from smalti.core.progress import OnProgress, ignore_event
from smalti.core.short_repr import add_short_repr

NO_FILES = ResultFiles("")
"""No file names: the folder must be new or empty."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class DecompressedPictures:
    """Decompressed pictures, whose checksum was verified."""

    pixels: Tensor
    """uint8 (N, C, H, W)."""
    names: tuple[str, ...]
    """File names of the pictures (PNG)."""
    header: Header
    """The file's header."""


def decompress(
    file: str | Path | bytes,
    out: str | Path | None = None,
    *,
    model: object = None,
    force: bool = False,
    on_progress: OnProgress = ignore_event,
) -> DecompressedPictures:
    """Decompress a file written by `smalti compress`.

    The pictures are written as PNGs under their original names. Warns with a Notice if this
    processor may round differently from the one that wrote the file.

    file: File written by `smalti compress`.
    out: New folder for the pictures.
    model: Model that compressed them (default: as recorded).
    force: Ignore differences from the recorded versions. A checksum verifies the result; nothing is
    written if it does not match.
    """
    if out is not None:
        check_new_folder(Path(out))
    with stage_optional_folder(out, NO_FILES) as folder:
        try:
            data = file if isinstance(file, bytes) else read_file(file)
            header, _ = from_bytes(data)
            loaded = open_recorded_model(header, model)
            warn_of_units(header)
            pixels = decompress_pictures(loaded, data, force=force, on_progress=on_progress)
        except UserError as error:
            if isinstance(file, bytes):
                raise
            raise UserError(f"{file}: {error}") from error
        names = list_file_names(header)
        if folder is not None:
            write_pictures(folder, pixels, names)
    return DecompressedPictures(pixels, names, header)


def open_recorded_model(header: Header, model: object) -> Model:
    """The given model, or else the one that the file names."""
    if model is None and not header.model_name:
        raise UserError("the file names no model; give --model")
    try:
        return open_model(header.model_name if model is None else model, "draw pictures", "cpu")
    except UserError as error:
        if model is not None:
            raise
        raise UserError(
            f"{error}; the file names this model; use --model to name another"
        ) from error


def warn_of_units(header: Header) -> None:
    if header.vector_units != (units := detect_vector_units()):
        warnings.warn(
            f"the file was written with {header.vector_units}, this processor has {units}, which "
            "may round differently; trying",
            Notice,
            stacklevel=3,
        )


def check_new_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; name a new folder for the pictures")
    if (existing := next(list_files(out), None)) is not None:
        first = existing.split("/")[0]
        raise UserError(f"{out} holds {first!r} already; name a new folder for the pictures")


def list_file_names(header: Header) -> tuple[str, ...]:
    """The recorded file names, or numbers if there are none or some cannot be written."""
    if header.file_names and all(map(is_writable, header.file_names)):
        return header.file_names
    if header.file_names:
        warnings.warn(
            "file names are too long for this system; pictures are numbered instead",
            Notice,
            stacklevel=3,
        )
    return tuple(f"{i:05d}{EXTENSION}" for i in range(header.count))


def write_pictures(folder: Path, pixels: Tensor, names: Sequence[str]) -> None:
    """pixels: uint8 (N, C, H, W)."""
    for picture, name in zip(pixels, names, strict=True):
        levels = picture[0] if len(picture) == 1 else picture.permute(1, 2, 0)
        save_png(Image.fromarray(levels.numpy()), folder / name)
