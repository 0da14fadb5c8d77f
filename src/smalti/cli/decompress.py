"""`smalti decompress`: the pictures that were compressed, as they were."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App
from PIL import Image
from torch import Tensor

from smalti.cli.draw import picture_model
from smalti.cli.meter import Meter
from smalti.cli.options import Switch
from smalti.coding.file import Header, from_bytes, read_file
from smalti.coding.names import ENDING, is_writable
from smalti.coding.squeeze import decompress
from smalti.coding.surroundings import vector_units
from smalti.core.errors import UserError
from smalti.core.folders import Results, folder_for, members
from smalti.core.messages import count
from smalti.core.pictures import save_png

EXAMPLES = """[bold]Examples[/bold]

  smalti decompress digits.smalti again
  smalti decompress scan.smalti scans --model runs/pixelcnn"""

NOTHING = Results("")
"""No file's name: the folder must be new, or empty."""

app = App(name="decompress", help_epilogue=EXAMPLES)


@app.default
def decompress_file(
    file: Path,
    out: Path,
    /,
    *,
    model: str | None = None,
    anyway: Switch = False,
) -> None:
    """Bring back the pictures of a file of `smalti compress`, as PNGs under their old names.

    Parameters
    ----------
    file
        What `smalti compress` wrote.
    out
        A new folder for the pictures.
    model
        The model that compressed them; the one that the file names unless told otherwise.
    anyway
        Try although versions differ from those recorded. A checksum tells whether it went well;
        nothing is written when not.
    """
    begun = time.perf_counter()
    check_new(out)
    with folder_for(out, NOTHING) as folder:
        try:
            header, pixels = decompressed(file, model, anyway)
        except UserError as error:
            raise UserError(f"{file}: {error}") from error
        write_pictures(folder, pixels, file_names(header))
    seconds = time.perf_counter() - begun
    print(f"{count(len(pixels), 'picture')} in {seconds:.1f} s, their checksum right: {out}")


def decompressed(file: Path, model: str | None, anyway: bool) -> tuple[Header, Tensor]:
    """What a file records, and its pictures, uint8 (N, C, H, W)."""
    data = read_file(file)
    header, _ = from_bytes(data)
    loaded = recorded_model(header, model)
    if header.units != (units := vector_units()):
        print(
            f"{file} was written with {header.units} and this processor has {units}, which may "
            "round otherwise; trying",
            file=sys.stderr,
        )
    with Meter("decompressing", header.count) as meter:
        return header, decompress(loaded, data, anyway=anyway, progress=meter.advance)


def recorded_model(header: Header, model: str | None):
    """The model that is named, or else the one that the file names."""
    if model is None and not header.name:
        raise UserError("no model is named in it; give --model")
    try:
        return picture_model(model or header.name, "cpu")
    except UserError as error:
        if model is not None:
            raise
        raise UserError(
            f"{error}; this file names it, and --model can name another place"
        ) from error


def check_new(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; name a new folder for the pictures")
    if (there := next(members(out), None)) is not None:
        first = there.split("/")[0]
        raise UserError(f"{out} holds {first!r} already; name a new folder for the pictures")


def file_names(header: Header) -> Sequence[str]:
    """The pictures' names; their numbers where none are recorded or some cannot be written."""
    if header.names and all(map(is_writable, header.names)):
        return header.names
    if header.names:
        print("names are too long for this system; pictures get their numbers", file=sys.stderr)
    return [f"{i:05d}{ENDING}" for i in range(header.count)]


def write_pictures(folder: Path, pixels: Tensor, names) -> None:
    """pixels: uint8 (N, C, H, W)."""
    for picture, name in zip(pixels, names, strict=True):
        levels = picture[0] if len(picture) == 1 else picture.permute(1, 2, 0)
        save_png(Image.fromarray(levels.numpy()), folder / name)
