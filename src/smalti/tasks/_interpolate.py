"""interpolate: a walk between samples or pictures through the noise they start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from smalti.core.config import coerce_value, to_json
from smalti.core.drawing import draw_in_batches
from smalti.core.errors import UserError
from smalti.core.folders import ResultFiles, check_replaceable, stage_optional_folder, write_record
from smalti.core.pictures import make_grid, save_gif, save_png
from smalti.core.progress import OnProgress, ignore_event
from smalti.core.ranges import BatchSize, FrameCount, Guidance, SamplingSteps, Seed
from smalti.core.rng import Rng
from smalti.core.sampling import find_sampler
from smalti.core.sampling_inputs import SamplingInputs
from smalti.core.short_repr import add_short_repr
from smalti.data.single_picture import PictureLike
from smalti.diffusion import DDIM, Diffusion, invert, slerp
from smalti.tasks.inputs import Classes, SelectedModel, list_paths, select_model

FILES = ResultFiles(r"strip\.png|interpolation\.gif|interpolation\.json", "interpolation.json")
"""What a folder of an interpolation holds."""
REFINE_STEPS = 1
Endpoint = int | PictureLike
"""The noise of a seed, or the one that a picture comes from."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class Interpolation:
    """Walks from one picture to another."""

    pictures: Tensor
    """(walks, frames, C, H, W) in [0, 1]: one walk for each class, or one alone."""
    classes: list[str] | None
    sampler: DDIM


def interpolate(
    model: object,
    first: Endpoint = 0,
    last: Endpoint = 1,
    *,
    frames: FrameCount = 10,
    classes: Classes = (),
    steps: SamplingSteps | None = None,
    guidance: Guidance | None = None,
    batch_size: BatchSize = 64,
    gif: bool = False,
    device: str = "auto",
    out: str | Path | None = None,
    on_progress: OnProgress = ignore_event,
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
    batch_size: pictures drawn at a time.
    gif: write interpolation.gif, too.
    device: where it runs: cpu, cuda, cuda:1, mps ...; auto takes CUDA where there is one.
    out: folder for the results; interpolations/MODEL unless told otherwise.

    From Python pictures may be arrays and tensors, too, and without `out` nothing is written.
    """
    check_replaceable(out, FILES)
    selected = select_model(model, device)
    ends, frames = (
        (check_endpoint(first), check_endpoint(last)),
        coerce_value(frames, FrameCount, "frames"),
    )
    if "initial_noise" not in selected.spec.accepted_inputs:
        raise UserError(
            f"{selected.name} does not start from noise, so it has nothing to walk between"
        )
    class_labels = selected.find_class_indices(classes)
    inverts = not all(isinstance(end, int) for end in ends)
    sampler = choose_ddim(selected.model, steps, guidance, inverts)
    if inverts and not class_labels and selected.spec.classes:
        sampler = replace(sampler, guidance=0.0)  # "no class", as the noises are found
    with stage_optional_folder(out, FILES) as folder:
        pictures = draw_interpolation(
            selected, ends, frames, class_labels, sampler, batch_size, on_progress
        )
        class_names = selected.name_classes(class_labels)
        if folder:
            write_interpolation(folder, pictures, gif)
            record = {
                "model": selected.recorded_name,
                "from": describe_endpoint(ends[0]),
                "to": describe_endpoint(ends[1]),
                "frames": frames,
                "classes": class_names,
                "sampler": to_json(sampler),
            }
            write_record(folder / "interpolation.json", record)
    return Interpolation(pictures, class_names, sampler)


def check_endpoint(end: Endpoint) -> Endpoint:
    """A seed in range, or a picture."""
    return coerce_value(end, Seed, "seed") if isinstance(end, int) else end


def describe_endpoint(end: Endpoint) -> int | str | None:
    return end if isinstance(end, int) else list_paths(end)[0]


def choose_ddim(model: Diffusion, steps: int | None, guidance: float | None, inverts: bool) -> DDIM:
    """The model's sampler as DDIM; where pictures become noise, one that can be walked back."""
    values: dict[str, Any] = {"steps": steps, "guidance": guidance}
    if inverts:
        defaults = {"steps": min(50, model.config.schedule.T), "guidance": 1.0}
        values = {k: defaults[k] if v is None else v for k, v in values.items()} | {"clip": False}
    return make_deterministic(model, {k: v for k, v in values.items() if v is not None})


def make_deterministic(model: Diffusion, values: Mapping[str, Any]) -> DDIM:
    """The model's sampler as DDIM without noise, so that near starts end near each other."""
    return find_sampler({"sampler": "ddim", "eta": 0.0, "sigma_hat": False, **values}, model)


def draw_interpolation(
    selected: SelectedModel,
    ends: Sequence[Endpoint],
    frames: int,
    classes: list[int],
    sampler: DDIM,
    batch_size: int,
    on_progress: OnProgress = ignore_event,
) -> Tensor:
    """(walks, frames, C, H, W): the walk once for each class, or once when there are none."""
    starts: list[Tensor] = []
    for k in classes or [None]:
        a, b = (find_endpoint_noise(end, selected, k, sampler) for end in ends)
        starts += [slerp(a, b, i / (frames - 1)) for i in range(frames)]
    labels = [k for k in classes for _ in range(frames)]
    # without labels, every frame draws the class that the seed `first` draws: one for the walk
    seed = ends[0] if isinstance(ends[0], int) else 0
    inputs = SamplingInputs(**selected.make_inputs(labels), initial_noise=torch.stack(starts))
    drawn = draw_in_batches(
        selected.model,
        [seed] * len(starts),
        inputs,
        sampler,
        batch_size=batch_size,
        on_progress=on_progress,
    )
    return drawn.pictures.unflatten(0, (-1, frames))


def find_endpoint_noise(
    end: Endpoint, selected: SelectedModel, k: int | None, sampler: DDIM
) -> Tensor:
    """The noise (C, H, W) of a seed, or the one that a picture comes from, as one of class k."""
    if isinstance(end, int):
        return Rng([end]).normal(selected.spec.channels, *(selected.spec.size or ()))[0]
    labels = None if k is None else torch.tensor([k])
    how = {"labels": labels, "sampler": sampler, "refine": REFINE_STEPS}
    return invert(selected.model, selected.read_pictures(end), **how)[0].cpu()


def write_interpolation(folder: Path, pictures: Tensor, gif: bool) -> None:
    """strip.png, a row for each walk, and interpolation.gif. pictures: (walks, frames, C, H, W)."""
    save_png(make_grid(pictures.flatten(0, 1), columns=pictures.shape[1]), folder / "strip.png")
    if gif:
        save_gif(make_gif_frames(pictures), folder / "interpolation.gif", last_frame_seconds=0.08)


def make_gif_frames(pictures: Tensor) -> list[Image.Image]:
    """GIF frames: a column of the strip each, forth and back again."""
    forth = [make_grid(moment, columns=1) for moment in pictures.transpose(0, 1)]
    return [*forth, *forth[-2:0:-1]]
