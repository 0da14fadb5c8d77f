"""What every verb that draws from a model shares: devices, classes, batches, frames."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

import smalti
from smalti.cli.meter import ProgressMeter
from smalti.core.device import check_device
from smalti.core.drawing import Drawn, draw_batches
from smalti.core.errors import UserError
from smalti.core.given import Given
from smalti.core.pictures import grid
from smalti.core.protocols import Generative, Spec
from smalti.core.size import show_size

DIGITS = 18
"""Of the longest whole number that is read."""
LARGEST_SIDE = 4096
"""Pixels; the largest side that can be asked for."""


def chosen_device(name: str) -> str:
    """A device of this machine: "auto" is CUDA where there is one. UserError for one it lacks."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        check_device(name)
    except UserError as error:
        raise UserError(
            f"--device {name}: PyTorch finds no such device here; use --device cpu"
        ) from error
    return name


def name_of(model: str) -> str:
    """What to call the results of a model: its own name, or its folder's."""
    return os.path.basename(os.path.abspath(model))


def picture_model(name: str, device: str) -> Any:
    """A model that draws pictures. UserError when it is of another kind."""
    model = smalti.load(name, device=chosen_device(device))
    if getattr(getattr(model, "spec", None), "output", None) != "picture":
        raise UserError(f"{name} does not draw pictures; `smalti list` shows which models do")
    return model


def chosen_classes(words: Sequence[str], spec: Spec, model: str) -> list[int]:
    """Classes by name or number; one word may list several with commas, "all" is all of them."""
    names = [name for word in words for name in word.split(",") if name]
    if names and not spec.classes:
        raise UserError(f"--class {names[0]} is given, but {model} has no classes; leave it out")
    if names == ["all"]:
        return list(range(len(spec.classes)))
    return [class_number(name.strip(), spec.classes, model) for name in names]


def class_number(name: str, classes: tuple[str, ...], model: str) -> int:
    if name in classes:
        return classes.index(name)
    if (number := whole_number(name)) is not None and number < len(classes):
        return number
    shown = ", ".join(classes[:20]) + (", ..." if len(classes) > 20 else "")
    raise UserError(f"--class {name} is none of {model}'s classes: {shown}")


def whole_number(word: str) -> int | None:
    """0 or more; None for other words, and for more digits than any number here has."""
    return int(word) if word.isascii() and word.isdigit() and len(word) <= DIGITS else None


def chosen_text(text: Sequence[str], number: int, spec: Spec, model: str) -> list[str] | None:
    """(number,) captions, which take turns; None without any."""
    if not text:
        return None
    if "text" not in spec.given:
        raise UserError(f"--text {text[0]!r} is given, but {model} reads no text; leave it out")
    return [text[i % len(text)] for i in range(number)]


def chosen_size(size: tuple[int, int] | None, spec: Spec, model: str) -> tuple[int, int] | None:
    """(H, W), the same. UserError when the model draws one size alone."""
    if size is not None and not spec.free_size:
        raise UserError(
            f"--size {show_size(size)} is given, but {model} has a fixed size; leave it out"
        )
    if size is not None and max(size) > LARGEST_SIDE:
        raise UserError(
            f"--size {show_size(size)} is more than can be drawn; give {LARGEST_SIDE} at most"
        )
    return size


def draw(
    model: Generative, seeds: Sequence[int], given: Given, sampler: Any, *, batch: int, film: bool
) -> Drawn:
    with ProgressMeter() as meter:
        return draw_batches(model, seeds, given, sampler, batch=batch, film=film, on_progress=meter)


def film_of(drawn: Drawn, order: Tensor, columns: int | None = None) -> list[Image.Image]:
    """The frames as grids, for a GIF; `order` arranges the pictures."""
    few = order[order < len(drawn.frames[0])]
    return [grid(frame[few], columns) for frame in drawn.frames]
