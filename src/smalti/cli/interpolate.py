"""`smalti interpolate`: a walk between samples or pictures through the noise they start from."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from smalti.cli.draw import chosen_device
from smalti.cli.meter import ProgressMeter
from smalti.cli.options import Classes, Switch, split_words
from smalti.core.errors import UserError
from smalti.core.messages import count
from smalti.core.model import name_model
from smalti.core.ranges import Batch, Frames, Guidance, Levels
from smalti.tasks import interpolate

EXAMPLES = """[bold]Examples[/bold]

  smalti interpolate ddpm-digits --from 3 --to 8
  smalti interpolate ddpm-digits --class 2,3,5 --frames 16 --gif
  smalti interpolate ddpm-digits --from mine.png --to yours.png"""

app = App(name="interpolate", help_epilogue=EXAMPLES)


@app.default
def walk_between(
    model: str,
    /,
    *,
    first: Annotated[str, Parameter(name="--from")] = "0",
    last: Annotated[str, Parameter(name="--to")] = "1",
    frames: Frames = 10,
    classes: Classes = (),
    steps: Levels | None = None,
    guidance: Guidance | None = None,
    batch: Batch = 64,
    out: Path | None = None,
    gif: Switch = False,
    device: str = "auto",
) -> None:
    """Walk from one sample or picture to another, through the noise that they start from.

    Parameters
    ----------
    model
        A shipped model's name, a run or a checkpoint.
    first
        The seed, or the picture file, to start from.
    last
        The seed, or the picture file, to arrive at.
    frames
        Pictures on the way, both ends included.
    classes
        A class by name or number, or several with commas, or "all": a row for each.
    steps
        DDIM steps; the model's own number unless told otherwise, or 50 with a picture.
    guidance
        Classifier-free guidance; the model's own unless told otherwise, or none with a picture.
    batch
        Pictures drawn at a time.
    out
        Folder for the results; interpolations/MODEL unless told otherwise.
    gif
        Write interpolation.gif, too.
    device
        cpu, cuda, cuda:1, mps ...; auto takes CUDA where there is one.
    """
    begun = time.perf_counter()
    out = out or Path("interpolations") / name_model(model)
    with ProgressMeter() as meter:
        walk = interpolate(
            model,
            read_end(first),
            read_end(last),
            frames=frames,
            classes=split_words(classes),
            steps=steps,
            guidance=guidance,
            batch=batch,
            gif=gif,
            device=chosen_device(device),
            out=out,
            on_progress=meter,
        )
    total, seconds = walk.pictures.shape[0] * frames, time.perf_counter() - begun
    print(f"{count(total, 'picture')} in {seconds:.1f} s: {out / 'strip.png'}")


def read_end(word: str) -> int | Path:
    """A seed, or a picture file."""
    if not (word.isascii() and word.removeprefix("-").isdigit()):
        return Path(word)
    if len(word) > len(str(2**64)):
        raise UserError(f"{word} is no seed; give 0 to 2^64 - 1, or a picture file")
    return int(word)
