"""complete: pictures whose rest is drawn by a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from smalti.core.brief import brief
from smalti.core.config import fitted, to_json
from smalti.core.drawing import draw_batches
from smalti.core.errors import UserError
from smalti.core.folders import Results, check_free, results_folder, write_record
from smalti.core.given import Given
from smalti.core.pictures import grid, image, save_png
from smalti.core.progress import OnProgress, ignore
from smalti.core.ranges import Amount, Batch, Samples, Seed, Weight
from smalti.core.rng import Rng, count_seeds
from smalti.core.sampling import find_sampler
from smalti.data.single import Picture, read_mask
from smalti.tasks.inputs import (
    NOTHING,
    Chosen,
    Classes,
    Conditions,
    Pictures,
    choose_model,
    list_pictures,
    name_files,
    take_turns,
    turn_conditions,
)

FILES = Results(r"grid\.png|completions\.json|\d+-\d+\.png", "completions.json")
"""What a folder of completions holds."""
GREY = 0.5


@dataclass(frozen=True, eq=False)
@brief
class Completions:
    """Pictures, completed in several ways."""

    known: Tensor
    """The pictures, (P, C, H, W) in [0, 1]."""
    hole: Tensor
    """(H, W), true where something was drawn."""
    pictures: Tensor
    """(P, n, C, H, W): n ways for each."""
    seeds: range
    classes: list[list[str]] | None
    """Of each picture's ways."""


def complete(
    model: object,
    pictures: Pictures,
    *,
    rows: Amount | None = None,
    mask: Picture | None = None,
    number: Samples = 4,
    seed: Seed = 0,
    classes: Classes = (),
    text: Sequence[str] | str = (),
    conditions: Conditions = NOTHING,
    temperature: Weight | None = None,
    batch: Batch = 64,
    device: str = "auto",
    out: str | Path | None = None,
    on_progress: OnProgress = ignore,
) -> Completions:
    """Keep the upper part of pictures and draw the rest, in several ways.

    model: a shipped model's name, a run or a checkpoint: one that draws pixel by pixel.
    pictures: picture files; cropped and resized to the model's size.
    rows: rows that are kept; half of them unless told otherwise.
    mask: instead of rows, a picture of the same size: white is filled in, black is kept. Only what
    comes before a pixel, above it or left of it in its row, has a say in what is drawn there.
    number: how many ways for each picture.
    seed: the first way's seed; the others count up from it.
    classes: a class by name or number, or several with commas, or "all"; the ways take turns. Else
    each way draws its class, as probable as it is given what is kept above.
    text: what the pictures show, for models that were trained with captions; the option may be
    repeated, and the ways take turns.
    conditions: what else a model is told, as NAME=VALUE, such as style=flat; the option may be
    repeated, and the values of a name take turns.
    temperature: below 1 the likelier levels are drawn more often; the model's own unless told
    otherwise.
    batch: pictures drawn at a time.
    device: where it runs: cpu, cuda, cuda:1, mps ...; auto takes CUDA where there is one.
    out: folder for a grid, every picture and a record; completions/MODEL unless told otherwise.

    From Python pictures may be arrays and tensors, too, and without `out` nothing is written.
    """
    each = list_pictures(pictures)
    seeds = count_seeds(seed, fitted(number, Samples, "number"))
    check_free(out, FILES)
    chosen = choose_model(model, device)
    check_walk(chosen)
    loaded, turns = chosen.model, chosen.find_classes(classes)
    changes = {} if temperature is None else {"temperature": temperature}
    sampler = find_sampler(changes, loaded)
    hole = choose_hole(rows, mask, each, loaded.spec.size)
    known = chosen.read_pictures(each)  # (P, C, H, W)
    told = take_turns(chosen.check_text(text), number) or None
    labels = take_turns(turns, number) * len(known)
    others = turn_conditions(conditions, number)
    given = Given(
        **chosen.tell(labels, {name: one * len(known) for name, one in others.items()}),
        text=told and told * len(known),
        known=known.repeat_interleave(number, 0),
        mask=hole.expand(len(known) * number, 1, -1, -1),
    )
    each_seed = [*seeds] * len(known)
    given = loaded.draw_choices(Rng(each_seed), given)  # here, so that they can be told
    if given.labels is not None:
        labels = given.labels.tolist()
    with results_folder(out, FILES) as folder:
        drawn = draw_batches(
            loaded, each_seed, given, sampler, batch=batch, on_progress=on_progress
        )
        ways = drawn.pictures.unflatten(0, (len(known), number))  # (P, n, C, H, W)
        named = chosen.name_classes(labels)
        shared = (
            None if named is None else [named[i : i + number] for i in range(0, len(named), number)]
        )
        if folder:
            write_completions(folder, known, hole, ways, seeds)
            record = {
                "model": chosen.record,
                "pictures": name_files(each),
                "mask": None if mask is None else name_files(mask)[0],
                "rows": None if mask is not None else int((~hole).all(1).sum()),
                "seeds": [*seeds],
                "classes": shared,
                "text": told,
                **({"conditions": others} if others else {}),
                "sampler": to_json(sampler),
            }
            write_record(folder / "completions.json", record)
    return Completions(known, hole, ways, seeds, shared)


def check_walk(chosen: Chosen) -> None:
    if not hasattr(chosen.model, "walk") or "mask" not in chosen.spec.given:
        raise UserError(
            f"{chosen.name} does not draw pixel by pixel; `smalti inpaint` fills holes by "
            "diffusion models"
        )


def choose_hole(
    rows: int | None, mask: Picture | None, pictures: Sequence[Picture], size: tuple[int, int]
) -> Tensor:
    """(H, W), true where something is to be drawn."""
    H, W = size
    if mask is not None:
        if rows is not None:
            raise UserError("rows and mask are both given; choose one")
        holes = [torch.from_numpy(read_mask(mask, picture, size=size)) for picture in pictures]
        return holes[0]  # pictures of one size, cropped alike
    kept = H // 2 if rows is None else rows
    if not 0 <= kept < H:
        raise UserError(f"rows {rows} leaves nothing to draw; keep 0 to {H - 1} of {H} rows")
    return (torch.arange(H) >= kept)[:, None].expand(H, W)


def write_completions(
    folder: Path, known: Tensor, hole: Tensor, ways: Tensor, seeds: range
) -> None:
    """grid.png with a row for each picture: itself, what is kept, its completions; those by PICTURE
    and SEED, one by one, too.
    """
    cut = known.masked_fill(hole, GREY)
    sheet = torch.cat([known[:, None], cut[:, None], ways], dim=1)
    save_png(grid(sheet.flatten(0, 1), columns=2 + len(seeds)), folder / "grid.png")
    for i, row in enumerate(ways):
        for seed, picture in zip(seeds, row, strict=True):
            save_png(image(picture), folder / f"{i:05d}-{seed:05d}.png")
