"""`smalti decompress`: the pictures that were compressed, as they were."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from cyclopts import App
from PIL import Image
from torch import Tensor

from smalti.cli.draw import picture_model
from smalti.cli.meter import Meter
from smalti.cli.options import Switch
from smalti.coding.file import Header, read_header
from smalti.coding.squeeze import decompress
from smalti.coding.surroundings import vector_units
from smalti.core.errors import UserError
from smalti.core.folders import folder_for
from smalti.core.messages import count
from smalti.core.pictures import save_png

EXAMPLES = """[bold]Examples[/bold]

  smalti decompress digits.smalti again
  smalti decompress scan.smalti scans --model runs/pixelcnn"""

NOTHING = ""
"""Matches no file's name: the folder must be new, or empty."""

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
    data = file.read_bytes()
    try:
        header = read_header(data)
        loaded = recorded_model(header, model)
        if header.units != (units := vector_units()):
            print(
                f"{file} was written with {header.units} and this processor has {units}, which may "
                "round otherwise; trying",
                file=sys.stderr,
            )
        with Meter("decompressing", header.count) as meter:
            pixels = decompress(loaded, data, anyway=anyway, progress=meter.advance)
    except UserError as error:
        raise UserError(f"{file}: {error}") from error
    with folder_for(out, NOTHING) as folder:
        write_pictures(folder, pixels, header.names or numbers(len(pixels)))
    seconds = time.perf_counter() - begun
    print(f"{count(len(pixels), 'picture')} in {seconds:.1f} s, their checksum right: {out}")


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
    if out.is_dir() and (there := sorted(os.listdir(out))):
        raise UserError(f"{out} holds {there[0]!r} already; name a new folder for the pictures")


def numbers(n: int) -> list[str]:
    return [f"{i:05d}.png" for i in range(n)]


def write_pictures(folder: Path, pixels: Tensor, names) -> None:
    """pixels: uint8 (N, C, H, W)."""
    for picture, name in zip(pixels, names, strict=True):
        levels = picture[0] if len(picture) == 1 else picture.permute(1, 2, 0)
        save_png(Image.fromarray(levels.numpy()), folder / name)
