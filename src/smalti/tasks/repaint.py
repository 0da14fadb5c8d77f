"""Fill holes with a diffusion model, for `inpaint`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from smalti.core.changes import change_config
from smalti.core.config import to_json
from smalti.core.drawing import draw_in_batches
from smalti.core.errors import UserError
from smalti.core.folders import stage_optional_folder
from smalti.core.pictures import make_grid, save_png, to_image
from smalti.core.progress import OnProgress
from smalti.core.sampling_inputs import SamplingInputs
from smalti.data.originals import Original, load_original
from smalti.data.single_picture import PictureLike, read_mask
from smalti.diffusion import DiffusionConfig, RePaint
from smalti.tasks._inpaint import FILES, Inpainting, write_inpainting
from smalti.tasks.inputs import Classes, cycle_values, select_model

GRAY = 0.5


def inpaint_by_model(
    picture: PictureLike,
    mask: PictureLike,
    model: object,
    seeds: range,
    *,
    classes: Classes,
    size: int | tuple[int, int] | None,
    sampler: object,
    batch_size: int,
    device: str,
    out: str | Path | None,
    on_progress: OnProgress,
) -> Inpainting:
    """The arguments are those of `inpaint`."""
    selected = select_model(model, device)
    if not any(isinstance(s, RePaint) for s in selected.spec.samplers):
        if "mask" in selected.spec.accepted_inputs:
            other = f"`smalti complete {selected.recorded_name} PICTURE --mask MASK`"
        else:
            other = "`smalti complete` with a PixelCNN or a GPT"
        raise UserError(f"{selected.name} cannot inpaint; use a diffusion model, or {other}")
    n, target_size = len(seeds), selected.check_size(size)
    labels = cycle_values(selected.find_class_indices(classes), n)
    known = selected.read_pictures([picture], target_size)  # (1, C, H, W)
    hole = read_mask(mask, picture, size=(known.shape[2], known.shape[3]))
    original, sampler = load_original(picture), choose_repaint(selected.model.config, sampler)
    hole_mask = torch.from_numpy(hole)
    inputs = SamplingInputs(
        **selected.make_inputs(labels),
        known=known.expand(n, -1, -1, -1),
        mask=hole_mask.expand(n, 1, -1, -1),
        size=target_size,
    )
    with stage_optional_folder(out, FILES) as folder:
        filled = draw_in_batches(
            selected.model, seeds, inputs, sampler, batch_size=batch_size, on_progress=on_progress
        ).pictures
        pictures = tuple(keep_outside(one, hole, original, known) for one in filled)
        if folder:
            cut = known.masked_fill(hole_mask, GRAY)
            save_png(make_grid(torch.cat([known, cut, filled])), folder / "grid.png")
            record = {
                "model": selected.recorded_name,
                "classes": selected.name_classes(labels),
                "size": target_size,
                "sampler": to_json(sampler),
            }
            write_inpainting(folder, pictures, seeds, picture, mask, record)
    notes = tuple(describe_lost_properties(original, known))
    return Inpainting(pictures, hole, seeds, notes, to_image(known[0]))


def choose_repaint(config: DiffusionConfig, sampler: object) -> RePaint:
    """The given RePaint, or the default with changes; it has at most the model's steps."""
    if isinstance(sampler, RePaint):
        return sampler
    if not isinstance(sampler, Mapping | None):
        raise UserError("inpainting needs a RePaint sampler; give one, or changes of it")
    default_sampler, steps = config.sampler, min(RePaint.steps, config.schedule.T)
    default = RePaint(steps=steps, clip=default_sampler.clip, guidance=default_sampler.guidance)
    return change_config(default, sampler or {})


def keep_outside(
    picture: Tensor, hole: np.ndarray, original: Original, known: Tensor
) -> Image.Image:
    """A result with the pixels of the file outside the hole, if it has the size of the file."""
    image = to_image(picture)
    if can_paste_back(original, known):
        image = original.fill(np.asarray(image.convert("RGB")), hole)
    return original.attach_profile(image)


def can_paste_back(original: Original, known: Tensor) -> bool:
    """Whether the model's pictures have the size and the channels of the file."""
    C, H, W = known.shape[1:]
    return original.size == (H, W) and (C == 3 or original.is_gray)


def describe_lost_properties(original: Original, known: Tensor) -> list[str]:
    """Messages about properties of the picture that the results lack."""
    if can_paste_back(original, known):
        return [*original.conversion_notes]
    mode, (H, W) = original.image.mode, known.shape[2:]
    what = {"LA": "transparency", "RGBA": "transparency", "I;16": "16 bits"}.get(mode)
    lost = [f"has {what}, its results of {H} x {W} have not"] if what else []
    return [*original.conversion_notes, *lost]
