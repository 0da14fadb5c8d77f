"""Options of samplers, as the models that are named list them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from cyclopts import App, Group

from smalti.cli import VERBS
from smalti.cli.flags import Flag, Flags, flags_of_kinds, with_flags
from smalti.cli.late import choose_late
from smalti.cli.options import option_names
from smalti.core.config import SAMPLERS, class_of
from smalti.core.errors import UserError

OWN = ("clip", "guidance")
"""Fields of a sampler that fills holes which are as in the model's own unless told otherwise."""


def verb_of_models(
    name: str, command: Callable[..., Any], *, fills: bool = False, about: Any, **sets: Flags
) -> App:
    """A verb with the options of the samplers of the models that are named, as `sampler`.

    fills: of samplers that fill holes, not of the others. about: usage and examples of its App.
    """

    def choose(words: Sequence[str]) -> tuple[Callable[..., Any], str]:
        draws = not fills or asks_beyond(command, words)
        sampler = sampler_flags(words, fills) if draws else Flags((), Group("Sampler"))
        return with_flags(command, **sets, sampler=sampler), VERBS[name][1]

    return choose_late(name, choose, **about)


def asks_beyond(command: Callable[..., Any], words: Sequence[str]) -> bool:
    """Whether a model is named, or an option that the command itself does not have."""
    own = inspect.signature(command).parameters.values()
    names = {name for p in own for name in option_names(p.name, p.annotation)} - {"--model"}
    return any(word.startswith("-") and word.split("=")[0] not in names for word in words)


def sampler_flags(words: Sequence[str] = (), fills: bool = False) -> Flags:
    """The options of all samplers of the models among these words.

    Those of every family stand beside them, without being shown unless no model is named: which of
    them a model does not take is told when it is there.
    """
    named = [sampler for word in words for sampler in samplers_of(word)]
    all_ = [class_of(tag)() for tag in SAMPLERS]
    flags = {flag.name: flag for flag in flags_of_samplers(named or all_, fills)}
    for flag in flags_of_samplers(all_, fills):
        flags.setdefault(flag.name, replace(flag, shown=False))
    left_out = "Guidance and clipping are" if fills else "What is left out is"
    group = Group("Sampler", help=f"{left_out} the model's own.", sort_key=2)
    return Flags(tuple(flags.values()), group, show_default=bool(named) or fills)


def flags_of_samplers(samplers: list[Any], fills: bool) -> list[Flag]:
    kinds = {type(s): s for s in reversed(samplers) if getattr(s, "fills", False) == fills}
    if not kinds:
        return []
    help = "The way from noise to picture."
    flags = [*flags_of_kinds([*reversed(kinds.values())], "sampler", help, "")]
    return [replace(f, default=None) if fills and f.name in OWN else f for f in flags]


def samplers_of(word: str) -> tuple[Any, ...]:
    """Those of a model, the model's own first; none where the word names no model."""
    if word.startswith("-"):
        return ()
    from smalti.core.checkpoint import build, find, model_config  # PatchMatch needs no PyTorch

    try:
        directory = find(word)
        model = build(model_config(directory), directory, "meta")
    except (UserError, OSError, ValueError):  # the verb itself says what is wrong with it
        return ()
    return getattr(getattr(model, "spec", None), "samplers", ())
