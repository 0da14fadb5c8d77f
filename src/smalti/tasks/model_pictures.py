"""Pictures of what a model makes: drawn when it is shipped, of a run its samples."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from smalti.core.checkpoint import find_checkpoint, load
from smalti.core.conditions import find_picture_condition
from smalti.core.files import write_atomically
from smalti.core.pictures import make_grid
from smalti.core.saved_steps import hash_file, is_run
from smalti.data import digits
from smalti.tasks._codes import draw_codebook
from smalti.tasks._draw_samples import draw_samples
from smalti.tasks._reconstruct import reconstruct
from smalti.training.summary import find_step_paths

PICTURE = "picture.png"
"""The picture's name beside the weights."""
WEIGHTS = "weights"
"""The PNG's text that has the SHA-256 of the weights it was drawn with."""
COUNT = 8
"""Pictures in a row."""
DIGIT = (1, 28, 28)
COLORED = "ddpm-emoji"
"""Its samples are conditions of other models."""
NAMES = ("red apple", "wine glass", "dog face", "sailboat", "rose", "rocket", "crown", "octopus")
"""What it draws then."""


def find_model_picture(model: str | Path) -> Path | None:
    """The picture of a shipped model, a checkpoint or a run; None if it has none of these weights.

    model: shipped name or folder. UserError if there is no model.
    """
    if is_run(Path(model)):
        grids = find_step_paths(Path(model) / "grids", "step-*.png")
        return grids[max(grids)] if grids else None
    folder = find_checkpoint(model)
    file = folder / PICTURE
    if not file.is_file():
        return None
    with Image.open(file) as picture:
        drawn_with = picture.info.get(WEIGHTS)
    return file if drawn_with == hash_file(folder / "model.safetensors") else None


def draw_model_picture(model: str | Path) -> Path | None:
    """Draw a model's picture beside its weights; None for a model whose output is no picture."""
    pictures = show_model(load(model))
    if pictures is None:
        return None
    folder, text = find_checkpoint(model), PngInfo()
    text.add_text(WEIGHTS, hash_file(folder / "model.safetensors"))
    sheet = make_grid(pictures, columns=COUNT)
    return write_atomically(
        folder / PICTURE,
        lambda temporary: sheet.save(temporary, "PNG", optimize=True, pnginfo=text),
    )


def show_model(model: object) -> Tensor | None:
    """Pictures (n, C, H, W) in [0, 1] that show what a model makes; None if it makes none.

    Samples of the first seeds, below their condition if that is a picture. Of a codec of digits
    held-out digits above their reconstructions, of another one its first codes.
    """
    spec = getattr(model, "spec", None)
    if spec is None or spec.output == "text":
        return None
    if spec.output == "picture" and find_picture_condition(spec.conditions):
        if spec.channels == 1:
            given = digits("test")[0][:COUNT]
        else:
            given = draw_samples(COLORED, COUNT, text=NAMES).pictures
        drawn = draw_samples(model, COUNT, pictures=given).pictures
        return torch.cat([F.interpolate(given, drawn.shape[2:]), drawn])
    if spec.output == "picture":
        return draw_samples(model, COUNT).pictures
    if (spec.channels, *spec.size) == DIGIT:
        held_out = digits("test")[0][:COUNT]
        return torch.cat([held_out, torch.stack(reconstruct(model, held_out).pictures)])
    return draw_codebook(model, n=2 * COUNT).tiles if spec.output == "codes" else None
