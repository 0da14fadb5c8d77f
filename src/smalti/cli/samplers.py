"""The sampler options of the models named on the command line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any

from cyclopts import App, Group

from smalti.cli import VERBS
from smalti.cli.dynamic_verb import make_dynamic_verb
from smalti.cli.flags import Flags, add_flags
from smalti.cli.help_layout import OPTIONS
from smalti.cli.options import list_option_names, split_words
from smalti.core.config import SAMPLER_TAGS, find_config_class
from smalti.core.config_flags import Flag, format_option, list_variant_flags
from smalti.core.errors import UserError

INHERITED = ("clip", "guidance")
"""Fields whose default an inpainting sampler takes from the model's own sampler."""


def make_model_verb(
    name: str,
    command: Callable[..., Any],
    *,
    fills: bool = False,
    takes_conditions: bool = False,
    about: Any,
    **flag_sets: Flags,
) -> App:
    """A verb with the sampler options of the models that are named.

    fills: whether to list samplers that inpaint, or the others.
    takes_conditions: whether the models' conditions are options, too, such as --style.
    about: usage and examples of the App.
    """

    def choose_command(words: Sequence[str]) -> tuple[Callable[..., Any], str]:
        draws = not fills or has_other_options(command, words)
        sampler = make_sampler_flags(words, fills) if draws else Flags((), Group("Sampler"))
        if not takes_conditions:
            return add_flags(command, **flag_sets, sampler=sampler), VERBS[name][1]
        flags = make_condition_flags(command, words, {flag.option for flag in sampler.flags})
        whole = add_flags(merge_conditions(command), **flag_sets, sampler=sampler, chosen=flags)
        return whole, VERBS[name][1]

    return make_dynamic_verb(name, choose_command, **about)


def make_condition_flags(
    command: Callable[..., Any], words: Sequence[str], others: Collection[str]
) -> Flags:
    """The choices of the models among these words, but the class, which all verbs know.

    others: options of other flags. A condition of the same name has `--condition` alone.
    """
    own = inspect.signature(command).parameters.values()
    taken = {name for p in own for name in list_option_names(p.name, p.annotation)} | {*others}
    specs = [spec for word in words if (spec := find_spec(word))]
    choices = {c.name: c for spec in specs for c in spec.conditions if c.values}
    flags = (
        Flag(c.name, str, f"One of {shorten_list(c.values)}.", None)
        for c in choices.values()
        if c.name != "class" and format_option(c.name) not in taken and c.name.isidentifier()
    )
    return Flags(tuple(flags), OPTIONS)


def shorten_list(values: Sequence[str]) -> str:
    return ", ".join(values[:4]) + ", ..." * (len(values) > 4)


def merge_conditions(command: Callable[..., Any]) -> Callable[..., Any]:
    """`command` with these options passed on as its conditions, NAME=VALUE."""

    @wraps(command)
    def run(*words: Any, chosen: dict[str, str], **options: Any) -> Any:
        own = [f"{name}={one}" for name, value in chosen.items() for one in split_words([value])]
        if own:
            options["conditions"] = (*options.get("conditions", ()), *own)
        return command(*words, **options)

    return run


def has_other_options(command: Callable[..., Any], words: Sequence[str]) -> bool:
    """Whether a model is named, or an option that is not the command's own."""
    own = inspect.signature(command).parameters.values()
    names = {name for p in own for name in list_option_names(p.name, p.annotation)} - {"--model"}
    return any(word.startswith("-") and word.split("=")[0] not in names for word in words)


def make_sampler_flags(words: Sequence[str] = (), fills: bool = False) -> Flags:
    """The options of all samplers of the models among these words.

    The options of every other family are accepted but hidden, so that the error can say that this
    model does not take them.
    """
    named = [sampler for word in words for sampler in find_samplers(word)]
    all_ = [find_config_class(tag)() for tag in SAMPLER_TAGS]
    flags = {flag.name: flag for flag in list_sampler_flags(named or all_, fills)}
    for flag in list_sampler_flags(all_, fills):
        flags.setdefault(flag.name, replace(flag, visible=False))
    group = Group("Sampler", help="Defaults: the model's.", sort_key=2)
    return Flags(tuple(flags.values()), group, show_default=bool(named) or fills)


def list_sampler_flags(samplers: list[Any], fills: bool) -> list[Flag]:
    kinds = {type(s): s for s in reversed(samplers) if getattr(s, "fills_holes", False) == fills}
    if not kinds:
        return []
    help = "Sampling algorithm."
    flags = [*list_variant_flags([*reversed(kinds.values())], "sampler", help, "")]
    return [replace(f, default=None) if fills and f.name in INHERITED else f for f in flags]


def find_samplers(word: str) -> tuple[Any, ...]:
    """A model's samplers, its default first; none where the word names no model."""
    return getattr(find_spec(word), "samplers", ())


def find_spec(word: str) -> Any:
    """A model's spec; None where the word names no model."""
    if word.startswith("-"):
        return None
    from smalti.core.checkpoint import (  # PatchMatch needs no PyTorch
        build_model,
        find_checkpoint,
        read_model_config,
    )

    try:
        directory = find_checkpoint(word)
        model = build_model(read_model_config(directory), directory, "meta")
    except (UserError, OSError, ValueError):  # the command itself reports it
        return None
    return getattr(model, "spec", None)
