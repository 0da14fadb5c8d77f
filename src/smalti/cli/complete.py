"""`smalti complete`: pictures whose rest is drawn by a model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from cyclopts import App
from torch import Tensor

import smalti
from smalti.cli.draw import chosen_classes, chosen_text, draw, name_of, picture_model
from smalti.cli.given import read_pictures
from smalti.cli.options import Classes, Number, Texts
from smalti.core.config import to_json
from smalti.core.errors import UserError
from smalti.core.folders import Results, check_free, folder_for, write_record
from smalti.core.given import Given
from smalti.core.messages import count
from smalti.core.model import open_model
from smalti.core.pictures import grid, image, save_png
from smalti.core.ranges import Amount, Batch, Seed, Weight
from smalti.core.rng import Rng, count_seeds
from smalti.data.single import read_mask

EXAMPLES = """[bold]Examples[/bold]

  smalti complete runs/gated-pixelcnn-digits seven.png three.png -n 8
  smalti complete runs/gated-pixelcnn-digits seven.png --rows 10 --class 7 --temperature 0.9
  smalti complete runs/pixelcnn seven.png --mask hole.png"""

FILES = Results(r"grid\.png|completions\.json|\d+-\d+\.png", "completions.json")
"""What a folder of completions holds."""
GREY = 0.5

app = App(name="complete", help_epilogue=EXAMPLES)


@app.default
def complete(
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
    if not pictures:
        raise UserError("no PICTURES to complete; name one file or more")
    seeds = [*count_seeds(seed, number)]
    out = out or Path("completions") / name_of(model)
    check_free(out, FILES)
    loaded = picture_model(model, device)
    check_walk(loaded, model)
    turns = chosen_classes(classes, loaded.spec, model)
    sampler = chosen_sampler(loaded.config.sampler, temperature)
    hole = chosen_hole(rows, mask, pictures, loaded.spec.size)
    known = read_pictures(pictures, loaded.spec, None)  # (P, C, H, W)
    told = chosen_text(text, number, loaded.spec, model)
    given = Given(
        labels=chosen_labels(turns, number, len(known)),
        text=told and told * len(known),
        known=known.repeat_interleave(number, 0),
        mask=hole.expand(len(known) * number, 1, -1, -1),
    )
    given = loaded.draw_choices(Rng(seeds * len(known)), given)  # so that they can be told
    labels = given.labels
    with folder_for(out, FILES) as folder:
        drawn = draw(loaded, seeds * len(known), given, sampler, batch=batch, film=False)
        write_completions(folder, known, hole, drawn.pictures, seeds)
        record = {
            "model": model,
            "pictures": [*map(str, pictures)],
            "mask": mask and str(mask),
            "rows": None if mask else int((~hole).all(1).sum()),
            "seeds": seeds,
            "classes": None
            if labels is None
            else [[loaded.spec.classes[k] for k in ks] for ks in labels.view(-1, number).tolist()],
            "text": told,
            "sampler": to_json(sampler),
            "smalti": smalti.__version__,
        }
        write_record(folder / "completions.json", record)
    share, seconds = hole.float().mean(), time.perf_counter() - begun
    done = f"{count(len(known), 'picture')}, {share:.0%} drawn in {count(number, 'way')}"
    print(f"{done} in {seconds:.1f} s: {out / 'grid.png'}")


def check_walk(model: Any, name: str) -> None:
    try:
        open_model(model, "walk")
    except UserError as error:
        raise UserError(
            f"{name} does not draw pixel by pixel; `smalti inpaint` fills holes by diffusion models"
        ) from error


def chosen_sampler(own: Any, temperature: float | None) -> Any:
    return own if temperature is None else replace(own, temperature=temperature)


def chosen_hole(
    rows: int | None, mask: Path | None, pictures: Sequence[Path], size: tuple[int, int]
) -> Tensor:
    """(H, W), true where something is to be drawn."""
    H, W = size
    if mask is not None:
        if rows is not None:
            raise UserError("--rows and --mask are both given; choose one")
        holes = [torch.from_numpy(read_mask(mask, picture, size=size)) for picture in pictures]
        return holes[0]  # pictures of one size, cropped alike
    kept = H // 2 if rows is None else rows
    if not 0 <= kept < H:
        raise UserError(f"--rows {rows} leaves nothing to draw; keep 0 to {H - 1} of {H} rows")
    return (torch.arange(H) >= kept)[:, None].expand(H, W)


def chosen_labels(turns: list[int], number: int, pictures: int) -> Tensor | None:
    """(P n,) classes by turns; None where none are named."""
    if not turns:
        return None
    return torch.tensor([turns[i % len(turns)] for i in range(number)]).repeat(pictures)


def write_completions(
    folder: Path, known: Tensor, hole: Tensor, drawn: Tensor, seeds: list[int]
) -> None:
    """grid.png with a row for each picture: itself, what is kept, its completions; those by PICTURE
    and SEED, one by one, too.
    """
    cut = known.masked_fill(hole, GREY)
    ways = drawn.unflatten(0, (len(known), len(seeds)))  # (P, n, C, H, W)
    sheet = torch.cat([known[:, None], cut[:, None], ways], dim=1)
    save_png(grid(sheet.flatten(0, 1), columns=2 + len(seeds)), folder / "grid.png")
    for i, row in enumerate(ways):
        for seed, picture in zip(seeds, row, strict=True):
            save_png(image(picture), folder / f"{i:05d}-{seed:05d}.png")
