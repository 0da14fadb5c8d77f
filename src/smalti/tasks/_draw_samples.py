"""draw_samples: pictures from a model, and files of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from smalti.core.brief import brief
from smalti.core.config import fitted, to_json
from smalti.core.drawing import Drawn, draw_batches
from smalti.core.folders import Results, check_free, results_folder, write_record
from smalti.core.given import Given
from smalti.core.pictures import grid, image, save_gif, save_png
from smalti.core.progress import OnProgress, ignore
from smalti.core.ranges import Batch, Samples, Seed, Strength
from smalti.core.rng import count_seeds
from smalti.core.sampling import find_sampler
from smalti.diffusion.condition import STRENGTH
from smalti.tasks.inputs import (
    NOTHING,
    Classes,
    Conditions,
    Pictures,
    choose_model,
    name_files,
    take_turns,
    turn_conditions,
)

WIDEST = 16
"""Pictures of a group beside each other in a grid, at most."""
FILES = Results(r"grid\.png|(denoising|rows)\.gif|samples\.json|\d+\.png", "samples.json")
"""What a folder of samples holds."""


@dataclass(frozen=True, eq=False)
@brief
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
    number: Samples = 16,
    *,
    seed: Seed = 0,
    classes: Classes = (),
    text: Sequence[str] | str = (),
    conditions: Conditions = NOTHING,
    pictures: Pictures | None = None,
    strength: Strength | None = None,
    size: int | tuple[int, int] | None = None,
    sampler: object = None,
    batch: Batch = 64,
    film: bool = False,
    device: str = "auto",
    out: str | Path | None = None,
    on_progress: OnProgress = ignore,
) -> DrawnSamples:
    """Draw from a model: a grid, every picture by itself, and a record of how they were made.

    model: a shipped model's name, a run or a checkpoint.
    number: how many pictures.
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
    batch: pictures drawn at a time.
    film: write denoising.gif, too: the way from noise to picture; or rows.gif, the rows appearing.
    device: where it runs: cpu, cuda, cuda:1, mps ...; auto takes CUDA where there is one.
    out: folder for the results; samples/MODEL unless told otherwise.

    From Python pictures may be arrays and tensors, too, and without `out` nothing is written.
    """
    seeds = count_seeds(seed, fitted(number, Samples, "number"))
    check_free(out, FILES)
    chosen = choose_model(model, device)
    sampler = find_sampler(sampler or {}, chosen.model)
    labels = take_turns(chosen.find_classes(classes), number)
    size, texts = chosen.check_size(size), chosen.check_text(text)
    told = turn_conditions(conditions, number)
    captions = take_turns(texts, number) or None
    begun_with = None
    if pictures is not None:
        begun_with = torch.stack(take_turns([*chosen.read_pictures(pictures, size)], number))
    given = Given(
        **chosen.tell(labels, told),
        text=captions,
        picture=begun_with,
        strength=strength,
        size=size,
    )
    groups = [k % len(texts) for k in range(number)] if texts else labels
    with results_folder(out, FILES) as folder:
        drawn = draw_batches(
            chosen.model, seeds, given, sampler, batch=batch, film=film, on_progress=on_progress
        )
        drawn_classes = chosen.name_classes(labels)
        if folder:
            gif = "rows.gif" if hasattr(chosen.model, "walk") else "denoising.gif"
            write_samples(folder, drawn, seed, torch.tensor(groups) if groups else None, gif)
            record = {
                "model": chosen.record,
                "seeds": [*seeds],
                "classes": drawn_classes,
                "text": captions,
                **({"conditions": told} if told else {}),
                "size": size,
                "sampler": to_json(sampler),
            }
            if pictures is not None:
                record["pictures"] = name_files(pictures)
                record["strength"] = strength or STRENGTH
            write_record(folder / "samples.json", record)
    return DrawnSamples(drawn.pictures, drawn.frames, seeds, drawn_classes, captions, sampler)


def write_samples(
    folder: Path, drawn: Drawn, seed: int, groups: Tensor | None, film: str = "denoising.gif"
) -> None:
    """grid.png, by groups (N,) such as classes, PNGs named by seed, and the film."""
    N = len(drawn.pictures)
    order = torch.arange(N) if groups is None else groups.argsort(stable=True)
    columns = None if groups is None else choose_columns(groups)
    save_png(grid(drawn.pictures[order], columns), folder / "grid.png")
    for i, picture in enumerate(drawn.pictures):
        save_png(image(picture), folder / f"{seed + i:05d}.png")
    if drawn.frames:
        save_gif(make_film(drawn, order, columns), folder / film)


def make_film(drawn: Drawn, order: Tensor, columns: int | None) -> list[Image.Image]:
    """The frames as grids, for a GIF; `order` arranges the pictures."""
    few = order[order < len(drawn.frames[0])]
    return [grid(frame[few], columns) for frame in drawn.frames]


def choose_columns(groups: Tensor) -> int | None:
    """Columns that give each group (N,) a row: where all are alike in number, 2 to WIDEST."""
    counts = groups.unique(return_counts=True)[1].tolist()
    fits = len(counts) > 1 and 1 < counts[0] <= WIDEST and len(set(counts)) == 1
    return counts[0] if fits else None
