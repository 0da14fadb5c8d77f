"""Verbs made from tasks: parameters become options, the docstring becomes their help."""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable, Collection, Mapping
from inspect import Parameter as Argument
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from cyclopts import Parameter

from smalti.cli.options import (
    Classes,
    Conditions,
    Count,
    Size,
    Switch,
    Texts,
    parse_conditions,
    parse_device,
    split_words,
)
from smalti.cli.progress_bar import ProgressBar
from smalti.core.config_flags import read_parameter_docs, take_first_sentence

COMMON_TYPES: dict[str, Any] = {
    "out": Path | None, "config": Path | None, "mask": Path | None, "size": Size, "crop": Size,
    "model": str, "data": str | None, "n": Count, "classes": Classes, "text": Texts,
    "conditions": Conditions, "picture_data": str | None,
}  # fmt: skip
"""Types of these parameters on the command line."""
METAVARS = {
    "data": "PATH",
    "picture_data": "PATH",
    "device": "DEVICE",
    "background": "COLOR",
    "model": "MODEL",
}
"""What help calls the values of these parameters, whose type is str."""
CommandArguments = Mapping[str, Any]
"""The arguments of a command, by name."""


def make_command(
    task: Callable[..., Any],
    print_result: Callable[[Any, CommandArguments], None],
    *,
    required: Collection[str] = (),
    keyword_only: Collection[str] = (),
    results_root: str = "",
    fixed: CommandArguments = MappingProxyType({}),
    progress_bar: Callable[[], Any] = ProgressBar,
    **types: Any,
) -> Callable[..., None]:
    """The command that runs a task, shows its progress and prints the result.

    Positional parameters of the task become arguments, keyword-only ones become options.
    print_result: called with the result and the arguments by name, with `seconds`.
    required: parameters that the command requires, though the task has a default.
    keyword_only: positional parameters that become options.
    results_root: default parent of `out`; the folder is named after the first argument.
    fixed: arguments that are not options. progress_bar: makes the callback that shows progress.
    types: types of parameters on the command line, where they differ from the task's.
    """
    signature = inspect.signature(task, eval_str=True)
    text = inspect.getdoc(task) or ""
    helps = read_parameter_docs(task)
    option_types = {**COMMON_TYPES, **types}
    options = [
        make_option(
            p.replace(kind=Argument.KEYWORD_ONLY) if name in keyword_only else p,
            option_types.get(name, p.annotation),
            helps.get(name, ""),
            name in required,
        )
        for name, p in signature.parameters.items()
        if name != "on_progress" and name not in fixed
    ]
    command_signature = inspect.Signature(options)
    rest = next((p.name for p in options if p.kind is Argument.VAR_KEYWORD), "")

    def command(*words: Any, **options: Any) -> None:
        options |= options.pop(rest, {})
        bound, begun = command_signature.bind(*words, **options), time.perf_counter()
        bound.apply_defaults()
        bound.arguments.update(parse_common_arguments(bound.arguments))
        if results_root and not bound.arguments["out"]:
            bound.arguments["out"] = Path(results_root) / name_results_folder(bound.args[0])
        with progress_bar() as on_progress:
            result = task(*bound.args, **bound.kwargs, **fixed, on_progress=on_progress)
        print_result(result, {**bound.arguments, "seconds": time.perf_counter() - begun})

    command.__signature__ = command_signature  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in command_signature.parameters.values()}
    command.__doc__ = text.partition("\n\n")[0]
    return command


def parse_common_arguments(arguments: CommandArguments) -> dict[str, Any]:
    """Those of the arguments that mean the same in all commands, as tasks take them."""
    parsed: dict[str, Any] = {}
    if "classes" in arguments:
        parsed["classes"] = split_words(arguments["classes"])
    if "conditions" in arguments:
        parsed["conditions"] = parse_conditions(arguments["conditions"])
    if "metrics" in arguments:
        parsed["metrics"] = split_words(arguments["metrics"] or ()) or None
    if isinstance(arguments.get("data"), tuple):
        paths = arguments["data"]
        parsed["data"] = paths if len(paths) > 1 else paths[0] if paths else None
    if arguments.get("device"):
        parsed["device"] = parse_device(arguments["device"])
    return parsed


def name_results_folder(word: Any) -> str:
    """What results are called that are made of a picture, or by a model."""
    return word.stem if isinstance(word, Path) else os.path.basename(os.path.abspath(word))


def make_option(argument: Argument, hint: Any, help: str, required: bool) -> Argument:
    """A parameter of a task as one of the command."""
    is_word = argument.kind is Argument.POSITIONAL_OR_KEYWORD
    own_help = any(p.help for p in getattr(hint, "__metadata__", ()) if isinstance(p, Parameter))
    help = take_first_sentence(help)
    about: dict[str, Any] = {} if own_help else {"help": help[:1].upper() + help[1:]}
    if hint in (str, str | None) and argument.name in METAVARS:
        about["metavar"] = METAVARS[argument.name]
    either = argument.name == "out"  # PACK, or --out PACK
    return argument.replace(
        kind=Argument.POSITIONAL_ONLY if is_word and not either else argument.kind,
        annotation=Annotated[Switch if hint is bool else hint, Parameter(**about)],
        default=Argument.empty if required else argument.default,
    )
