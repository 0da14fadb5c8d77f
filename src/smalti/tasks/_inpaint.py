"""inpaint: fill holes in a picture with its own patches, or with a model.

PyTorch is imported only for a model.
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
"""Files of a folder of inpaintings."""
GRAY, GAP = 128, 2


@dataclass(frozen=True, eq=False)
@add_short_repr
class Inpainting:
    """A picture whose hole was filled, once per seed."""

    pictures: tuple[Image.Image, ...]
    """One per seed. If the picture has the size of the results, they equal it outside the hole, in
    its mode."""
    hole: np.ndarray
    """(H, W) bool."""
    seeds: range
    conversion_notes: tuple[str, ...]
    """Messages about properties of the picture that the results lack."""
    original: Image.Image
    """The picture before, in the size of the results."""


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
    """Fill a masked region of a picture.

    The hole is filled with patches of the rest of the picture (PatchMatch), or by a model. Pixels
    outside the hole do not change.

    picture: Picture file. For a model it is cropped and resized to the model's size.
    mask: Mask of the picture's size; white is filled.
    model: Model to fill the hole (default: PatchMatch). Shipped model, run or checkpoint.
    n: Number of results (default: 1; with a model 4).
    seed: Seed of the first result. The others count up from it.
    patch: Patch width of PatchMatch; odd (default: 7).
    classes: Class name or number, or "all". Several are separated by commas and cycled over the
    results.
    size: Height and width (default: the model's). In pixels, as 64 or 48x64; for models that can
    draw other sizes than their training size.
    sampler: RePaint, or changes of the default. Such as {"steps": 20}.
    batch_size: Pictures per batch of a model (default: 64).
    device: Device of a model: auto, cpu, cuda, cuda:1, mps. The default, auto, prefers CUDA.
    out: Output folder (default: inpaintings/PICTURE).

    From Python, pictures may also be arrays or tensors, and nothing is written without `out`.
    """
    check_replaceable(out, FILES)
    model_options = {"classes": classes, "size": size, "sampler": sampler}
    if model is None:
        refuse_model_options({**model_options, "batch_size": batch_size, "device": device})
        seeds = list_seeds(seed, 1 if n is None else n)
        return inpaint_by_patches(
            picture, mask, 7 if patch is None else patch, seeds, out, on_progress
        )
    if patch is not None:
        raise UserError("patch is for PatchMatch, but a model is given; leave one of them out")
    from smalti.tasks.repaint import inpaint_by_model

    model_options |= {"batch_size": batch_size or 64, "device": device or "auto"}
    seeds = list_seeds(seed, 4 if n is None else n)
    return inpaint_by_model(
        picture, mask, model, seeds, **model_options, out=out, on_progress=on_progress
    )


def refuse_model_options(options: dict[str, Any]) -> None:
    """UserError if an argument is given that only models use."""
    values = {**(options.pop("sampler") or {}), **options}
    if refused := [name for name, value in values.items() if value not in (None, (), [])]:
        raise UserError(f"{refused[0]} is given, but no model; name a model to fill the hole")


def inpaint_by_patches(
    picture: PictureLike,
    mask: PictureLike,
    patch: int,
    seeds: range,
    out: str | Path | None = None,
    on_progress: OnProgress = ignore_event,
) -> Inpainting:
    """Fill the hole once per seed; results have the mode of the picture."""
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
    before = Image.fromarray(levels)
    return Inpainting(pictures, hole, seeds, original.conversion_notes, before)


def write_inpainting(
    folder: Path,
    pictures: tuple[Image.Image, ...],
    seeds: range,
    picture: PictureLike,
    mask: PictureLike,
    record: dict[str, Any],
) -> None:
    """Write each result, named by its seed, and the record."""
    for seed, one in zip(seeds, pictures, strict=True):
        save_png(one, folder / f"{seed:05d}.png")
    files = {name: str(one) if isinstance(one, str | Path) else None
             for name, one in (("picture", picture), ("mask", mask))}  # fmt: skip
    write_record(folder / "inpainting.json", {**files, "seeds": [*seeds], **record})


def join_pictures(pictures: list[np.ndarray]) -> Image.Image:
    """Join pictures (H, W, 3) of one size in a row."""
    gap = np.full((pictures[0].shape[0], GAP, 3), GRAY, np.uint8)
    row = [piece for picture in pictures for piece in (gap, picture)][1:]
    return Image.fromarray(np.concatenate(row, axis=1))
