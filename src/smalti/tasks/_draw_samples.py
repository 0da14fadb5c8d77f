"""draw_samples: pictures from a model, and files of them."""

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
"""Pictures of a group beside each other in a grid, at most."""
FILES = ResultFiles(r"grid\.png|(denoising|rows)\.gif|samples\.json|\d+\.png", "samples.json")
"""What a folder of samples holds."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class DrawnSamples:
    """Samples, and all that is needed to draw them again."""

    pictures: Tensor
    """(n, C, H, W) in [0, 1]."""
    frames: tuple[Tensor, ...]
    """The first of them on their way, where a film is asked for."""
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
    sampler: object = None,
    batch_size: BatchSize = 64,
    gif: bool = False,
    device: str = "auto",
    out: str | Path | None = None,
    on_progress: OnProgress = ignore_event,
) -> DrawnSamples:
    """Draw from a model: a grid, every picture by itself, and a record of how they were made.

    model: a shipped model's name, a run or a checkpoint.
    n: how many pictures.
    seed: the first picture's seed; the others count up from it. A seed always gives the same
    picture.
    classes: a class by name or number, or several with commas, or "all"; the pictures take turns.
    text: what a picture shows, for models that were trained with captions, such as "red heart"; the
    option may be repeated, and the texts take turns.
    conditions: what else a model is told, as NAME=VALUE, such as style=flat; the option may be
    repeated, and the values of a name take turns.
    pictures: a picture to begin with, instead of noise; the option may be repeated, and they take
    turns.
    strength: how far to go from that picture: the share of the steps, up to 1; 0.6 unless told
    otherwise.
    size: height and width in pixels (64 or 48x64), for models that can draw other sizes than they
    were trained on.
    sampler: one of the model's, its name, or changes of the model's own: {"steps": 8}.
    batch_size: pictures drawn at a time.
    gif: write denoising.gif, too: the way from noise to picture; or rows.gif, the rows appearing.
    device: where it runs: cpu, cuda, cuda:1, mps ...; auto takes CUDA where there is one.
    out: folder for the results; samples/MODEL unless told otherwise.

    From Python pictures may be arrays and tensors, too, and without `out` nothing is written.
    """
    seeds = list_seeds(seed, coerce_value(n, SampleCount, "n"))
    check_replaceable(out, FILES)
    selected = select_model(model, device)
    sampler = find_sampler(sampler or {}, selected.model)
    labels = cycle_values(selected.find_class_indices(classes), n)
    size, texts = selected.check_size(size), selected.check_text(text)
    turned_conditions = cycle_conditions(conditions, n)
    captions = cycle_values(texts, n) or None
    start_pictures = None
    if pictures is not None:
        start_pictures = torch.stack(cycle_values([*selected.read_pictures(pictures, size)], n))
    inputs = SamplingInputs(
        **selected.make_inputs(labels, turned_conditions),
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
            gif=gif,
            on_progress=on_progress,
        )
        drawn_classes = selected.name_classes(labels)
        if folder:
            gif_name = "rows.gif" if hasattr(selected.model, "walk") else "denoising.gif"
            write_samples(folder, drawn, seed, torch.tensor(groups) if groups else None, gif_name)
            record = {
                "model": selected.recorded_name,
                "seeds": [*seeds],
                "classes": drawn_classes,
                "text": captions,
                **({"conditions": turned_conditions} if turned_conditions else {}),
                "size": size,
                "sampler": to_json(sampler),
            }
            if pictures is not None:
                record["pictures"] = list_paths(pictures)
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
    """grid.png, by groups (N,) such as classes, PNGs named by seed, and the film."""
    N = len(drawn.pictures)
    order = torch.arange(N) if groups is None else groups.argsort(stable=True)
    columns = None if groups is None else choose_columns(groups)
    save_png(make_grid(drawn.pictures[order], columns), folder / "grid.png")
    for i, picture in enumerate(drawn.pictures):
        save_png(to_image(picture), folder / f"{seed + i:05d}.png")
    if drawn.frames:
        save_gif(make_gif_frames(drawn, order, columns), folder / gif_name)


def make_gif_frames(drawn: DrawnPictures, order: Tensor, columns: int | None) -> list[Image.Image]:
    """The frames as grids, for a GIF; `order` arranges the pictures."""
    few = order[order < len(drawn.frames[0])]
    return [make_grid(frame[few], columns) for frame in drawn.frames]


def choose_columns(groups: Tensor) -> int | None:
    """Columns that give each group (N,) a row: where all are alike in number, 2 to WIDEST."""
    counts = groups.unique(return_counts=True)[1].tolist()
    fits = len(counts) > 1 and 1 < counts[0] <= MAX_COLUMNS and len(set(counts)) == 1
    return counts[0] if fits else None
