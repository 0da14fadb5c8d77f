"""Verbs made of tasks: a task's parameters are the options, its docstring is their help."""

from __future__ import annotations

import inspect
import os
import re
import time
from collections.abc import Callable, Collection, Mapping
from inspect import Parameter as Argument
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from cyclopts import Parameter

from smalti.cli.meter import Meter
from smalti.cli.options import (
    Classes,
    Conditions,
    Number,
    Size,
    Switch,
    Texts,
    read_conditions,
    read_device,
    split_words,
)

USUAL: dict[str, Any] = {"out": Path | None, "config": Path | None, "size": Size, "crop": Size,
                         "model": str, "number": Number, "data": str | None, "mask": Path | None,
                         "classes": Classes, "text": Texts, "conditions": Conditions}  # fmt: skip
"""What the command line takes these parameters as."""
DOCUMENTED = re.compile(r"^(\w+): (.*(?:\n(?!\w+: |\n).+)*)", re.MULTILINE)
"""A parameter in a docstring: its name, and what it is up to the next one or an empty line."""
Given = Mapping[str, Any]
"""The arguments of a command, by name."""


def as_command(
    task: Callable[..., Any],
    show: Callable[[Any, Given], None],
    *,
    needs: Collection[str] = (),
    named: Collection[str] = (),
    home: str = "",
    fixed: Given = MappingProxyType({}),
    meter: Callable[[], Any] = Meter,
    **types: Any,
) -> Callable[..., None]:
    """The command that runs a task, shows how far it is, and then its result.

    Parameters before the task's `*` are the command's words, those behind it are its options.
    show: called with the result and the arguments by name, `seconds` among them.
    needs: what the command cannot go without, though the task can.  named: parameters before the
    `*` that are options.  home: where results go, into a folder called as the first word, unless
    `out` says otherwise.  fixed: arguments that are no options.  meter: makes what shows progress.
    types: what the command line takes some of them as.
    """
    signature = inspect.signature(task, eval_str=True)
    text = inspect.getdoc(task) or ""
    helps = {name: " ".join(words.split()) for name, words in DOCUMENTED.findall(text)}
    taken = {**USUAL, **types}
    options = [
        as_option(
            p.replace(kind=Argument.KEYWORD_ONLY) if name in named else p,
            taken.get(name, p.annotation),
            helps.get(name, ""),
            name in needs,
        )
        for name, p in signature.parameters.items()
        if name != "on_progress" and name not in fixed
    ]
    own = inspect.Signature(options)
    rest = next((p.name for p in options if p.kind is Argument.VAR_KEYWORD), "")

    def command(*words: Any, **options: Any) -> None:
        options |= options.pop(rest, {})
        given, begun = own.bind(*words, **options), time.perf_counter()
        given.apply_defaults()
        given.arguments.update(read_alike(given.arguments))
        if home and not given.arguments["out"]:
            given.arguments["out"] = Path(home) / name_results(given.args[0])
        with meter() as on_progress:
            result = task(*given.args, **given.kwargs, **fixed, on_progress=on_progress)
        show(result, {**given.arguments, "seconds": time.perf_counter() - begun})

    command.__signature__ = own  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in own.parameters.values()}
    command.__doc__ = DOCUMENTED.split(text)[0]
    return command


def read_alike(given: Given) -> dict[str, Any]:
    """Those of the arguments that mean the same in all commands, as tasks take them."""
    found: dict[str, Any] = {}
    if "classes" in given:
        found["classes"] = split_words(given["classes"])
    if "conditions" in given:
        found["conditions"] = read_conditions(given["conditions"])
    if "metrics" in given:
        found["metrics"] = split_words(given["metrics"] or ()) or None
    if given.get("device"):
        found["device"] = read_device(given["device"])
    return found


def name_results(word: Any) -> str:
    """What results are called that are made of a picture, or by a model."""
    return word.stem if isinstance(word, Path) else os.path.basename(os.path.abspath(word))


def as_option(argument: Argument, hint: Any, help: str, is_needed: bool) -> Argument:
    """A parameter of a task as one of the command."""
    is_word = argument.kind is Argument.POSITIONAL_OR_KEYWORD
    own_help = any(p.help for p in getattr(hint, "__metadata__", ()) if isinstance(p, Parameter))
    extra = Parameter() if own_help else Parameter(help=help[:1].upper() + help[1:])
    either = argument.name == "out"  # PACK, or --out PACK
    return argument.replace(
        kind=Argument.POSITIONAL_ONLY if is_word and not either else argument.kind,
        annotation=Annotated[Switch if hint is bool else hint, extra],
        default=Argument.empty if is_needed else argument.default,
    )
