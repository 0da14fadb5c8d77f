"""Holes filled by a diffusion model, for `inpaint`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from smalti.core.changes import change_config
from smalti.core.config import to_json
from smalti.core.drawing import draw_batches
from smalti.core.errors import UserError
from smalti.core.folders import results_folder
from smalti.core.given import Given
from smalti.core.pictures import grid, image, save_png
from smalti.core.progress import OnProgress
from smalti.data.originals import Original, keep_original
from smalti.data.single import Picture, read_mask
from smalti.diffusion import DiffusionConfig, RePaint
from smalti.tasks._inpaint import FILES, Inpainting, write_inpainting
from smalti.tasks.inputs import Classes, choose_model, take_turns

GREY = 0.5


def fill_by_model(
    picture: Picture,
    mask: Picture,
    model: object,
    seeds: range,
    *,
    classes: Classes,
    size: int | tuple[int, int] | None,
    sampler: object,
    batch: int,
    device: str,
    out: str | Path | None,
    on_progress: OnProgress,
) -> Inpainting:
    """Arguments as `inpaint` has them."""
    chosen = choose_model(model, device)
    if not any(isinstance(s, RePaint) for s in chosen.spec.samplers):
        raise UserError(
            f"{chosen.name} fills no holes; `smalti list` shows the diffusion models, which do, "
            "and `smalti complete` draws the lower part of a picture"
        )
    n, extent = len(seeds), chosen.check_size(size)
    labels = take_turns(chosen.find_classes(classes), n)
    known = chosen.read_pictures([picture], extent)  # (1, C, H, W)
    hole = read_mask(mask, picture, size=(known.shape[2], known.shape[3]))
    original, sampler = keep_original(picture), choose_repaint(chosen.model.config, sampler)
    where = torch.from_numpy(hole)
    given = Given(
        **chosen.tell(labels),
        known=known.expand(n, -1, -1, -1),
        mask=where.expand(n, 1, -1, -1),
        size=extent,
    )
    with results_folder(out, FILES) as folder:
        filled = draw_batches(
            chosen.model, seeds, given, sampler, batch=batch, on_progress=on_progress
        ).pictures
        pictures = tuple(keep_outside(one, hole, original, known) for one in filled)
        if folder:
            holed = known.masked_fill(where, GREY)
            save_png(grid(torch.cat([known, holed, filled])), folder / "grid.png")
            record = {
                "model": chosen.record,
                "classes": chosen.name_classes(labels),
                "size": extent,
                "sampler": to_json(sampler),
            }
            write_inpainting(folder, pictures, seeds, picture, mask, record)
    return Inpainting(pictures, hole, seeds, tuple(tell_losses(original, known)))


def choose_repaint(config: DiffusionConfig, sampler: object) -> RePaint:
    """RePaint as it is given, or changed; no more steps than the model has, unless asked for."""
    if isinstance(sampler, RePaint):
        return sampler
    if not isinstance(sampler, Mapping | None):
        raise UserError("holes are filled by RePaint; give one as sampler, or changes of it")
    own, steps = config.sampler, min(RePaint.steps, config.schedule.T)
    default = RePaint(steps=steps, clip=own.clip, guidance=own.guidance)
    return change_config(default, sampler or {})


def keep_outside(
    picture: Tensor, hole: np.ndarray, original: Original, known: Tensor
) -> Image.Image:
    """A model's picture with the file's own pixels outside the hole, where it has that size."""
    shown = image(picture)
    if fits(original, known):
        shown = original.fill(np.asarray(shown.convert("RGB")), hole)
    return original.with_profile(shown)


def fits(original: Original, known: Tensor) -> bool:
    """Whether the model's pictures can take their place in the file's own."""
    C, H, W = known.shape[1:]
    return original.size == (H, W) and (C == 3 or original.is_grey)


def tell_losses(original: Original, known: Tensor) -> list[str]:
    """What of the picture is not in the results, in words."""
    if fits(original, known):
        return [*original.losses]
    mode, (H, W) = original.image.mode, known.shape[2:]
    what = {"LA": "transparency", "RGBA": "transparency", "I;16": "16 bits"}.get(mode)
    lost = [f"has {what}, its results of {H} x {W} have not"] if what else []
    return [*original.losses, *lost]
