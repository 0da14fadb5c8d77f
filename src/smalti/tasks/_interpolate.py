"""interpolate: a walk between samples or pictures through the noise they start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from smalti.core.brief import brief
from smalti.core.config import fitted, to_json
from smalti.core.drawing import draw_batches
from smalti.core.errors import UserError
from smalti.core.folders import Results, check_free, results_folder, write_record
from smalti.core.given import Given
from smalti.core.pictures import grid, save_gif, save_png
from smalti.core.progress import OnProgress, ignore
from smalti.core.ranges import Batch, Frames, Guidance, Levels, Seed
from smalti.core.rng import Rng
from smalti.core.sampling import find_sampler
from smalti.data.single import Picture
from smalti.diffusion import DDIM, Diffusion, invert, slerp
from smalti.tasks.inputs import Chosen, Classes, choose_model, name_files

FILES = Results(r"strip\.png|interpolation\.gif|interpolation\.json", "interpolation.json")
"""What a folder of an interpolation holds."""
REFINE = 1
End = int | Picture
"""The noise of a seed, or the one that a picture comes from."""


@dataclass(frozen=True, eq=False)
@brief
class Interpolation:
    """Walks from one picture to another."""

    pictures: Tensor
    """(walks, frames, C, H, W) in [0, 1]: one walk for each class, or one alone."""
    classes: list[str] | None
    sampler: DDIM


def interpolate(
    model: object,
    first: End = 0,
    last: End = 1,
    *,
    frames: Frames = 10,
    classes: Classes = (),
    steps: Levels | None = None,
    guidance: Guidance | None = None,
    batch: Batch = 64,
    gif: bool = False,
    device: str = "auto",
    out: str | Path | None = None,
    on_progress: OnProgress = ignore,
) -> Interpolation:
    """Walk from one sample or picture to another, through the noise that they start from.

    model: a shipped model's name, a run or a checkpoint.
    first: the seed, or the picture file, to start from.
    last: the seed, or the picture file, to arrive at.
    frames: pictures on the way, both ends included.
    classes: a class by name or number, or several with commas, or "all": a row for each.
    steps: DDIM steps; the model's own number unless told otherwise, or 50 with a picture.
    guidance: classifier-free guidance; the model's own unless told otherwise, or none with a
    picture.
    batch: pictures drawn at a time.
    gif: write interpolation.gif, too.
    device: where it runs: cpu, cuda, cuda:1, mps ...; auto takes CUDA where there is one.
    out: folder for the results; interpolations/MODEL unless told otherwise.

    From Python pictures may be arrays and tensors, too, and without `out` nothing is written.
    """
    check_free(out, FILES)
    chosen = choose_model(model, device)
    ends, frames = (check_end(first), check_end(last)), fitted(frames, Frames, "frames")
    if "start" not in chosen.spec.given:
        raise UserError(
            f"{chosen.name} does not start from noise, so it has nothing to walk between"
        )
    turns = chosen.find_classes(classes)
    inverts = not all(isinstance(end, int) for end in ends)
    sampler = choose_ddim(chosen.model, steps, guidance, inverts)
    if inverts and not turns and chosen.spec.classes:
        sampler = replace(sampler, guidance=0.0)  # "no class", as the noises are found
    with results_folder(out, FILES) as folder:
        pictures = walk_between(chosen, ends, frames, turns, sampler, batch, on_progress)
        named = chosen.name_classes(turns)
        if folder:
            write_walk(folder, pictures, gif)
            record = {
                "model": chosen.record,
                "from": describe_end(ends[0]),
                "to": describe_end(ends[1]),
                "frames": frames,
                "classes": named,
                "sampler": to_json(sampler),
            }
            write_record(folder / "interpolation.json", record)
    return Interpolation(pictures, named, sampler)


def check_end(end: End) -> End:
    """A seed in range, or a picture."""
    return fitted(end, Seed, "seed") if isinstance(end, int) else end


def describe_end(end: End) -> int | str | None:
    return end if isinstance(end, int) else name_files(end)[0]


def choose_ddim(model: Diffusion, steps: int | None, guidance: float | None, inverts: bool) -> DDIM:
    """The model's sampler as DDIM; where pictures become noise, one that can be walked back."""
    values: dict[str, Any] = {"steps": steps, "guidance": guidance}
    if inverts:
        own = {"steps": min(50, model.config.schedule.T), "guidance": 1.0}
        values = {k: own[k] if v is None else v for k, v in values.items()} | {"clip": False}
    return make_deterministic(model, {k: v for k, v in values.items() if v is not None})


def make_deterministic(model: Diffusion, values: Mapping[str, Any]) -> DDIM:
    """The model's sampler as DDIM without noise, so that near starts end near each other."""
    return find_sampler({"sampler": "ddim", "eta": 0.0, "sigma_hat": False, **values}, model)


def walk_between(
    chosen: Chosen,
    ends: Sequence[End],
    frames: int,
    classes: list[int],
    sampler: DDIM,
    batch: int,
    on_progress: OnProgress = ignore,
) -> Tensor:
    """(walks, frames, C, H, W): the walk once for each class, or once when there are none."""
    starts: list[Tensor] = []
    for k in classes or [None]:
        a, b = (find_noise(end, chosen, k, sampler) for end in ends)
        starts += [slerp(a, b, i / (frames - 1)) for i in range(frames)]
    labels = [k for k in classes for _ in range(frames)]
    # without labels, every frame draws the class that the seed `first` draws: one for the walk
    seed = ends[0] if isinstance(ends[0], int) else 0
    given = Given(**chosen.tell(labels), start=torch.stack(starts))
    drawn = draw_batches(
        chosen.model, [seed] * len(starts), given, sampler, batch=batch, on_progress=on_progress
    )
    return drawn.pictures.unflatten(0, (-1, frames))


def find_noise(end: End, chosen: Chosen, k: int | None, sampler: DDIM) -> Tensor:
    """The noise (C, H, W) of a seed, or the one that a picture comes from, as one of class k."""
    if isinstance(end, int):
        return Rng([end]).normal(chosen.spec.channels, *(chosen.spec.size or ()))[0]
    labels = None if k is None else torch.tensor([k])
    how = {"labels": labels, "sampler": sampler, "refine": REFINE}
    return invert(chosen.model, chosen.read_pictures(end), **how)[0].cpu()


def write_walk(folder: Path, pictures: Tensor, gif: bool) -> None:
    """strip.png, a row for each walk, and interpolation.gif. pictures: (walks, frames, C, H, W)."""
    save_png(grid(pictures.flatten(0, 1), columns=pictures.shape[1]), folder / "strip.png")
    if gif:
        save_gif(make_film(pictures), folder / "interpolation.gif", hold=0.08)


def make_film(pictures: Tensor) -> list[Image.Image]:
    """GIF frames: a column of the strip each, forth and back again."""
    forth = [grid(moment, columns=1) for moment in pictures.transpose(0, 1)]
    return [*forth, *forth[-2:0:-1]]
