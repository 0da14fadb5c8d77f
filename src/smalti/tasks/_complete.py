"""complete: pictures whose rest is drawn by a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from smalti.core.config import coerce_value, to_json
from smalti.core.drawing import draw_in_batches
from smalti.core.errors import UserError
from smalti.core.folders import ResultFiles, check_replaceable, stage_optional_folder, write_record
from smalti.core.pictures import make_grid, save_png, to_image
from smalti.core.progress import OnProgress, ignore_event
from smalti.core.ranges import BatchSize, CountOrZero, SampleCount, Seed, Weight
from smalti.core.rng import Rng, list_seeds
from smalti.core.sampling import find_sampler
from smalti.core.sampling_inputs import SamplingInputs
from smalti.core.short_repr import add_short_repr
from smalti.data.single_picture import PictureLike, read_mask
from smalti.tasks.inputs import (
    NO_CONDITIONS,
    Classes,
    Conditions,
    Pictures,
    SelectedModel,
    cycle_conditions,
    cycle_values,
    list_paths,
    list_pictures,
    select_model,
)

FILES = ResultFiles(r"grid\.png|completions\.json|\d+-\d+\.png", "completions.json")
"""What a folder of completions holds."""
GRAY = 0.5


@dataclass(frozen=True, eq=False)
@add_short_repr
class Completions:
    """Pictures, completed in several ways."""

    originals: Tensor
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
    keep_rows: CountOrZero | None = None,
    mask: PictureLike | None = None,
    n: SampleCount = 4,
    seed: Seed = 0,
    classes: Classes = (),
    text: Sequence[str] | str = (),
    conditions: Conditions = NO_CONDITIONS,
    temperature: Weight | None = None,
    batch_size: BatchSize = 64,
    device: str = "auto",
    out: str | Path | None = None,
    on_progress: OnProgress = ignore_event,
) -> Completions:
    """Keep the upper part of pictures and draw the rest, in several ways.

    model: a shipped model's name, a run or a checkpoint: one that draws pixel by pixel.
    pictures: picture files; cropped and resized to the model's size.
    keep_rows: rows that are kept; half of them unless told otherwise.
    mask: instead of rows, a picture of the same size: white is filled in, black is kept. Only what
    comes before a pixel, above it or left of it in its row, has a say in what is drawn there.
    n: how many ways for each picture.
    seed: the first way's seed; the others count up from it.
    classes: a class by name or number, or several with commas, or "all"; the ways take turns. Else
    each way draws its class, as probable as it is given what is kept above.
    text: what the pictures show, for models that were trained with captions; the option may be
    repeated, and the ways take turns.
    conditions: what else a model is told, as NAME=VALUE, such as style=flat; the option may be
    repeated, and the values of a name take turns.
    temperature: below 1 the likelier levels are drawn more often; the model's own unless told
    otherwise.
    batch_size: pictures drawn at a time.
    device: where it runs: cpu, cuda, cuda:1, mps ...; auto takes CUDA where there is one.
    out: folder for a grid, every picture and a record; completions/MODEL unless told otherwise.

    From Python pictures may be arrays and tensors, too, and without `out` nothing is written.
    """
    each = list_pictures(pictures)
    seeds = list_seeds(seed, coerce_value(n, SampleCount, "n"))
    check_replaceable(out, FILES)
    selected = select_model(model, device)
    check_draws_by_pixel(selected)
    loaded, turns = selected.model, selected.find_class_indices(classes)
    changes = {} if temperature is None else {"temperature": temperature}
    sampler = find_sampler(changes, loaded)
    hole = choose_hole(keep_rows, mask, each, loaded.spec.size)
    known = selected.read_pictures(each)  # (P, C, H, W)
    captions = cycle_values(selected.check_text(text), n) or None
    labels = cycle_values(turns, n) * len(known)
    others = cycle_conditions(conditions, n)
    inputs = SamplingInputs(
        **selected.make_inputs(labels, {name: one * len(known) for name, one in others.items()}),
        text=captions and captions * len(known),
        known=known.repeat_interleave(n, 0),
        mask=hole.expand(len(known) * n, 1, -1, -1),
    )
    each_seed = [*seeds] * len(known)
    inputs = loaded.draw_conditions(Rng(each_seed), inputs)  # here, so that they can be told
    if inputs.labels is not None:
        labels = inputs.labels.tolist()
    with stage_optional_folder(out, FILES) as folder:
        drawn = draw_in_batches(
            loaded, each_seed, inputs, sampler, batch_size=batch_size, on_progress=on_progress
        )
        ways = drawn.pictures.unflatten(0, (len(known), n))  # (P, n, C, H, W)
        named = selected.name_classes(labels)
        class_names = None if named is None else [named[i : i + n] for i in range(0, len(named), n)]
        if folder:
            write_completions(folder, known, hole, ways, seeds)
            record = {
                "model": selected.recorded_name,
                "pictures": list_paths(each),
                "mask": None if mask is None else list_paths(mask)[0],
                "rows": None if mask is not None else int((~hole).all(1).sum()),
                "seeds": [*seeds],
                "classes": class_names,
                "text": captions,
                **({"conditions": others} if others else {}),
                "sampler": to_json(sampler),
            }
            write_record(folder / "completions.json", record)
    return Completions(known, hole, ways, seeds, class_names)


def check_draws_by_pixel(selected: SelectedModel) -> None:
    if not hasattr(selected.model, "walk") or "mask" not in selected.spec.accepted_inputs:
        raise UserError(
            f"{selected.name} does not draw pixel by pixel; `smalti inpaint` fills holes by "
            "diffusion models"
        )


def choose_hole(
    keep_rows: int | None,
    mask: PictureLike | None,
    pictures: Sequence[PictureLike],
    size: tuple[int, int],
) -> Tensor:
    """(H, W), true where something is to be drawn."""
    H, W = size
    if mask is not None:
        if keep_rows is not None:
            raise UserError("rows and mask are both given; choose one")
        holes = [torch.from_numpy(read_mask(mask, picture, size=size)) for picture in pictures]
        return holes[0]  # pictures of one size, cropped alike
    kept = H // 2 if keep_rows is None else keep_rows
    if not 0 <= kept < H:
        raise UserError(f"rows {keep_rows} leaves nothing to draw; keep 0 to {H - 1} of {H} rows")
    return (torch.arange(H) >= kept)[:, None].expand(H, W)


def write_completions(
    folder: Path, originals: Tensor, hole: Tensor, completions: Tensor, seeds: range
) -> None:
    """grid.png with a row for each picture: itself, what is kept, its completions; those by PICTURE
    and SEED, one by one, too.
    """
    cut = originals.masked_fill(hole, GRAY)
    sheet = torch.cat([originals[:, None], cut[:, None], completions], dim=1)
    save_png(make_grid(sheet.flatten(0, 1), columns=2 + len(seeds)), folder / "grid.png")
    for i, row in enumerate(completions):
        for seed, picture in zip(seeds, row, strict=True):
            save_png(to_image(picture), folder / f"{i:05d}-{seed:05d}.png")
