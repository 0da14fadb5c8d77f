"""`smalti compress`: pictures into one file, without a loss."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from smalti.cli.meter import ProgressMeter
from smalti.cli.options import Classes
from smalti.coding.squeeze import BATCH
from smalti.core.errors import UserError
from smalti.core.messages import count
from smalti.core.ranges import Batch
from smalti.tasks import compress

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
    if model is None:
        raise UserError("--model is needed: name a PixelCNN, such as runs/pixelcnn")
    with ProgressMeter() as meter:
        done = compress(
            model, pictures, out, label=one_class(classes), batch=batch, on_progress=meter
        )
    print("\n".join(done.notes), end="\n" * bool(done.notes))
    header = done.header
    print(
        f"{count(header.count, 'picture')} in {done.seconds:.1f} s: {len(done.content):,} bytes in "
        f"{out}, {header.payload:,} of them pixels, {done.bits_per_dim:.3f} bits a value instead "
        "of 8"
    )
    print("  kept  the pixels, upright where EXIF turns a picture; not the files' other contents")
    print(f"  next  smalti decompress {shlex.quote(str(out))} FOLDER")


def one_class(words: tuple[str, ...]) -> str | None:
    names = [name for word in words for name in word.split(",") if name]
    if len(names) > 1:
        raise UserError(f"--class names {len(names)} classes; give one for all pictures, or none")
    return names[0] if names else None
