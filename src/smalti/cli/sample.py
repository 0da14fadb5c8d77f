"""`smalti sample`: pictures from a model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import smalti
from smalti.cli.draw import (
    chosen_classes,
    chosen_size,
    chosen_text,
    draw,
    film_of,
    name_of,
    picture_model,
)
from smalti.cli.given import read_pictures
from smalti.cli.options import Classes, Number, PicturesGiven, Size, Strength, Switch, Texts
from smalti.cli.samplers import verb_of_models
from smalti.core.config import to_json
from smalti.core.drawing import Drawn
from smalti.core.folders import Results, check_free, folder_for, write_record
from smalti.core.given import Given
from smalti.core.messages import count
from smalti.core.pictures import grid, image, save_gif, save_png
from smalti.core.ranges import Batch, Seed
from smalti.core.rng import count_seeds
from smalti.core.sampling import find_sampler
from smalti.diffusion.condition import STRENGTH

EXAMPLES = """[bold]Examples[/bold]

  smalti sample ddpm-digits -n 64
  smalti sample ddpm-digits -n 10 --class all --guidance 1.5 --gif
  smalti sample ddpm-digits --sampler dpm-solver --steps 8
  smalti sample runs/gated-pixelcnn-digits -n 16 --temperature 0.9 --gif
  smalti sample runs/pixelcnnpp-emoji -n 8 --text "red heart" --text "green apple"
  smalti sample ddpm-digits -n 4 --picture sketch.png --strength 0.7 --class 5
  smalti sample runs/ddpm --steps 50 --eta 1 --size 48x32 --out wide"""

WIDEST = 16
"""Pictures of a group beside each other in a grid, at most."""
FILES = Results(r"grid\.png|(denoising|rows)\.gif|samples\.json|\d+\.png", "samples.json")
"""What a folder of samples holds."""


def draw_samples(
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
    seeds = count_seeds(seed, number)
    out = out or Path("samples") / name_of(model)
    check_free(out, FILES)
    loaded = picture_model(model, device)
    chosen = find_sampler(sampler, loaded)
    turns = chosen_classes(classes, loaded.spec, model)
    labels = torch.tensor([turns[i % len(turns)] for i in range(number)]) if turns else None
    extent = chosen_size(size, loaded.spec, model)
    begun_with = taking_turns(picture, number, loaded, extent)
    told = chosen_text(text, number, loaded.spec, model)
    given = Given(labels, told, begun_with, strength, size=extent)
    groups = torch.arange(number) % len(text) if text else labels
    with folder_for(out, FILES) as folder:
        drawn = draw(loaded, seeds, given, chosen, batch=batch, film=gif)
        write_samples(folder, drawn, seed, groups, film_name(loaded))
        record = {"model": model, **made_by(loaded, seed, number, given, chosen)}
        if picture:
            record |= {"pictures": [*map(str, picture)], "strength": strength or STRENGTH}
        write_record(folder / "samples.json", record)
    seconds = time.perf_counter() - begun
    print(f"{count(number, 'picture')} in {seconds:.1f} s: {out / 'grid.png'}")


def taking_turns(
    paths: Sequence[Path], number: int, model: Any, size: tuple[int, int] | None
) -> Tensor | None:
    """(number, C, H, W) of these pictures in turn; None without any."""
    if not paths:
        return None
    pictures = read_pictures(paths, model.spec, size)
    return pictures[torch.arange(number) % len(pictures)]


def film_name(model: Any) -> str:
    """What a GIF of the model's states shows."""
    return "rows.gif" if hasattr(model, "walk") else "denoising.gif"


def write_samples(
    folder: Path, drawn: Drawn, seed: int, groups: Tensor | None, film: str = "denoising.gif"
) -> None:
    """grid.png, by groups (N,) such as classes, PNGs named by seed, and the film."""
    N = len(drawn.pictures)
    order = torch.arange(N) if groups is None else groups.argsort(stable=True)
    columns = None if groups is None else row_of(groups)
    save_png(grid(drawn.pictures[order], columns), folder / "grid.png")
    for i, picture in enumerate(drawn.pictures):
        save_png(image(picture), folder / f"{seed + i:05d}.png")
    if drawn.frames:
        save_gif(film_of(drawn, order, columns), folder / film)


def row_of(groups: Tensor) -> int | None:
    """Columns that give each group (N,) a row: where all are alike in number, 2 to WIDEST."""
    counts = groups.unique(return_counts=True)[1].tolist()
    fits = len(counts) > 1 and 1 < counts[0] <= WIDEST and len(set(counts)) == 1
    return counts[0] if fits else None


def made_by(model: Any, seed: int, number: int, given: Given, sampler: Any) -> dict[str, Any]:
    """All that is needed to draw the same again."""
    labels = given.labels
    return {
        "seeds": list(count_seeds(seed, number)),
        "classes": None if labels is None else [model.spec.classes[k] for k in labels.tolist()],
        "text": given.text,
        "size": given.size,
        "sampler": to_json(sampler),
        "smalti": smalti.__version__,
    }


app = verb_of_models("sample", draw_samples, about={"help_epilogue": EXAMPLES})
