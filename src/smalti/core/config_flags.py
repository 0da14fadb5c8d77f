"""Fields of configs as options: of the command line, and of the forms of a page."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from smalti.core.config import collect_hints, find_config_tag

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ALIASES = {"learning_rate": ("--learning-rate", "--lr")}
"""Other names of fields; errors use the last."""
DOCUMENTED_PARAMETER = re.compile(r"^(\w+): (.*(?:\n(?!\w+: |\n).+)*)", re.MULTILINE)
"""A parameter in a docstring: its name, and the text up to the next one or an empty line."""
END_OF_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z(`])")


def take_first_sentence(text: str) -> str:
    """The first sentence of a description, which is an option's help."""
    return END_OF_SENTENCE.split(" ".join(text.split()), maxsplit=1)[0]


def read_parameter_docs(task: Callable[..., Any]) -> dict[str, str]:
    """The descriptions of a task's parameters, by name, from its docstring."""
    found = DOCUMENTED_PARAMETER.findall(inspect.getdoc(task) or "")
    return {name: " ".join(words.split()) for name, words in found}


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


def list_flags(config: DataclassInstance, prefix: str = "") -> Iterator[Flag]:
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


def strip_ranges(hint: object) -> object:
    return getattr(hint, "__origin__", hint) if hasattr(hint, "__metadata__") else hint


def list_other_types(hint: object, current: type) -> list[type]:
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
