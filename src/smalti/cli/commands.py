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

from smalti.cli.meter import ProgressMeter
from smalti.cli.options import Classes, Size, Switch, Texts, split_words

USUAL: dict[str, Any] = {"out": Path | None, "config": Path | None, "size": Size, "crop": Size,
                         "classes": Classes, "text": Texts}  # fmt: skip
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
    home: str = "",
    fixed: Given = MappingProxyType({}),
    **types: Any,
) -> Callable[..., None]:
    """The command that runs a task, shows how far it is, and then its result.

    Parameters before the task's `*` are the command's words, those behind it are its options.
    show: called with the result and the arguments by name, `seconds` among them.
    needs: what the command cannot go without, though the task can.  home: where results go, into
    a folder called as the first word, unless `out` says otherwise.  fixed: arguments that are no
    options.  types: what the command line takes some of them as.
    """
    signature = inspect.signature(task, eval_str=True)
    text = inspect.getdoc(task) or ""
    helps = {name: " ".join(words.split()) for name, words in DOCUMENTED.findall(text)}
    taken = {**USUAL, **types}
    options = [
        as_option(p, taken.get(name, p.annotation), helps.get(name, ""), name in needs)
        for name, p in signature.parameters.items()
        if name != "on_progress" and name not in fixed
    ]
    own = inspect.Signature(options)

    def command(*words: Any, **options: Any) -> None:
        given, begun = own.bind(*words, **options), time.perf_counter()
        given.apply_defaults()
        given.arguments.update(read_alike(given.arguments))
        if home and not given.arguments["out"]:
            given.arguments["out"] = Path(home) / name_results(given.args[0])
        with ProgressMeter() as meter:
            result = task(*given.args, **given.kwargs, **fixed, on_progress=meter)
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
    if "device" in given:
        from smalti.cli.draw import chosen_device  # PatchMatch needs no PyTorch

        found["device"] = chosen_device(given["device"])
    return found


def name_results(word: Any) -> str:
    """What results are called that are made of a picture, or by a model."""
    return word.stem if isinstance(word, Path) else os.path.basename(os.path.abspath(word))


def as_option(argument: Argument, hint: Any, help: str, is_needed: bool) -> Argument:
    """A parameter of a task as one of the command."""
    is_word = argument.kind is Argument.POSITIONAL_OR_KEYWORD
    own_help = any(p.help for p in getattr(hint, "__metadata__", ()) if isinstance(p, Parameter))
    extra = Parameter() if own_help else Parameter(help=help[:1].upper() + help[1:])
    return argument.replace(
        kind=Argument.POSITIONAL_ONLY if is_word else argument.kind,
        annotation=Annotated[Switch if hint is bool else hint, extra],
        default=Argument.empty if is_needed else argument.default,
    )
