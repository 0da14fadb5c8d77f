"""Options that several verbs have, and the check of the numbers in all of them."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Sequence
from inspect import BoundArguments
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from cyclopts import Parameter, Token

from smalti.core.config import coerce_value
from smalti.core.errors import UserError, shorten
from smalti.core.ranges import SampleCount
from smalti.core.size import parse_size_text


def convert_size(_: Any, tokens: Sequence[Token]) -> tuple[int, int]:
    """(H, W) of an option's one word."""
    return parse_size_text(tokens[0].value, tokens[0].keyword or "--size")


Size = Annotated[
    tuple[int, int] | None,
    Parameter(
        n_tokens=1, converter=convert_size, metavar="64|HxW", negative=(), show_default=False
    ),
]
"""One number for a square, or height and width with an x between them."""

Switch = Annotated[bool, Parameter(negative=(), show_default=False)]
"""A flag that is off unless given."""
Classes = Annotated[
    tuple[str, ...],
    Parameter(name="--class", negative_iterable=(), show_default=False, metavar="CLASS"),
]
"""Classes by name or number, the option repeated or its value a list with commas."""
PictureFiles = Annotated[
    tuple[Path, ...],
    Parameter(name="--picture", negative_iterable=(), show_default=False, metavar="FILE"),
]
"""Picture files, the option repeated."""
Texts = Annotated[
    tuple[str, ...],
    Parameter(name="--text", negative_iterable=(), show_default=False, metavar="TEXT"),
]
"""Captions, the option repeated."""

Conditions = Annotated[
    tuple[str, ...],
    Parameter(name="--condition", negative_iterable=(), show_default=False, metavar="NAME=VALUE"),
]
"""What else is told, the option repeated."""

COUNT_NAMES = Parameter(name=("--num", "-n"))
Count = Annotated[SampleCount, COUNT_NAMES]
"""How many pictures."""


def split_words(words: Sequence[str]) -> list[str]:
    """Single ones, where one may list several with commas."""
    return [part for word in words for one in word.split(",") if (part := one.strip())]


def parse_device(name: str) -> str:
    """The name of a device of this machine, "auto" resolved. UserError for one that it lacks."""
    from smalti.core.device import check_device  # PatchMatch needs no PyTorch

    try:
        return str(check_device(name))
    except UserError as error:
        found = "PyTorch finds no such device here; use --device cpu"
        raise UserError(f"--device {name}: {found}") from error


def parse_conditions(words: Sequence[str]) -> dict[str, list[str]]:
    """The values by their names, of words as NAME=VALUE."""
    parsed: dict[str, list[str]] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not (name and sign):
            raise UserError(f"--condition {shorten(word)} is no NAME=VALUE; write style=flat")
        parsed.setdefault(name, []).append(value)
    return parsed


def check_numbers(
    command: Callable[..., Any], bound: BoundArguments, tokens: Sequence[str] = ()
) -> None:
    """UserError, which names the option, for a number that is not finite or out of its range.

    Ranges stand in the type hints (`core/ranges.py`); a number without one is finite.
    tokens: the words as typed, in which a whole number must be one: cyclopts rounds 1.5.
    """
    if not command.__module__.startswith("smalti."):
        return  # help and version
    hints = typing.get_type_hints(command, include_extras=True)
    for name, value in bound.arguments.items():
        if can_be(hint := hints.get(name), int, float):
            names = list_option_names(name, hint)
            if not can_be(hint, float):
                check_integers(names, tokens)
            bound.arguments[name] = coerce_value(value, hint, min(names, key=len))


def check_integers(names: Sequence[str], tokens: Sequence[str]) -> None:
    words = [*pairwise(tokens), *(token.split("=", 1) for token in tokens if "=" in token)]
    for name, word in words:
        if name in names and "." in word and not float(word).is_integer():
            raise UserError(f"{name} is {shorten(word)}; give a whole number")


def can_be(hint: Any, *kinds: Any) -> bool:
    """Whether a value of this type may be of one of these kinds."""
    if get_origin(hint) in (Annotated, Union, types.UnionType):
        return any(can_be(h, *kinds) for h in get_args(hint))
    return hint in kinds or get_origin(hint) in kinds


def list_option_names(name: str, hint: Any) -> tuple[str, ...]:
    """As they may be typed."""
    named = [p.name for p in collect_metadata(hint) if isinstance(p, Parameter) and p.name]
    found = named[0] if named else "--" + name.replace("_", "-")
    return (found,) if isinstance(found, str) else tuple(found)


def collect_metadata(hint: Any) -> list[Any]:
    """What stands beside the types of a hint."""
    beside = list(getattr(hint, "__metadata__", ()))
    return beside + [extra for h in get_args(hint) for extra in collect_metadata(h)]
