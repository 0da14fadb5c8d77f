"""`smalti inpaint` without a model: holes filled with patches of the rest of the picture."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

import smalti
from smalti.cli.meter import Meter
from smalti.core.folders import Results, folder_for, write_record
from smalti.core.pictures import save_png
from smalti.data.frames import still
from smalti.data.originals import read_original
from smalti.data.single import read_mask
from smalti.patchmatch.inpainting import inpaint

FILES = Results(r"grid\.png|inpainting\.json|\d+\.png", "inpainting.json")
"""What a folder of filled pictures holds."""
GREY = 128
GAP = 2


def fill_by_patches(picture: Path, mask: Path, patch: int, seeds: Sequence[int], out: Path) -> None:
    """Write each seed's filling in the picture's own mode, a grid of all, and the record."""
    begun = time.perf_counter()
    levels, original = still(picture), read_original(picture)
    hole = read_mask(mask, picture, levels)
    cut = np.where(hole[..., None], np.uint8(GREY), levels)
    with folder_for(out, FILES) as folder:
        filled: list[np.ndarray] = []
        with Meter("filling", len(seeds)) as meter:
            for seed in seeds:
                filled.append(inpaint(levels, hole, patch, seed))
                save_png(original.fill(filled[-1], hole), folder / f"{seed:05d}.png")
                meter.advance()
        save_png(beside([levels, cut, *filled]), folder / "grid.png")
        record = {
            "method": "patchmatch",
            "picture": str(picture),
            "mask": str(mask),
            "patch": patch,
            "seeds": [*seeds],
            "smalti": smalti.__version__,
        }
        write_record(folder / "inpainting.json", record)
    ways = f" in {len(seeds)} ways" if len(seeds) > 1 else ""
    seconds = time.perf_counter() - begun
    for loss in original.losses:
        print(f"{picture} {loss}")
    print(f"{hole.mean():.0%} filled{ways} in {seconds:.1f} s: {out / 'grid.png'}")


def beside(pictures: Sequence[np.ndarray]) -> Image.Image:
    """Pictures (H, W, 3) of one size in a row."""
    gap = np.full((pictures[0].shape[0], GAP, 3), GREY, np.uint8)
    row = [piece for picture in pictures for piece in (gap, picture)][1:]
    return Image.fromarray(np.concatenate(row, axis=1))
