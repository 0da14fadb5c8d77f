"""Options that several verbs have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Switch = Annotated[bool, Parameter(negative=(), show_default=False)]
"""A flag that is off unless given."""
Classes = Annotated[
    tuple[str, ...],
    Parameter(name="--class", negative_iterable=(), show_default=False, metavar="CLASS"),
]
"""Classes by name or number, the option repeated or its value a list with commas."""
PicturesGiven = Annotated[
    tuple[Path, ...],
    Parameter(name="--picture", negative_iterable=(), show_default=False, metavar="FILE"),
]
"""Picture files, the option repeated."""
Texts = Annotated[
    tuple[str, ...],
    Parameter(name="--text", negative_iterable=(), show_default=False, metavar="TEXT"),
]
"""Captions, the option repeated."""
