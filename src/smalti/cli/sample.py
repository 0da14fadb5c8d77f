"""`smalti sample`: pictures from a model."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from smalti.cli.draw import chosen_device
from smalti.cli.meter import ProgressMeter
from smalti.cli.options import (
    Classes,
    Number,
    PicturesGiven,
    Size,
    Strength,
    Switch,
    Texts,
    split_words,
)
from smalti.cli.samplers import verb_of_models
from smalti.core.messages import count
from smalti.core.model import name_model
from smalti.core.ranges import Batch, Seed
from smalti.tasks import draw_samples

EXAMPLES = """[bold]Examples[/bold]

  smalti sample ddpm-digits -n 64
  smalti sample ddpm-digits -n 10 --class all --guidance 1.5 --gif
  smalti sample ddpm-digits --sampler dpm-solver --steps 8
  smalti sample runs/gated-pixelcnn-digits -n 16 --temperature 0.9 --gif
  smalti sample runs/pixelcnnpp-emoji -n 8 --text "red heart" --text "green apple"
  smalti sample ddpm-digits -n 4 --picture sketch.png --strength 0.7 --class 5
  smalti sample runs/ddpm --steps 50 --eta 1 --size 48x32 --out wide"""


def sample_pictures(
    model: str,
    /,
    *,
    number: Number = 16,
    seed: Seed = 0,
    classes: Classes = (),
    text: Texts = (),
    size: Size = None,
    picture: PicturesGiven = (),
    strength: Strength | None = None,
    batch: Batch = 64,
    out: Path | None = None,
    gif: Switch = False,
    device: str = "auto",
    sampler: dict[str, Any],
) -> None:
    """Draw from a model: a grid, every picture by itself, and a record of how they were made.

    Parameters
    ----------
    model
        A shipped model's name, a run or a checkpoint.
    number
        How many pictures.
    seed
        The first picture's seed; the others count up from it. A seed always gives the same picture.
    classes
        A class by name or number, or several with commas, or "all"; the pictures take turns.
    text
        What a picture shows, for models that were trained with captions, such as "red heart"; the
        option may be repeated, and the texts take turns.
    size
        Height and width in pixels (64 or 48x64), for models that can draw other sizes than they
        were trained on.
    picture
        A picture to begin with, instead of noise; the option may be repeated, and they take turns.
    strength
        How far to go from that picture: the share of the steps, up to 1; 0.6 unless told otherwise.
    batch
        Pictures drawn at a time.
    out
        Folder for the results; samples/MODEL unless told otherwise.
    gif
        Write denoising.gif, too: the way from noise to picture; or rows.gif, the rows appearing.
    device
        cpu, cuda, cuda:1, mps ...; auto takes CUDA where there is one.
    """
    begun = time.perf_counter()
    out = out or Path("samples") / name_model(model)
    with ProgressMeter() as meter:
        draw_samples(
            model,
            number,
            seed=seed,
            classes=split_words(classes),
            text=text,
            pictures=picture or None,
            strength=strength,
            size=size,
            sampler=sampler,
            batch=batch,
            film=gif,
            device=chosen_device(device),
            out=out,
            on_progress=meter,
        )
    seconds = time.perf_counter() - begun
    print(f"{count(number, 'picture')} in {seconds:.1f} s: {out / 'grid.png'}")


app = verb_of_models("sample", sample_pictures, about={"help_epilogue": EXAMPLES})
