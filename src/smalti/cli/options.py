"""Options that several verbs have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, Token

from smalti.core.size import read_size


def as_size(_: Any, tokens: Sequence[Token]) -> tuple[int, int]:
    """(H, W) of an option's one word."""
    return read_size(tokens[0].value, tokens[0].keyword or "--size")


Size = Annotated[
    tuple[int, int] | None,
    Parameter(n_tokens=1, converter=as_size, metavar="HEIGHTxWIDTH", show_default=False),
]
"""One number for a square, or height and width with an x between them."""

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
