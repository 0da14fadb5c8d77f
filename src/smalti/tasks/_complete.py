"""complete: keep a part of pictures and draw the rest with a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor

from smalti.core.config import coerce_value, to_json
from smalti.core.drawing import draw_in_batches
from smalti.core.errors import UserError
from smalti.core.folders import ResultFiles, check_replaceable, stage_optional_folder, write_record
from smalti.core.pictures import make_grid, save_png, to_image
from smalti.core.progress import OnProgress, ignore_event
from smalti.core.ranges import BatchSize, CountOrZero, Guidance, Range, SampleCount, Seed, Weight
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
"""Files of a folder of completions."""
GRAY = 0.5


@dataclass(frozen=True, eq=False)
@add_short_repr
class Completions:
    """Completed pictures."""

    originals: Tensor
    """(P, C, H, W) in [0, 1]."""
    hole: Tensor
    """(H, W), true for the pixels that were drawn."""
    pictures: Tensor
    """(P, n, C, H, W): n completions of each original."""
    seeds: range
    classes: list[list[str]] | None
    """Class names, n for each original."""


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
    picture: Pictures | None = None,
    temperature: Weight | None = None,
    top_k: CountOrZero | None = None,
    top_p: Annotated[float, Range(0, 1, excludes_low=True)] | None = None,
    guidance: Guidance | None = None,
    batch_size: BatchSize = 64,
    device: str = "auto",
    out: str | Path | None = None,
    on_progress: OnProgress = ignore_event,
) -> Completions:
    """Complete partly masked pictures with a PixelCNN or a GPT.

    Of a model of codes, every code that sees the missing part is drawn; known pixels do not change.

    model: PixelCNN or GPT: shipped model, run or checkpoint.
    pictures: Picture files. They are cropped and resized to the model's size.
    keep_rows: Rows to keep (default: half of them).
    mask: Mask to use instead of rows; white is drawn. It has the picture's size. A drawn pixel, or
    code, depends only on those above it and left of it in its row.
    n: Completions per picture.
    seed: Seed of the first completion. The others count up from it.
    classes: Class name or number, or "all". Several are separated by commas and cycled over the
    completions. By default each completion draws its class, given the pixels kept above.
    text: Caption, for models trained with captions. May be repeated; captions are cycled.
    conditions: Other condition, such as style=flat. May be repeated; the values of a name are
    cycled.
    picture: Picture to condition on, where a model takes one. May be repeated; cycled likewise.
    temperature: Sampling temperature (default: the model's). Below 1, likely levels or codes are
    drawn more often.
    top_k: Keep the k likeliest; 0: all (default: the model's).
    top_p: Total probability to keep (default: the model's).
    guidance: Guidance scale; 1: off (default: the model's). More follows the class, caption or
    picture more closely. For models trained with condition dropout.
    batch_size: Pictures per batch.
    device: Device: auto, cpu, cuda, cuda:1 or mps. The default prefers CUDA.
    out: Output folder (default: completions/MODEL).

    From Python, pictures may also be arrays or tensors, and nothing is written without `out`.
    """
    each = list_pictures(pictures)
    seeds = list_seeds(seed, coerce_value(n, SampleCount, "n"))
    check_replaceable(out, FILES)
    selected = select_model(model, device)
    check_completes(selected)
    loaded, class_indices = selected.model, selected.find_class_indices(classes)
    changes = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "guidance": guidance}
    sampler = find_sampler({k: v for k, v in changes.items() if v is not None}, loaded)
    hole = choose_hole(keep_rows, mask, each, loaded.spec.size)
    known = selected.read_pictures(each)  # (P, C, H, W)
    shown = None
    if picture is not None:
        shown = torch.stack(cycle_values([*selected.read_input_pictures(picture, None)], n))
    captions = cycle_values(selected.check_text(text), n) or None
    labels = cycle_values(class_indices, n) * len(known)
    others = cycle_conditions(conditions, n)
    inputs = SamplingInputs(
        **selected.make_inputs(labels, {name: one * len(known) for name, one in others.items()}),
        text=captions and captions * len(known),
        picture=None if shown is None else shown.repeat(len(known), 1, 1, 1),
        known=known.repeat_interleave(n, 0),
        mask=hole.expand(len(known) * n, 1, -1, -1),
    )
    all_seeds = [*seeds] * len(known)
    inputs = loaded.draw_conditions(Rng(all_seeds), inputs)  # drawn here, to record them
    if inputs.labels is not None:
        labels = inputs.labels.tolist()
    with stage_optional_folder(out, FILES) as folder:
        drawn = draw_in_batches(
            loaded, all_seeds, inputs, sampler, batch_size=batch_size, on_progress=on_progress
        )
        completions = drawn.pictures.unflatten(0, (len(known), n))  # (P, n, C, H, W)
        names = selected.name_classes(labels)
        class_names = None if names is None else [names[i : i + n] for i in range(0, len(names), n)]
        if folder:
            write_completions(folder, known, hole, completions, seeds)
            record = {
                "model": selected.recorded_name,
                "pictures": list_paths(each),
                "mask": None if mask is None else list_paths(mask)[0],
                "rows": None if mask is not None else int((~hole).all(1).sum()),
                "seeds": [*seeds],
                "classes": class_names,
                "text": captions,
                **({"conditions": others} if others else {}),
                **({} if picture is None else {"condition": list_paths(picture)}),
                "sampler": to_json(sampler),
            }
            write_record(folder / "completions.json", record)
    return Completions(known, hole, completions, seeds, class_names)


def check_completes(selected: SelectedModel) -> None:
    """UserError unless the model is autoregressive and takes partly known pictures."""
    if not hasattr(selected.model, "walk") or "mask" not in selected.spec.accepted_inputs:
        raise UserError(
            f"{selected.name} does not draw pixel by pixel, or code by code; use a PixelCNN or a "
            "GPT, or `smalti inpaint` with a diffusion model"
        )


def choose_hole(
    keep_rows: int | None,
    mask: PictureLike | None,
    pictures: Sequence[PictureLike],
    size: tuple[int, int],
) -> Tensor:
    """(H, W), true for the pixels to draw."""
    H, W = size
    if mask is not None:
        if keep_rows is not None:
            raise UserError("keep_rows and mask are both given; choose one")
        holes = [torch.from_numpy(read_mask(mask, picture, size=size)) for picture in pictures]
        return holes[0]  # pictures of one size, cropped alike
    kept = H // 2 if keep_rows is None else keep_rows
    if not 0 <= kept < H:
        raise UserError(f"keep_rows {keep_rows} leaves nothing to draw; give 0 to {H - 1}")
    return (torch.arange(H) >= kept)[:, None].expand(H, W)


def write_completions(
    folder: Path, originals: Tensor, hole: Tensor, completions: Tensor, seeds: range
) -> None:
    """Write grid.png, one row per picture (original, kept part, completions), and each completion
    as PICTURE-SEED.png.
    """
    cut = originals.masked_fill(hole, GRAY)
    sheet = torch.cat([originals[:, None], cut[:, None], completions], dim=1)
    save_png(make_grid(sheet.flatten(0, 1), columns=2 + len(seeds)), folder / "grid.png")
    for i, row in enumerate(completions):
        for seed, picture in zip(seeds, row, strict=True):
            save_png(to_image(picture), folder / f"{i:05d}-{seed:05d}.png")
