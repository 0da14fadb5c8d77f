"""`smalti compress`: pictures into one file, without a loss."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from smalti.cli.draw import chosen_classes, picture_model
from smalti.cli.meter import Meter, ProgressMeter
from smalti.cli.options import Classes
from smalti.coding.file import MAGIC, read_header
from smalti.coding.reading import read_exact
from smalti.coding.squeeze import BATCH, check_model, compress
from smalti.core.errors import UserError
from smalti.core.files import file_for
from smalti.core.messages import count
from smalti.core.progress import name_progress
from smalti.core.protocols import Spec
from smalti.core.ranges import Batch

EXAMPLES = """[bold]Examples[/bold]

  smalti compress digits digits.smalti --model runs/gated-pixelcnn-digits
  smalti compress scan.png scan.smalti --model runs/pixelcnn --class 7
  smalti decompress digits.smalti again"""

app = App(name="compress", help_epilogue=EXAMPLES)


@app.default
def compress_pictures(
    pictures: Annotated[
        str, Parameter(help="A picture, a folder, archive, .npz, IDX, LMDB, pack or hf:NAME.")
    ],
    out: Path,
    /,
    *,
    model: str | None = None,
    classes: Classes = (),
    batch: Batch = BATCH,
) -> None:
    """Compress pictures without a loss, by a model whose likelihood is exact.

    They must have the model's size already. `smalti decompress` needs the same model, and a machine
    that rounds as this one does.

    Parameters
    ----------
    out
        The file for them all; one that was compressed before is replaced.
    model
        A shipped model's name, a run or a checkpoint: a PixelCNN.
    classes
        The class of them all, by name or number; else the data's own classes where the model has
        them, else for each picture that of the fewest bits.
    batch
        Pictures of one walk.
    """
    begun = time.perf_counter()
    if model is None:
        raise UserError("--model is needed: name a PixelCNN, such as runs/pixelcnn")
    check_file(out)
    loaded = picture_model(model, "cpu")
    check_model(loaded)
    y = chosen_class(classes, loaded.spec, model)
    shape = (loaded.spec.channels, *loaded.spec.size)
    with file_for(out) as temporary:
        with ProgressMeter() as meter:
            progress = name_progress("reading", meter)
            data, names = read_exact(pictures, shape, progress, print)
        labels = None if y is None else [y] * len(data)
        with Meter("compressing", len(data)) as meter:
            how = {"names": names, "name": model, "batch": batch, "progress": meter.advance}
            written = compress(loaded, data, labels, **how)
        temporary.write_bytes(written)
    values, payload = data.stored[0].numel() * len(data), read_header(written).payload
    seconds = time.perf_counter() - begun
    print(
        f"{count(len(data), 'picture')} in {seconds:.1f} s: {len(written):,} bytes in "
        f"{out}, {payload:,} of them pixels, {8 * payload / values:.3f} bits a value instead of 8"
    )
    print("  kept  the pixels, upright where EXIF turns a picture; not the files' other contents")
    print(f"  next  smalti decompress {shlex.quote(str(out))} FOLDER")


def chosen_class(words: tuple[str, ...], spec: Spec, model: str) -> int | None:
    chosen = chosen_classes(words, spec, model)
    if len(chosen) > 1:
        raise UserError(f"--class names {len(chosen)} classes; give one for all pictures, or none")
    return chosen[0] if chosen else None


def check_file(out: Path) -> None:
    """UserError unless `out` is new, or a file that we wrote."""
    if out.is_dir():
        raise UserError(f"{out} is a folder; name a file for the compressed pictures")
    if out.exists() and out.stat().st_size:
        with out.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise UserError(f"{out} exists and is not of `smalti compress`; name another file")
