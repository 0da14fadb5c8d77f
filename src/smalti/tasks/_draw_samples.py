"""draw_samples: pictures from a model, and files of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

import smalti
from smalti.core.brief import brief
from smalti.core.config import fitted, to_json
from smalti.core.drawing import Drawn, draw_batches
from smalti.core.folders import Results, check_free, results_folder, write_record
from smalti.core.given import Given
from smalti.core.model import name_model, open_model
from smalti.core.pictures import grid, image, save_gif, save_png
from smalti.core.progress import OnProgress, ignore
from smalti.core.ranges import Samples
from smalti.core.rng import count_seeds
from smalti.core.sampling import find_sampler
from smalti.diffusion.condition import STRENGTH
from smalti.tasks.inputs import (
    Classes,
    Pictures,
    check_size,
    check_text,
    find_classes,
    name_classes,
    name_files,
    read_pictures,
    take_turns,
    tell_classes,
)
from smalti.tasks.models import record_model

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
    number: int = 16,
    *,
    seed: int = 0,
    classes: Classes = (),
    text: Sequence[str] | str = (),
    pictures: Pictures | None = None,
    strength: float | None = None,
    size: int | tuple[int, int] | None = None,
    sampler: object = None,
    batch: int = 64,
    film: bool = False,
    device: str = "auto",
    out: str | Path | None = None,
    on_progress: OnProgress = ignore,
) -> DrawnSamples:
    """Draw the pictures of the seeds seed, seed + 1 ...

    classes, text, pictures (to begin with, instead of noise): they take turns.
    sampler: one of the model's, its name, or changes of the model's own: {"steps": 8}.
    out: a folder for a grid, every picture, a record, and the film.
    """
    seeds = count_seeds(seed, fitted(number, Samples, "number"))
    check_free(out, FILES)
    loaded, name = open_model(model, "draw pictures", device), name_model(model)
    sampler = find_sampler(sampler or {}, loaded)
    labels = take_turns(find_classes(classes, loaded.spec, name), number)
    size = check_size(size, loaded.spec, name)
    texts = check_text(text, loaded.spec, name)
    told = take_turns(texts, number) or None
    begun_with = None
    if pictures is not None:
        begun_with = torch.stack(take_turns([*read_pictures(pictures, loaded.spec, size)], number))
    given = Given(
        **tell_classes(labels, loaded.spec),
        text=told,
        picture=begun_with,
        strength=strength,
        size=size,
    )
    groups = [k % len(texts) for k in range(number)] if texts else labels
    with results_folder(out, FILES) as folder:
        drawn = draw_batches(
            loaded, seeds, given, sampler, batch=batch, film=film, on_progress=on_progress
        )
        drawn_classes = name_classes(labels, loaded.spec)
        if folder:
            gif = "rows.gif" if hasattr(loaded, "walk") else "denoising.gif"
            write_samples(folder, drawn, seed, torch.tensor(groups) if groups else None, gif)
            record = {
                "model": record_model(model),
                "seeds": [*seeds],
                "classes": drawn_classes,
                "text": told,
                "size": size,
                "sampler": to_json(sampler),
                "smalti": smalti.__version__,
            }
            if pictures is not None:
                began = {"pictures": name_files(pictures), "strength": strength or STRENGTH}
                record |= began
            write_record(folder / "samples.json", record)
    return DrawnSamples(drawn.pictures, drawn.frames, seeds, drawn_classes, told, sampler)


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
