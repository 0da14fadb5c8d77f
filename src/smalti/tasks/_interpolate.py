"""interpolate: interpolate between samples or pictures in the space of their noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import one_hot

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
"""Files of a folder of an interpolation."""
REFINE_STEPS = 1
Endpoint = int | PictureLike
"""A seed, which gives the noise, or a picture, which is inverted to noise."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class Interpolation:
    """Interpolations between two pictures."""

    pictures: Tensor
    """(rows, frames, C, H, W) in [0, 1]: one row per class, or one without classes."""
    classes: list[str] | None
    sampler: DDIM


def interpolate(
    model: object,
    first: Endpoint = 0,
    last: Endpoint = 1,
    *,
    frames: FrameCount = 10,
    classes: Classes = (),
    blend: bool = False,
    steps: SamplingSteps | None = None,
    guidance: Guidance | None = None,
    batch_size: BatchSize = 64,
    gif: bool = False,
    device: str = "auto",
    out: str | Path | None = None,
    on_progress: OnProgress = ignore_event,
) -> Interpolation:
    """Interpolate between two samples or pictures.

    Spherical interpolation (slerp) of the noise that DDIM starts from.

    model: Shipped model, run or checkpoint.
    first: Start: a seed or a picture file.
    last: End: a seed or a picture file.
    frames: Number of pictures, endpoints included.
    classes: Class name or number, or "all". Several are separated by commas; each gives a row.
    blend: Go from the first to the last of two classes, in one row. Each picture's class is a
    mixture of the two, as its noise is; the network was trained on none but the ends.
    steps: DDIM steps (default: the model's). With a picture, the default is 50.
    guidance: Guidance scale (default: the model's). With a picture, the default is no guidance.
    batch_size: Pictures per batch.
    gif: Also write interpolation.gif.
    device: Device: auto, cpu, cuda, cuda:1 or mps. The default prefers CUDA.
    out: Output folder (default: interpolations/MODEL).

    From Python, pictures may also be arrays or tensors, and nothing is written without `out`.
    """
    check_replaceable(out, FILES)
    selected = select_model(model, device)
    ends, frames = (
        (check_endpoint(first), check_endpoint(last)),
        coerce_value(frames, FrameCount, "frames"),
    )
    if "initial_noise" not in selected.spec.accepted_inputs:
        raise UserError(
            f"{selected.name} does not sample from noise, so it cannot interpolate; name a "
            "diffusion model"
        )
    class_labels = selected.find_class_indices(classes)
    if blend and (len(class_labels) != 2 or max(class_labels) >= len(selected.spec.classes)):
        raise UserError("blend goes from one class to another; give two classes")
    inverts = not all(isinstance(end, int) for end in ends)
    sampler = choose_ddim(selected.model, steps, guidance, inverts)
    if inverts and not class_labels and selected.spec.classes:
        sampler = replace(sampler, guidance=0.0)  # "no class", as in the inversion
    with stage_optional_folder(out, FILES) as folder:
        pictures = draw_interpolation(
            selected, ends, frames, class_labels, blend, sampler, batch_size, on_progress
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
                **({"blend": True} if blend else {}),
                "sampler": to_json(sampler),
            }
            write_record(folder / "interpolation.json", record)
    return Interpolation(pictures, class_names, sampler)


def check_endpoint(end: Endpoint) -> Endpoint:
    """The endpoint; UserError for a seed out of range."""
    return coerce_value(end, Seed, "seed") if isinstance(end, int) else end


def describe_endpoint(end: Endpoint) -> int | str | None:
    return end if isinstance(end, int) else list_paths(end)[0]


def choose_ddim(model: Diffusion, steps: int | None, guidance: float | None, inverts: bool) -> DDIM:
    """The model's sampler as DDIM; if pictures are inverted, one that can be inverted."""
    values: dict[str, Any] = {"steps": steps, "guidance": guidance}
    if inverts:
        defaults = {"steps": min(50, model.config.schedule.T), "guidance": 1.0}
        values = {k: defaults[k] if v is None else v for k, v in values.items()} | {"clip": False}
    return make_deterministic(model, {k: v for k, v in values.items() if v is not None})


def make_deterministic(model: Diffusion, values: Mapping[str, Any]) -> DDIM:
    """The model's sampler as deterministic DDIM, so that similar noise gives similar pictures."""
    return find_sampler({"sampler": "ddim", "eta": 0.0, "sigma_hat": False, **values}, model)


def draw_interpolation(
    selected: SelectedModel,
    ends: Sequence[Endpoint],
    frames: int,
    classes: list[int],
    blend: bool,
    sampler: DDIM,
    batch_size: int,
    on_progress: OnProgress = ignore_event,
) -> Tensor:
    """(rows, frames, C, H, W): one row per class, or one without classes, or for a blend."""
    starts: list[Tensor] = []
    pairs = [(classes[0], classes[1])] if blend else [(k, k) for k in classes or [None]]
    for row in pairs:
        a, b = (
            find_endpoint_noise(end, selected, k, sampler) for end, k in zip(ends, row, strict=True)
        )
        starts += [slerp(a, b, i / (frames - 1)) for i in range(frames)]
    labels = [k for k in classes for _ in range(frames)]
    own: dict[str, Any] = selected.make_inputs(labels)
    if blend:
        own = {"conditions": {"class": mix_classes(classes, frames, len(selected.spec.classes))}}
    # without labels, all frames share the seed of `first`, and so draw the same class
    seed = ends[0] if isinstance(ends[0], int) else 0
    inputs = SamplingInputs(**own, initial_noise=torch.stack(starts))
    drawn = draw_in_batches(
        selected.model,
        [seed] * len(starts),
        inputs,
        sampler,
        batch_size=batch_size,
        on_progress=on_progress,
    )
    return drawn.pictures.unflatten(0, (-1, frames))


def mix_classes(classes: Sequence[int], frames: int, K: int) -> Tensor:
    """Shares (frames, K) that go evenly from the first class to the last."""
    ends = one_hot(torch.tensor(classes), K).float()  # (2, K)
    return torch.lerp(ends[0], ends[1], torch.linspace(0, 1, frames)[:, None])


def find_endpoint_noise(
    end: Endpoint, selected: SelectedModel, k: int | None, sampler: DDIM
) -> Tensor:
    """The noise (C, H, W) of a seed, or of a picture by inversion with class k."""
    if isinstance(end, int):
        return Rng([end]).normal(*selected.model.compute_noise_shape())[0]
    labels = None if k is None else torch.tensor([k])
    options = {"labels": labels, "sampler": sampler, "refine": REFINE_STEPS}
    return invert(selected.model, selected.read_pictures(end), **options)[0].cpu()


def write_interpolation(folder: Path, pictures: Tensor, gif: bool) -> None:
    """Write strip.png, and interpolation.gif. pictures: (rows, frames, C, H, W)."""
    save_png(make_grid(pictures.flatten(0, 1), columns=pictures.shape[1]), folder / "strip.png")
    if gif:
        save_gif(make_gif_frames(pictures), folder / "interpolation.gif", last_frame_seconds=0.08)


def make_gif_frames(pictures: Tensor) -> list[Image.Image]:
    """GIF frames: one column of the strip each, forward and then backward."""
    frames = [make_grid(column, columns=1) for column in pictures.transpose(0, 1)]
    return [*frames, *frames[-2:0:-1]]
