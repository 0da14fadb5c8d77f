"""draw_samples: generate pictures with a model and write them to files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from smalti.core.config import coerce_value, to_json
from smalti.core.drawing import DrawnPictures, draw_in_batches
from smalti.core.folders import ResultFiles, check_replaceable, stage_optional_folder, write_record
from smalti.core.pictures import make_grid, save_gif, save_png, to_image
from smalti.core.progress import OnProgress, ignore_event
from smalti.core.ranges import BatchSize, SampleCount, Seed, Strength
from smalti.core.rng import list_seeds
from smalti.core.sampling import find_sampler
from smalti.core.sampling_inputs import SamplingInputs
from smalti.core.short_repr import add_short_repr
from smalti.diffusion.inputs import DEFAULT_STRENGTH
from smalti.tasks.cascade import open_upscaler
from smalti.tasks.inputs import (
    NO_CONDITIONS,
    Classes,
    Conditions,
    Pictures,
    cycle_conditions,
    cycle_values,
    list_paths,
    select_model,
)

MAX_COLUMNS = 16
"""Maximum number of columns of a grid whose rows are groups."""
FILES = ResultFiles(r"grid\.png|(denoising|rows)\.gif|samples\.json|\d+\.png", "samples.json")
"""Files of a folder of samples."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class DrawnSamples:
    """Samples, and what is needed to draw them again."""

    pictures: Tensor
    """(n, C, H, W) in [0, 1]."""
    frames: tuple[Tensor, ...]
    """States of the first samples during sampling, if `gif` is set."""
    seeds: range
    classes: list[str] | None
    text: list[str] | None
    sampler: object


def draw_samples(
    model: object,
    n: SampleCount = 16,
    *,
    seed: Seed = 0,
    classes: Classes = (),
    text: Sequence[str] | str = (),
    conditions: Conditions = NO_CONDITIONS,
    pictures: Pictures | None = None,
    strength: Strength | None = None,
    size: int | tuple[int, int] | None = None,
    upscale: object = None,
    sampler: object = None,
    batch_size: BatchSize = 64,
    gif: bool = False,
    device: str = "auto",
    out: str | Path | None = None,
    on_progress: OnProgress = ignore_event,
) -> DrawnSamples:
    """Generate pictures with a model.

    Writes a grid, every picture, and a record of how they were drawn.

    model: Shipped model, run or checkpoint.
    n: Number of pictures.
    seed: Seed of the first picture. The others count up from it. A seed always gives the same
    picture.
    classes: Class name or number, or "all". Several are separated by commas and cycled over the
    pictures.
    text: Caption, for models trained with captions. Such as "red heart". May be repeated; captions
    are cycled.
    conditions: Other condition, such as style=flat. May be repeated; the values of a name are
    cycled.
    pictures: Picture to start from, or to condition on. May be repeated; pictures are cycled.
    strength: Share of the steps to run on it (default: 0.6). Up to 1; more keeps less of it.
    size: Height and width (default: the model's). In pixels, as 64 or 48x64; for models that can
    draw other sizes than their training size.
    upscale: Model that enlarges the pictures. A super-resolution model; `size` is then of its
    results.
    sampler: Sampler of the model. A config, a name, or changes of the default: {"steps": 8}.
    batch_size: Pictures per batch.
    gif: Also write denoising.gif or rows.gif. The pictures while they are sampled: from noise, or
    row by row.
    device: Device: auto, cpu, cuda, cuda:1 or mps. The default prefers CUDA.
    out: Output folder (default: samples/MODEL).

    From Python, pictures may also be arrays or tensors, and nothing is written without `out`.
    """
    seeds = list_seeds(seed, coerce_value(n, SampleCount, "n"))
    check_replaceable(out, FILES)
    selected = select_model(model, device)
    sampler = find_sampler(sampler or {}, selected.model)
    labels = cycle_values(selected.find_class_indices(classes), n)
    upscaler = None if upscale is None else open_upscaler(upscale, selected, size, device)
    size, texts = selected.check_size(None if upscaler else size), selected.check_text(text)
    cycled_conditions = cycle_conditions(conditions, n)
    captions = cycle_values(texts, n) or None
    start_pictures = None
    if pictures is not None:
        start_pictures = torch.stack(
            cycle_values([*selected.read_input_pictures(pictures, size)], n)
        )
    inputs = SamplingInputs(
        **selected.make_inputs(labels, cycled_conditions),
        text=captions,
        picture=start_pictures,
        strength=strength,
        size=size,
    )
    groups = [k % len(texts) for k in range(n)] if texts else labels
    with stage_optional_folder(out, FILES) as folder:
        drawn = draw_in_batches(
            selected.model,
            seeds,
            inputs,
            sampler,
            batch_size=batch_size,
            gif=gif and upscaler is None,
            on_progress=on_progress,
        )
        drawn_classes = selected.name_classes(labels)
        if upscaler:
            drawn = upscaler.enlarge(
                drawn.pictures,
                seeds,
                drawn_classes,
                captions,
                batch_size=batch_size,
                gif=gif,
                on_progress=on_progress,
            )
        if folder:
            gif_name = "rows.gif" if hasattr(selected.model, "walk") else "denoising.gif"
            write_samples(folder, drawn, seed, torch.tensor(groups) if groups else None, gif_name)
            record = {
                "model": selected.recorded_name,
                "seeds": [*seeds],
                "classes": drawn_classes,
                "text": captions,
                **({"conditions": cycled_conditions} if cycled_conditions else {}),
                "size": upscaler.size if upscaler else size,
                "sampler": to_json(sampler),
            }
            if upscaler:
                record["upscale"] = upscaler.selected.recorded_name
            if pictures is not None:
                record["pictures"] = list_paths(pictures)
                if "strength" in selected.spec.accepted_inputs:
                    record["strength"] = strength or DEFAULT_STRENGTH
            write_record(folder / "samples.json", record)
    return DrawnSamples(drawn.pictures, drawn.frames, seeds, drawn_classes, captions, sampler)


def write_samples(
    folder: Path,
    drawn: DrawnPictures,
    seed: int,
    groups: Tensor | None,
    gif_name: str = "denoising.gif",
) -> None:
    """Write grid.png, sorted by groups (N,) such as classes, a PNG per seed, and the GIF."""
    N = len(drawn.pictures)
    order = torch.arange(N) if groups is None else groups.argsort(stable=True)
    columns = None if groups is None else choose_columns(groups)
    save_png(make_grid(drawn.pictures[order], columns), folder / "grid.png")
    for i, picture in enumerate(drawn.pictures):
        save_png(to_image(picture), folder / f"{seed + i:05d}.png")
    if drawn.frames:
        save_gif(make_gif_frames(drawn, order, columns), folder / gif_name)


def make_gif_frames(drawn: DrawnPictures, order: Tensor, columns: int | None) -> list[Image.Image]:
    """The frames as grids; `order` sorts the pictures."""
    few = order[order < len(drawn.frames[0])]
    return [make_grid(frame[few], columns) for frame in drawn.frames]


def choose_columns(groups: Tensor) -> int | None:
    """Columns that give each group (N,) a row, if all have the same size, 2 to MAX_COLUMNS."""
    counts = groups.unique(return_counts=True)[1].tolist()
    fits = len(counts) > 1 and 1 < counts[0] <= MAX_COLUMNS and len(set(counts)) == 1
    return counts[0] if fits else None
