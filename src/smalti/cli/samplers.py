"""Options of samplers, as the models that are named list them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from cyclopts import App, Group

from smalti.cli import VERBS
from smalti.cli.dynamic_verb import make_dynamic_verb
from smalti.cli.flags import Flag, Flags, add_flags, list_variant_flags
from smalti.cli.options import list_option_names
from smalti.core.config import SAMPLER_TAGS, find_config_class
from smalti.core.errors import UserError

INHERITED = ("clip", "guidance")
"""Fields of a sampler that fills holes which are as in the model's own unless told otherwise."""


def make_model_verb(
    name: str, command: Callable[..., Any], *, fills: bool = False, about: Any, **flag_sets: Flags
) -> App:
    """A verb with the options of the samplers of the models that are named, as `sampler`.

    fills: of samplers that fill holes, not of the others. about: usage and examples of its App.
    """

    def choose_command(words: Sequence[str]) -> tuple[Callable[..., Any], str]:
        draws = not fills or has_other_options(command, words)
        sampler = make_sampler_flags(words, fills) if draws else Flags((), Group("Sampler"))
        return add_flags(command, **flag_sets, sampler=sampler), VERBS[name][1]

    return make_dynamic_verb(name, choose_command, **about)


def has_other_options(command: Callable[..., Any], words: Sequence[str]) -> bool:
    """Whether a model is named, or an option that the command itself does not have."""
    own = inspect.signature(command).parameters.values()
    names = {name for p in own for name in list_option_names(p.name, p.annotation)} - {"--model"}
    return any(word.startswith("-") and word.split("=")[0] not in names for word in words)


def make_sampler_flags(words: Sequence[str] = (), fills: bool = False) -> Flags:
    """The options of all samplers of the models among these words.

    Those of every family stand beside them, without being shown unless no model is named: which of
    them a model does not take is told when it is there.
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
    help = "The way from noise to picture."
    flags = [*list_variant_flags([*reversed(kinds.values())], "sampler", help, "")]
    return [replace(f, default=None) if fills and f.name in INHERITED else f for f in flags]


def find_samplers(word: str) -> tuple[Any, ...]:
    """Those of a model, the model's own first; none where the word names no model."""
    if word.startswith("-"):
        return ()
    from smalti.core.checkpoint import (  # PatchMatch needs no PyTorch
        build_model,
        find_checkpoint,
        read_model_config,
    )

    try:
        directory = find_checkpoint(word)
        model = build_model(read_model_config(directory), directory, "meta")
    except (UserError, OSError, ValueError):  # the verb itself says what is wrong with it
        return ()
    return getattr(getattr(model, "spec", None), "samplers", ())
