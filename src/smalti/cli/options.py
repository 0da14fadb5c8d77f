"""Options that several verbs have, and the check of the numbers in all of them."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Sequence
from inspect import BoundArguments
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from cyclopts import Parameter, Token

from smalti.core.config import fitted
from smalti.core.ranges import Range, Samples
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

NAME = Parameter(name=("--number", "-n"))
Number = Annotated[Samples, NAME]
"""How many pictures."""
Strength = Annotated[float, Range(0, 1, above=True)]
"""How far from a picture."""


def check_numbers(command: Callable[..., Any], given: BoundArguments) -> None:
    """UserError, which names the option, for a number that is not finite or out of its range.

    Ranges stand in the type hints (`core/ranges.py`); a number without one is finite.
    """
    if not command.__module__.startswith("smalti."):
        return  # help and version
    hints = typing.get_type_hints(command, include_extras=True)
    for name, value in given.arguments.items():
        if holds_number(hint := hints.get(name)):
            given.arguments[name] = fitted(value, hint, option_name(name, hint))


def holds_number(hint: Any) -> bool:
    if get_origin(hint) in (Annotated, Union, types.UnionType):
        return any(holds_number(h) for h in get_args(hint))
    return hint in (int, float)


def option_name(name: str, hint: Any) -> str:
    """As it is typed: the shortest of its names."""
    named = [p.name for p in unfolded(hint) if isinstance(p, Parameter) and p.name]
    return min(named[0], key=len) if named else "--" + name.replace("_", "-")


def unfolded(hint: Any) -> list[Any]:
    """What stands beside the types of a hint."""
    beside = list(getattr(hint, "__metadata__", ()))
    return beside + [extra for h in get_args(hint) for extra in unfolded(h)]
