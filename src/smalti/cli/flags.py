"""Config fields as command-line options, and options back into a config."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import textwrap
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from cyclopts import Group, Parameter

from smalti.core.config import class_of, fitted, hints_of, tag_of
from smalti.core.errors import UserError
from smalti.core.ranges import OutOfRange

Path = tuple[str, ...]
YES, NO = ("yes", "y", "true", "t", "1"), ("no", "n", "false", "f", "0")
TRUTHS = {word: word in YES for word in (*YES, *NO)}
Name = Callable[[Path], str]


@dataclass(frozen=True)
class Flag:
    """One option: a field of a config, or of a config inside it."""

    path: Path
    """Field names from the outermost config inwards."""
    hint: Any
    """The field's type; for a config of several types, a Literal of their tags."""
    help: str
    default: Any
    full: Any = None
    """The field's type with its ranges."""
    home: str | None = None
    """The tags of the types that have the field, where the one chosen now has it not."""


def flags_of(config: Any, path: Path = (), home: str | None = None) -> Iterator[Flag]:
    """Every field of a config as a flag, those of configs inside it too.

    Where a field takes several types of config, the type is a flag, by its tag, and the fields of
    the types that are not chosen follow, with their `home`.
    """
    hints, full = typing.get_type_hints(type(config)), hints_of(type(config))
    docs = field_docs(type(config))
    for field in dataclasses.fields(config):
        value, place = getattr(config, field.name), (*path, field.name)
        if value is None and alternatives(hints[field.name], type(None)):
            continue  # a part that is left out has no options
        if not dataclasses.is_dataclass(value):
            yield Flag(place, hints[field.name], docs[field.name], value, full[field.name], home)
            continue
        others = alternatives(hints[field.name], type(value))
        if others:
            tags = Literal[tuple(tag_of(c) for c in (type(value), *others))]  # type: ignore[valid-type]
            yield Flag(place, tags, docs[field.name], tag_of(type(value)), tags, home)
        kinds = [type(value), *others]
        seen = [of_all(flag, kinds, len(place)) for flag in flags_of(value, place, home)]
        yield from seen
        for other in others:
            known = {flag.path for flag in seen}
            new = [f for f in flags_of(other(), place) if f.path not in known]
            new = [replace(f, home=tags_with(f.path[len(place)], others)) for f in new]
            new = [of_all(flag, kinds, len(place)) for flag in new]
            yield from new
            seen += new


def of_all(flag: Flag, kinds: list[type], depth: int) -> Flag:
    """The flag without a range where the types that have its field differ in it: their own check
    comes later.
    """
    name = flag.path[depth]
    full = [hints_of(kind)[name] for kind in kinds if name in hints_of(kind)]
    if len(flag.path) == depth + 1 and any(hint != full[0] for hint in full):
        return replace(flag, full=flag.hint)
    return flag


def tags_with(name: str, types_: list[type]) -> str:
    """The tags of the types that have a field of this name."""
    return ", ".join(tag_of(c) for c in types_ if name in {f.name for f in dataclasses.fields(c)})


def alternatives(hint: Any, chosen: type) -> list[type]:
    """The other config types that a field may have."""
    if get_origin(hint) not in (Union, types.UnionType):
        return []
    types_ = [c for c in get_args(hint) if isinstance(c, type) and dataclasses.is_dataclass(c)]
    return [c for c in types_ if c is not chosen]


@cache
def field_docs(cls: type) -> dict[str, str]:
    """The line below each field of a dataclass, by the field's name."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(body, ast.ClassDef)
    docs = dict.fromkeys((f.name for f in dataclasses.fields(cls)), "")
    for field, below in zip(body.body, body.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                value=ast.Constant(value=str(doc))
            ):
                docs[name] = " ".join(doc.split())
    return docs


def parameter(
    flag: Flag, name: str | tuple[str, ...], group: Group, show_default: bool = True
) -> Any:
    """The annotation of a command's parameter for this flag; unset, it is None."""
    several = holds_tuple(flag.hint)
    hint = tuple[str, ...] if several else flag.full
    home = f" ({flag.home})" if flag.home else ""
    shown = shown_value(flag.default)
    return Annotated[
        hint | None,
        Parameter(
            name=name,
            help=flag.help + home,
            group=group,
            consume_multiple=several or None,
            show_default=(lambda _: shown) if show_default and shown else False,
            negative_iterable=(),
            metavar=metavar(flag.hint),
        ),
    ]


def metavar(hint: Any) -> str | None:
    if not holds_tuple(hint):
        return None
    words = [str(w) for h in get_args(hint) if get_origin(h) is Literal for w in get_args(h)]
    return "|".join([*words, "LIST"])


def holds_tuple(hint: Any) -> bool:
    return get_origin(hint) is tuple or any(get_origin(h) is tuple for h in get_args(hint))


def shown_value(value: Any) -> str:
    if value is None:
        return ""
    return " ".join(map(shown_value, value)) if isinstance(value, tuple) else str(value)


def with_flags(
    command: Callable[..., Any], **sets: dict[str, tuple[Flag, Any]]
) -> Callable[..., Any]:
    """`command`, whose parameter `k` for each of `sets` is a dict, as a function of single options.

    sets: {k: {option: (flag, annotation)}}; `command` gets k={path: value} of the options given.
    """
    signature = inspect.signature(command, eval_str=True)
    own = [p for p in signature.parameters.values() if p.name not in sets]
    flat = {
        f"{k}{i}": (k, option, flag, annotation)
        for k, flags in sets.items()
        for i, (option, (flag, annotation)) in enumerate(flags.items())
    }

    def flattened(*args: Any, **given: Any) -> Any:
        values: dict[str, dict[Path, Any]] = {k: {} for k in sets}
        for name, (k, option, flag, _) in flat.items():
            if (value := given.pop(name, None)) is not None:
                values[k][flag.path] = read(value, flag, option)
        return command(*args, **given, **values)

    kind = inspect.Parameter.KEYWORD_ONLY
    extra = [inspect.Parameter(n, kind, default=None, annotation=a) for n, (*_, a) in flat.items()]
    parameters = [*own, *extra]
    flattened.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flattened.__annotations__ = {p.name: p.annotation for p in parameters}
    flattened.__doc__, flattened.__name__ = command.__doc__, command.__name__
    return flattened


def read(value: Any, flag: Flag, option: str) -> Any:
    """An option's value as the field's type wants it: words become a tuple, or one word itself."""
    if not holds_tuple(flag.hint):
        return fitted(value, flag.full, option)
    words = [word for words in value for word in words.replace(",", " ").split()]
    value_of = truth_or_word if bool in get_args(flag.hint) else json_or_word
    attempts: list[Any] = [[value_of(word) for word in words]]
    for attempt in [*attempts, *(words if len(words) == 1 else [])]:
        try:
            return fitted(attempt, flag.full, option)
        except OutOfRange:
            raise
        except UserError:
            continue
    raise UserError(f"{option} is {' '.join(words) or 'empty'!r}; {wanted(flag)}")


def wanted(flag: Flag) -> str:
    """What an option takes, where its value is none of it."""
    if bool in get_args(flag.hint):
        return "give yes or no for each level, such as: no yes"
    return flag.help


def truth_or_word(word: str) -> bool | str:
    """A list takes the words that a single option takes."""
    return TRUTHS.get(word.lower(), word)


def json_or_word(word: str) -> Any:
    try:
        return json.loads(word.lower())
    except ValueError:
        return word


def apply(config: Any, values: dict[Path, Any], option: Name, path: Path = ()) -> Any:
    """`config` with the fields in `values` replaced, those of configs inside it too.

    A config changed to another type keeps the fields that both types have. option: the option's
    name of a path, for the UserError about a field that the chosen type does not have.
    """
    changed: dict[str, Any] = {}
    names = [f.name for f in dataclasses.fields(config)]
    for place in values:
        if place[: len(path)] == path and len(place) > len(path) and place[len(path)] not in names:
            kind = f"{option(path)} is {tag_of(type(config))}"
            raise UserError(f"{option(place)} is given, but {kind}, which has {', '.join(names)}")
    for name in names:
        place, value = (*path, name), getattr(config, name)
        if dataclasses.is_dataclass(value):
            if place in values:
                value = retyped(value, class_of(values[place]))
            changed[name] = apply(value, values, option, place)
        elif place in values:
            changed[name] = values[place]
    try:
        return dataclasses.replace(config, **changed)
    except UserError:
        raise
    except ValueError as error:  # a config's own complaint
        raise UserError(str(error)) from error


def retyped(config: Any, cls: type) -> Any:
    if isinstance(config, cls):
        return config
    shared = {f.name for f in dataclasses.fields(cls)} & {
        f.name for f in dataclasses.fields(config)
    }
    return cls(**{name: getattr(config, name) for name in shared})
