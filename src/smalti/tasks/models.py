"""Models as a task is given them: by name, by folder, or loaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from smalti.core.checkpoint import load
from smalti.core.errors import UserError, shorten

DIGITS = 18
"""Of the longest whole number that is read."""


def open_model(model: Any, device: str = "auto") -> Any:
    """A model in eval mode: loaded by its name or folder, or the loaded one as it is.

    device: of a model that is loaded here; "auto" is CUDA where there is one.
    """
    if not isinstance(model, str | Path):
        return model
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return load(model, device)


def open_picture_model(model: Any, device: str = "auto") -> Any:
    """A model that draws pictures.  UserError when it is of another kind."""
    loaded = open_model(model, device)
    if find_output(loaded) != "picture":
        raise UserError(
            f"{name_model(model)} does not draw pictures; `smalti list` shows which models do"
        )
    return loaded


def find_output(model: Any) -> str | None:
    """What a model puts out: "picture", "text", "codes", or None for one without a spec."""
    return getattr(getattr(model, "spec", None), "output", None)


def name_model(model: Any) -> str:
    """What to call the results of a model: its own name, its folder's, or its type's."""
    if isinstance(model, str | Path):
        return os.path.basename(os.path.abspath(model))
    return type(model).__name__.lower()


def find_class(label: int | str, classes: Sequence[str], model: str) -> int:
    """The number of a class that is given by name or number, which may be a word, too."""
    if label in classes:
        return classes.index(label)
    number = int(label) if is_whole(label) else -1
    if 0 <= number < len(classes):
        return number
    if not classes:
        raise UserError(f"class {label} is given, but {model} has no classes; leave it out")
    shown = ", ".join(classes[:20]) + (", ..." if len(classes) > 20 else "")
    raise UserError(f"class {shorten(label)} is none of {model}'s classes: {shown}")


def is_whole(label: int | str) -> bool:
    """Whether it is a number that some class may have."""
    if isinstance(label, str):
        return label.isascii() and label.isdigit() and len(label) <= DIGITS
    return not isinstance(label, bool)
