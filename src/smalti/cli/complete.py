"""`smalti complete`: pictures whose rest is drawn by a model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App

from smalti.cli.draw import chosen_device, split_words
from smalti.cli.meter import ProgressMeter
from smalti.cli.options import Classes, Number, Texts
from smalti.core.messages import count
from smalti.core.model import name_model
from smalti.core.ranges import Amount, Batch, Seed, Weight
from smalti.tasks import complete

EXAMPLES = """[bold]Examples[/bold]

  smalti complete runs/gated-pixelcnn-digits seven.png three.png -n 8
  smalti complete runs/gated-pixelcnn-digits seven.png --rows 10 --class 7 --temperature 0.9
  smalti complete runs/pixelcnn seven.png --mask hole.png"""

app = App(name="complete", help_epilogue=EXAMPLES)


@app.default
def complete_pictures(
    model: str,
    pictures: Sequence[Path],
    /,
    *,
    rows: Amount | None = None,
    mask: Path | None = None,
    number: Number = 4,
    seed: Seed = 0,
    classes: Classes = (),
    text: Texts = (),
    temperature: Weight | None = None,
    batch: Batch = 64,
    out: Path | None = None,
    device: str = "auto",
) -> None:
    """Keep the upper part of pictures and draw the rest, in several ways.

    Parameters
    ----------
    model
        A shipped model's name, a run or a checkpoint: one that draws pixel by pixel.
    pictures
        Picture files; cropped and resized to the model's size.
    rows
        Rows that are kept; half of them unless told otherwise.
    mask
        Instead of rows, a picture of the same size: white is filled in, black is kept. Only what
        comes before a pixel, above it or left of it in its row, has a say in what is drawn there.
    number
        How many ways for each picture.
    seed
        The first way's seed; the others count up from it.
    classes
        A class by name or number, or several with commas, or "all"; the ways take turns. Else each
        way draws its class, as probable as it is given what is kept above.
    text
        What the pictures show, for models that were trained with captions; the option may be
        repeated, and the ways take turns.
    temperature
        Below 1 the likelier levels are drawn more often; the model's own unless told otherwise.
    batch
        Pictures drawn at a time.
    out
        Folder for the results; completions/MODEL unless told otherwise.
    device
        cpu, cuda, cuda:1, mps ...; auto takes CUDA where there is one.
    """
    begun = time.perf_counter()
    out = out or Path("completions") / name_model(model)
    with ProgressMeter() as meter:
        done = complete(
            model,
            pictures,
            rows=rows,
            mask=mask,
            number=number,
            seed=seed,
            classes=split_words(classes),
            text=text,
            temperature=temperature,
            batch=batch,
            device=chosen_device(device),
            out=out,
            on_progress=meter,
        )
    share, seconds = done.hole.float().mean(), time.perf_counter() - begun
    told = f"{count(len(done.known), 'picture')}, {share:.0%} drawn in {count(number, 'way')}"
    print(f"{told} in {seconds:.1f} s: {out / 'grid.png'}")
