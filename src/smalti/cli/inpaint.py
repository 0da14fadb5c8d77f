"""`smalti inpaint`: holes in a picture filled with its own patches, or by a model."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cyclopts import App, Group
from torch import Tensor

import smalti
from smalti.cli.draw import chosen_classes, chosen_size, draw, picture_model
from smalti.cli.flags import Flags, flags_of, option_name, with_flags
from smalti.cli.given import read_pictures
from smalti.cli.mending import FILES, fill_by_patches
from smalti.cli.options import Classes, Number, Size
from smalti.core.changes import change_config
from smalti.core.config import to_json
from smalti.core.errors import UserError
from smalti.core.folders import check_free, folder_for, write_record
from smalti.core.given import Given
from smalti.core.messages import count
from smalti.core.pictures import grid, image, save_png
from smalti.core.ranges import Batch, Seed, Width
from smalti.core.rng import count_seeds
from smalti.data.originals import Original, read_original
from smalti.data.single import read_mask
from smalti.diffusion import RePaint

EXAMPLES = """[bold]Examples[/bold]

  smalti inpaint photo.jpg hole.png
  smalti inpaint seven.png hole.png --model ddpm-digits --class 7
  smalti inpaint photo.jpg hole.png --model runs/ddpm -n 8 --resample 10"""

GREY = 0.5

app = App(name="inpaint", help_epilogue=EXAMPLES)


def walk_flags() -> Flags:
    group = Group(
        "RePaint", help="Guidance and clipping are the model's own unless told otherwise."
    )
    own = {"clip": None, "guidance": None}
    flags = (replace(f, default=own.get(f.name, f.default)) for f in flags_of(RePaint()))
    return Flags(tuple(flags), group)


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
    walk: dict[str, Any],
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
    check_free(out, FILES)
    if model is None:
        own = {"--class": classes, "--size": size, "--batch": batch, "--device": device}
        refuse_given(own | {option_name(name): name for name in walk})
        fill_by_patches(
            picture, mask, 7 if patch is None else patch, count_seeds(seed, number or 1), out
        )
        return
    if patch is not None:
        raise UserError(f"--patch is given, but {model} fills by no patches; leave one of them out")
    number, batch, device = number or 4, 64 if batch is None else batch, device or "auto"
    loaded = picture_model(model, device)
    if not any(isinstance(s, RePaint) for s in loaded.spec.samplers):
        raise UserError(
            f"{model} fills no holes; `smalti list` shows the diffusion models, which do, and "
            "`smalti complete` draws the lower part of a picture"
        )
    turns = chosen_classes(classes, loaded.spec, model)
    labels = torch.tensor([turns[i % len(turns)] for i in range(number)]) if turns else None
    extent = chosen_size(size, loaded.spec, model)
    known = read_pictures([picture], loaded.spec, extent)  # (1, C, H, W)
    side = (known.shape[2], known.shape[3])
    hole = torch.from_numpy(read_mask(mask, picture, size=side))  # (H, W)
    original = read_original(picture)
    sampler = chosen_walk(loaded.config, walk)
    given = Given(
        labels=labels,
        known=known.expand(number, -1, -1, -1),
        mask=hole.expand(number, 1, -1, -1),
        size=extent,
    )
    seeds = count_seeds(seed, number)
    with folder_for(out, FILES) as folder:
        filled = draw(loaded, seeds, given, sampler, batch=batch, film=False).pictures
        write_filled(folder, known, hole, filled, seed, original)
        record = {
            "model": model,
            "picture": str(picture),
            "mask": str(mask),
            "seeds": [*seeds],
            "classes": None if labels is None else [loaded.spec.classes[k] for k in labels],
            "size": extent,
            "sampler": to_json(sampler),
            "smalti": smalti.__version__,
        }
        write_record(folder / "inpainting.json", record)
    for loss in losses_of(original, known):
        print(f"{picture} {loss}")
    share, seconds = hole.float().mean(), time.perf_counter() - begun
    print(f"{share:.0%} filled in {count(number, 'way')} in {seconds:.1f} s: {out / 'grid.png'}")


def refuse_given(options: dict[str, Any]) -> None:
    given = [name for name, value in options.items() if value not in (None, ())]
    if given:
        raise UserError(f"{given[0]} is given, but it is of models; name one by --model")


def chosen_walk(config: Any, values: dict[str, Any]) -> RePaint:
    """RePaint with what the options change; no more steps than the model has, unless asked for."""
    own = config.sampler
    steps = min(RePaint.steps, config.schedule.T)
    return change_config(RePaint(steps=steps, clip=own.clip, guidance=own.guidance), values)


def fits(original: Original, known: Tensor) -> bool:
    """Whether the model's pictures can take their place in the file's own."""
    C, H, W = known.shape[1:]
    return original.size == (H, W) and (C == 3 or original.is_grey)


def losses_of(original: Original, known: Tensor) -> list[str]:
    """What of the picture is not in the results, in words."""
    if fits(original, known):
        return [*original.losses]
    mode, (H, W) = original.image.mode, known.shape[2:]
    what = {"LA": "transparency", "RGBA": "transparency", "I;16": "16 bits"}.get(mode)
    lost = [f"has {what}, its results of {H} x {W} have not"] if what else []
    return [*original.losses, *lost]


def write_filled(
    folder: Path, known: Tensor, hole: Tensor, filled: Tensor, seed: int, original: Original
) -> None:
    """grid.png of the picture, the hole and what fills it; the last by seed, one by one, too.

    Those keep the file's own pixels outside the hole, where it has the model's size.
    """
    holed = known.masked_fill(hole, GREY)
    save_png(grid(torch.cat([known, holed, filled])), folder / "grid.png")
    for i, picture in enumerate(filled):
        shown = image(picture)
        if fits(original, known):
            shown = original.fill(np.asarray(shown.convert("RGB")), hole.numpy())
        save_png(original.with_profile(shown), folder / f"{seed + i:05d}.png")


app.default(with_flags(fill, walk=walk_flags()))
