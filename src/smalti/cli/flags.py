"""Config fields as command-line options, and options back into field values.

cyclopts also builds options from dataclasses, but from a class, not from a recipe's config: one
given option would reset all others to the class's defaults. It does not know config tags either.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from cyclopts import Group, Parameter

from smalti.cli.options import can_be
from smalti.core.config import coerce_value
from smalti.core.config_flags import Flag
from smalti.core.errors import UserError
from smalti.core.ranges import OutOfRangeError

YES, NO = ("yes", "y", "true", "t", "1"), ("no", "n", "false", "f", "0")
TRUTHS = {word: word in YES for word in (*YES, *NO)}


def make_parameter(flag: Flag, group: Group, show_default: bool) -> Any:
    """The annotation of a command's parameter for this flag; unset, it is None."""
    several, default_text = can_be(flag.hint, tuple), format_default(flag.default)
    words = [str(w) for w in list_literals(flag.hint)]
    return Annotated[
        (tuple[str, ...] if several else flag.hint) | None,
        Parameter(
            name=flag.names or flag.option,
            help=flag.help,
            group=group,
            show=flag.visible,
            consume_multiple=several or None,
            show_default=(lambda _: default_text) if show_default and default_text else False,
            negative_iterable=(),
            metavar="|".join([*words, "LIST"]) if several else None,
        ),
    ]


def list_literals(hint: Any) -> list[Any]:
    """The words that a field accepts instead of a list."""
    literals = [h for h in get_args(hint) if get_origin(h) is Literal]
    return [word for literal in literals for word in get_args(literal)]


def format_default(value: Any) -> str:
    """As one would type it."""
    if isinstance(value, tuple):
        words = {True: "yes", False: "no"}
        return " ".join(words[v] if isinstance(v, bool) else format_default(v) for v in value)
    return "" if value is None else str(value)


@dataclass(frozen=True)
class Flags:
    """Options of one group in the help."""

    flags: tuple[Flag, ...]
    group: Group
    show_default: bool = True


def add_flags(command: Callable[..., Any], **flag_sets: Flags) -> Callable[..., Any]:
    """`command` with an option for each flag.

    Each set `k` of flags becomes one parameter of `command`: k={flag name: value} of those given.
    """
    signature = inspect.signature(command, eval_str=True)
    own = [p for p in signature.parameters.values() if p.name not in flag_sets]
    flat = {f"{k}{i}": (k, flag) for k, s in flag_sets.items() for i, flag in enumerate(s.flags)}

    def flat_command(*args: Any, **arguments: Any) -> Any:
        values: dict[str, dict[str, Any]] = {k: {} for k in flag_sets}
        for name, (k, flag) in flat.items():
            if (value := arguments.pop(name, None)) is not None:
                values[k][flag.name] = parse_option(value, flag)
        return command(*args, **arguments, **values)

    extra = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=make_parameter(flag, flag_sets[k].group, flag_sets[k].show_default),
        )
        for name, (k, flag) in flat.items()
    ]
    flat_command.__signature__ = signature.replace(parameters=[*own, *extra])  # type: ignore[attr-defined]
    flat_command.__annotations__ = {p.name: p.annotation for p in [*own, *extra]}
    flat_command.__doc__, flat_command.__name__ = command.__doc__, command.__name__
    return flat_command


def parse_option(value: Any, flag: Flag) -> Any:
    """The value of the field: words become a tuple, or stay one word."""
    if not can_be(flag.hint, tuple):
        return coerce_value(value, flag.hint, flag.option)
    words = [word for words in value for word in words.replace(",", " ").split()]
    truths = can_be(flag.hint, tuple[bool, ...])
    attempts: list[Any] = [
        [(TRUTHS.get(w.lower(), w) if truths else parse_json_or_word(w)) for w in words]
    ]
    for attempt in [*attempts, *(words if len(words) == 1 else [])]:
        try:
            return coerce_value(attempt, flag.hint, flag.option)
        except OutOfRangeError:
            raise
        except UserError:
            continue
    said = "give yes or no for each level, such as: no yes" if truths else flag.help
    raise UserError(f"{flag.option} is {' '.join(words) or 'empty'!r}; {said}")


def parse_json_or_word(word: str) -> Any:
    try:
        return json.loads(word.lower())
    except ValueError:
        return word
