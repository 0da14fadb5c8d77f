"""inpaint: holes in a picture filled with its own patches, or by a model.

What needs PyTorch is loaded for a model alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from smalti.core.errors import UserError
from smalti.core.folders import ResultFiles, check_replaceable, stage_optional_folder, write_record
from smalti.core.pictures import save_png
from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.core.ranges import BatchSize, SampleCount, Seed, Width
from smalti.core.rng import list_seeds
from smalti.core.short_repr import add_short_repr
from smalti.data.frames import read_still
from smalti.data.originals import load_original
from smalti.data.single_picture import PictureLike, read_mask
from smalti.patchmatch.inpainting import inpaint as fill_hole

FILES = ResultFiles(r"grid\.png|inpainting\.json|\d+\.png", "inpainting.json")
"""What a folder of filled pictures holds."""
GRAY, GAP = 128, 2


@dataclass(frozen=True, eq=False)
@add_short_repr
class Inpainting:
    """A picture whose hole is filled in several ways."""

    pictures: tuple[Image.Image, ...]
    """One for each seed. Outside the hole they are the picture itself, of its own mode, where it
    has the size of what was drawn."""
    hole: np.ndarray
    """(H, W) bool."""
    seeds: range
    conversion_notes: tuple[str, ...]
    """What of the picture is not in the results, in words."""


def inpaint(
    picture: PictureLike,
    mask: PictureLike,
    model: object = None,
    *,
    n: SampleCount | None = None,
    seed: Seed = 0,
    patch: Width | None = None,
    classes: Sequence[int | str] | int | str = (),
    size: int | tuple[int, int] | None = None,
    sampler: object = None,
    batch_size: BatchSize | None = None,
    device: str | None = None,
    out: str | Path | None = None,
    on_progress: OnProgress = ignore_event,
) -> Inpainting:
    """Fill a hole in a picture: with patches of the rest of it (PatchMatch), or by a model.

    What is outside the hole stays as it is.

    picture: the picture; for a model cropped and resized to its size.
    mask: a picture of the same size: white is filled in, black is kept.
    model: a shipped model's name, a run or a checkpoint; PatchMatch unless one is named.
    n: how many ways: 1 by PatchMatch, 4 by a model.
    seed: the first way's seed; the others count up from it.
    patch: width of PatchMatch's patches in pixels, odd: 7.
    classes: a class by name or number, or several with commas, or "all"; the ways take turns.
    size: height and width in pixels (64 or 48x64), for models that can draw other sizes than they
    were trained on.
    sampler: a RePaint, or changes of the model's, such as {"steps": 20}.
    batch_size: pictures that a model draws at a time: 64.
    device: where it runs: cpu, cuda, cuda:1, mps ...; auto takes CUDA where there is one.
    out: folder for the results; inpaintings/PICTURE unless told otherwise.

    From Python pictures may be arrays and tensors, too, and without `out` nothing is written.
    """
    check_replaceable(out, FILES)
    drawing = {"classes": classes, "size": size, "sampler": sampler}
    if model is None:
        refuse_model_options({**drawing, "batch_size": batch_size, "device": device})
        seeds = list_seeds(seed, 1 if n is None else n)
        return inpaint_by_patches(
            picture, mask, 7 if patch is None else patch, seeds, out, on_progress
        )
    if patch is not None:
        raise UserError("patch is given, but a model fills by no patches; leave one of them out")
    from smalti.tasks.repaint import inpaint_by_model

    drawing |= {"batch_size": batch_size or 64, "device": device or "auto"}
    seeds = list_seeds(seed, 4 if n is None else n)
    return inpaint_by_model(
        picture, mask, model, seeds, **drawing, out=out, on_progress=on_progress
    )


def refuse_model_options(options: dict[str, Any]) -> None:
    """UserError for the first argument that is of models."""
    values = {**(options.pop("sampler") or {}), **options}
    if refused := [name for name, value in values.items() if value not in (None, (), [])]:
        raise UserError(f"{refused[0]} is given, but it is of models; name one as model")


def inpaint_by_patches(
    picture: PictureLike,
    mask: PictureLike,
    patch: int,
    seeds: range,
    out: str | Path | None = None,
    on_progress: OnProgress = ignore_event,
) -> Inpainting:
    """Each seed's filling in the picture's own mode."""
    levels, original = read_still(picture), load_original(picture)
    hole = read_mask(mask, picture, levels)
    with stage_optional_folder(out, FILES) as folder:
        filled: list[np.ndarray] = []
        for done, seed in enumerate(seeds):
            on_progress(Progress("filling", done, len(seeds)))
            filled.append(fill_hole(levels, hole, patch, seed))
        on_progress(Progress("filling", len(seeds), len(seeds)))
        pictures = tuple(original.fill(one, hole) for one in filled)
        if folder:
            cut = np.where(hole[..., None], np.uint8(GRAY), levels)
            save_png(join_pictures([levels, cut, *filled]), folder / "grid.png")
            record = {"method": "patchmatch", "patch": patch}
            write_inpainting(folder, pictures, seeds, picture, mask, record)
    return Inpainting(pictures, hole, seeds, original.conversion_notes)


def write_inpainting(
    folder: Path,
    pictures: tuple[Image.Image, ...],
    seeds: range,
    picture: PictureLike,
    mask: PictureLike,
    record: dict[str, Any],
) -> None:
    """Each way by its seed, and the record."""
    for seed, one in zip(seeds, pictures, strict=True):
        save_png(one, folder / f"{seed:05d}.png")
    files = {name: str(one) if isinstance(one, str | Path) else None
             for name, one in (("picture", picture), ("mask", mask))}  # fmt: skip
    write_record(folder / "inpainting.json", {**files, "seeds": [*seeds], **record})


def join_pictures(pictures: list[np.ndarray]) -> Image.Image:
    """Pictures (H, W, 3) of one size in a row."""
    gap = np.full((pictures[0].shape[0], GAP, 3), GRAY, np.uint8)
    row = [piece for picture in pictures for piece in (gap, picture)][1:]
    return Image.fromarray(np.concatenate(row, axis=1))
