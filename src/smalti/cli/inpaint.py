"""`smalti inpaint`: holes in a picture filled with its own patches, or by a model."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from smalti.cli.draw import chosen_device
from smalti.cli.meter import ProgressMeter
from smalti.cli.options import Classes, Number, Size, split_words
from smalti.cli.samplers import verb_of_models
from smalti.core.messages import count
from smalti.core.ranges import Batch, Seed, Width
from smalti.tasks import inpaint

EXAMPLES = """[bold]Examples[/bold]

  smalti inpaint photo.jpg hole.png
  smalti inpaint seven.png hole.png --model ddpm-digits --class 7
  smalti inpaint photo.jpg hole.png --model runs/ddpm -n 8 --resample 10"""


def fill(
    picture: Path,
    mask: Path,
    /,
    *,
    model: str | None = None,
    number: Number | None = None,
    seed: Seed = 0,
    patch: Width | None = None,
    classes: Classes = (),
    size: Size = None,
    batch: Batch | None = None,
    out: Path | None = None,
    device: str | None = None,
    sampler: dict[str, Any],
) -> None:
    """Fill a hole in a picture: with patches of the rest of it (PatchMatch), or by a model.

    What is outside the hole stays as it is.

    Parameters
    ----------
    picture
        The picture; for a model cropped and resized to its size.
    mask
        A picture of the same size: white is filled in, black is kept.
    model
        A shipped model's name, a run or a checkpoint; PatchMatch unless one is named.
    number
        How many ways: 1 by PatchMatch, 4 by a model.
    seed
        The first way's seed; the others count up from it.
    patch
        Width of PatchMatch's patches in pixels, odd: 7.
    classes
        A class by name or number, or several with commas, or "all"; the ways take turns.
    size
        Height and width in pixels (64 or 48x64), for models that can draw other sizes than they
        were trained on.
    batch
        Pictures that a model draws at a time: 64.
    out
        Folder for the results; inpaintings/PICTURE unless told otherwise.
    device
        cpu, cuda, cuda:1, mps ...; auto, for models, takes CUDA where there is one.
    """
    begun = time.perf_counter()
    out = out or Path("inpaintings") / picture.stem
    with ProgressMeter() as meter:
        done = inpaint(
            picture,
            mask,
            model,
            number=number,
            seed=seed,
            patch=patch,
            classes=split_words(classes),
            size=size,
            sampler=sampler,
            batch=batch,
            device=device and chosen_device(device),
            out=out,
            on_progress=meter,
        )
    for loss in done.losses:
        print(f"{picture} {loss}")
    n, share, seconds = len(done.seeds), done.hole.mean(), time.perf_counter() - begun
    ways = f" in {count(n, 'way')}" if model or n > 1 else ""
    print(f"{share:.0%} filled{ways} in {seconds:.1f} s: {out / 'grid.png'}")


app = verb_of_models("inpaint", fill, fills=True, about={"help_epilogue": EXAMPLES})
