"""Config fields as command-line options, and options back into field values.

cyclopts also builds options from dataclasses, but from a class, not from a recipe's config: one
given option would reset all others to the class's defaults. It does not know config tags either.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin

from cyclopts import Group, Parameter

from smalti.cli.help_layout import take_first_sentence
from smalti.cli.options import can_be
from smalti.core.config import coerce_value, collect_hints, find_config_tag
from smalti.core.errors import UserError
from smalti.core.ranges import OutOfRangeError

YES, NO = ("yes", "y", "true", "t", "1"), ("no", "n", "false", "f", "0")
ALIASES = {"learning_rate": ("--learning-rate", "--lr")}
"""Other names of fields; errors use the last."""
TRUTHS = {word: word in YES for word in (*YES, *NO)}


@dataclass(frozen=True)
class Flag:
    """One option: a field of a config, or of a config inside it."""

    name: str
    """Field names from the outermost config inwards, with dots."""
    hint: Any
    """The field's type with its ranges; for a config of several types, a Literal of their tags."""
    help: str
    default: Any
    names: tuple[str, ...] = ()
    """Names of the option; errors use the last. Empty: the field's name."""
    visible: bool = True
    """Whether help lists it."""

    @property
    def option(self) -> str:
        return self.names[-1] if self.names else format_option(self.name)


def format_option(field: str) -> str:
    """weight_decay is --weight-decay, model.network.widths is --model.network.widths."""
    return "--" + field.replace("_", "-")


def list_flags(config: Any, prefix: str = "") -> Iterator[Flag]:
    """All fields of a config and of the configs inside it."""
    hints, docs = collect_hints(type(config)), read_field_docs(type(config))
    for field in dataclasses.fields(config):
        name, value, hint = prefix + field.name, getattr(config, field.name), hints[field.name]
        if value is None and list_other_types(hint, type(None)):
            continue  # a part that is left out has no options
        if dataclasses.is_dataclass(value):
            variants = [value, *(cls() for cls in list_other_types(hint, type(value)))]
            yield from list_variant_flags(
                variants, name, take_first_sentence(docs[field.name]), f"{name}."
            )
        elif isinstance(value, tuple) and any(map(dataclasses.is_dataclass, value)):
            for member in value:
                own = list_flags(member, f"{name}.{member.name}.")
                yield from (flag for flag in own if flag.name != f"{name}.{member.name}.name")
        else:
            yield Flag(
                name, hint, take_first_sentence(docs[field.name]), value, ALIASES.get(name, ())
            )


def list_variant_flags(variants: list[Any], name: str, help: str, prefix: str) -> Iterator[Flag]:
    """A choice between config types: first the tag, then the fields of each type.

    The first variant is the default. Help names the types of a field that it lacks. Where types
    differ in a field's range, the config itself checks it later.
    """
    if len(variants) > 1:
        tags = [find_config_tag(type(kind)) for kind in variants]
        yield Flag(name, Literal[tuple(tags)], help, tags[0])  # type: ignore[valid-type]
    found: dict[str, list[tuple[Any, Flag]]] = {}
    for kind in variants:
        for flag in list_flags(kind, prefix):
            found.setdefault(flag.name, []).append((kind, flag))
    for uses in found.values():
        flag = uses[0][1]
        if uses[0][0] is not variants[0]:
            homes = ", ".join(find_config_tag(type(kind)) for kind, _ in uses)
            flag = replace(flag, help=f"{flag.help} ({homes})")
        if any(use.hint != flag.hint for _, use in uses):
            flag = replace(flag, hint=strip_ranges(flag.hint))
        yield flag


def strip_ranges(hint: Any) -> Any:
    return getattr(hint, "__origin__", hint) if hasattr(hint, "__metadata__") else hint


def list_other_types(hint: Any, current: type) -> list[type]:
    """The other config types that a field of several may have."""
    types_ = [c for c in get_args(hint) if isinstance(c, type) and dataclasses.is_dataclass(c)]
    return [c for c in types_ if c is not current]


@cache
def read_field_docs(cls: type) -> dict[str, str]:
    """The docstring below each field of a dataclass, by name, where source is available."""
    docs = dict.fromkeys((f.name for f in dataclasses.fields(cls)), "")
    try:
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    except (OSError, TypeError):
        return docs
    assert isinstance(body, ast.ClassDef)
    for field, below in zip(body.body, body.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                value=ast.Constant(value=str(doc))
            ):
                docs[name] = " ".join(doc.split())
    return docs


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
