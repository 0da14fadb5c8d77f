"""Models as a task is given them: by name, by folder, or loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from smalti.core.errors import UserError, shorten
from smalti.core.model import name_model

DIGITS = 18
"""Of the longest whole number that is read."""


def record_model(model: object) -> str:
    """What a record says of a model: its name or folder as it was given."""
    return str(model) if isinstance(model, str | Path) else name_model(model)


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
