"""sample and stream: the one way to draw from any model."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from smalti.core.changes import change_config, convert_type
from smalti.core.config import TAGS, coerce_value, format_class_path
from smalti.core.errors import UserError, shorten
from smalti.core.messages import format_count, suggest_name
from smalti.core.model import open_model
from smalti.core.protocols import GenerativeModel, HasSpec, Sampler, SamplingState, Spec
from smalti.core.ranges import SampleCount, Seed
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs

CondValue = Tensor | Sequence[int] | Sequence[str] | int | str
Cond = CondValue | Mapping[str, CondValue]


def stream(
    model: GenerativeModel | str | Path,
    n: int | None = None,
    *,
    seeds: Sequence[int] | None = None,
    cond: Cond | None = None,
    inputs: SamplingInputs | None = None,
    sampler: Sampler | str | None = None,
) -> Iterator:
    """The states of n samples, from the first to the last; `model.render(state)` shows one.

    model: one that draws, or the name or folder of one.
    n: as many as `cond` lists when neither it nor seeds are given.
    seeds: one per sample, 0 .. n-1 by default; sample i depends on seed i alone, up to rounding.
    cond: shorthand for `inputs`, one for all or one each: integers are classes; strings are text, or
    the names of classes, as the model has it, and "none" is no class; a mapping tells several
    conditions by name; a (n, C, H, W) tensor is a condition picture.
    sampler: one of the model's, such as `DDIM(steps=20)`, or its name ("ddim") for its defaults.
    Raises UserError for what the model does not take.
    """
    drawer = open_model(model, "draw")
    seeds = choose_seeds(count_conditions(cond) if n is None and seeds is None else n, seeds)
    inputs = merge_cond(inputs or SamplingInputs(), cond, len(seeds), drawer.spec)
    accepted = drawer.spec.accepted_inputs
    for field in dataclasses.fields(inputs):
        value = getattr(inputs, field.name)
        if field.name != "conditions" and value is not None and field.name not in accepted:
            raise UserError(
                f"{field.name} is given, but this model takes "
                f"{', '.join(accepted) or 'nothing'}; leave it out"
            )
    return drawer.stream(Rng(seeds), inputs, find_sampler(sampler, drawer))


def sample(
    model: GenerativeModel | str | Path,
    n: int | None = None,
    *,
    seeds: Sequence[int] | None = None,
    cond: Cond | None = None,
    inputs: SamplingInputs | None = None,
    sampler: Sampler | str | None = None,
    show_progress: bool = False,
) -> Tensor | list[str]:
    """n samples: pictures (n, C, H, W) in [0, 1], or sentences. Arguments as `stream` has them.

    UserError where pictures come out that hold NaN.
    """
    drawer = open_model(model, "draw")
    states = stream(drawer, n, seeds=seeds, cond=cond, inputs=inputs, sampler=sampler)
    if show_progress:
        from rich.progress import track

        states = track(states, "sampling", total=None, transient=True)
    (last,) = deque(states, maxlen=1)
    return render_finite(drawer, last)


def find_sampler(sampler: object, model: HasSpec) -> Sampler:
    """A sampler of the model's types, or the one of that name. None, its own way, stays None.

    Of a mapping, the model's own with some fields changed: {"steps": 8}; {"sampler": "ddpm"} is
    another kind, which keeps the fields that both have. UserError, with the names of those that
    the model takes, for any other.
    """
    kinds = {find_type_name(type(own)): own for own in model.spec.samplers}
    if isinstance(sampler, Mapping) and kinds:
        fields, own = {**sampler}, model.spec.samplers[0]
        if (name := fields.pop("sampler", None)) is not None:
            own = convert_type(own, type(find_sampler(name, model)))
        return change_config(own, fields, "sampler")
    if sampler is None or any(type(sampler) is type(own) for own in kinds.values()):
        return sampler
    if isinstance(sampler, type):
        raise UserError(f"sampler is the class {sampler.__name__}; give {sampler.__name__}()")
    if not isinstance(sampler, str):
        wanted = f"it takes {', '.join(kinds) or 'none'}"
    elif sampler in kinds:
        return kinds[sampler]
    else:
        wanted = suggest_name(sampler, kinds)
    raise UserError(f"sampler {shorten(sampler)} is not this model's; {wanted}")


def find_type_name(cls: type) -> str:
    """The tag of a config's type, or of one without a tag the type's own name."""
    return next(
        (tag for tag, place in TAGS.items() if place == format_class_path(cls)), cls.__name__
    )


def render_finite(model: GenerativeModel, state: SamplingState) -> Tensor | list[str]:
    """What a last state shows. UserError where it is no picture: NaN or infinite numbers."""
    rendered = model.render(state)
    if isinstance(rendered, Tensor):
        check_finite_pictures(rendered)
    return rendered


def check_finite_pictures(pictures: Tensor) -> None:
    """UserError unless all numbers of pictures that a model made (n, ...) are finite."""
    if len(bad := (~pictures.flatten(1).isfinite().all(1)).nonzero()):
        n = format_count(len(bad), "picture is", "pictures are")
        raise UserError(
            f"{n} not finite, of {len(pictures)}: the model's weights or the sampler's numbers are "
            "beyond what it can calculate with; use an earlier step, or the sampler's defaults"
        )


def count_conditions(cond: Cond | None) -> int | None:
    """How many conditions are listed; None where one stands for all, or there is none."""
    if isinstance(cond, Mapping):
        return next(
            (n for value in cond.values() if (n := count_conditions(value)) is not None), None
        )
    if isinstance(cond, Tensor):
        return len(cond) if cond.ndim else None
    return len(cond) if isinstance(cond, list | tuple) else None


def choose_seeds(n: int | None, seeds: Sequence[int] | None) -> list[int]:
    if isinstance(seeds, (np.ndarray, Tensor)):
        seeds = seeds.tolist()
    if seeds is None:
        if n is None:
            raise UserError("n is None; ask for 1 sample or more, or give seeds")
        return list(range(coerce_value(n, SampleCount, "n")))
    if isinstance(seeds, str) or not isinstance(seeds, Sequence):
        raise UserError(f"seeds is {shorten(seeds)}; give a list, one whole number per sample")
    if not len(seeds) or (n is not None and n != len(seeds)):
        raise UserError(f"{len(seeds)} seeds are given for n={n}; give one seed per sample")
    return [coerce_value(seed, Seed, "seed") for seed in seeds]


def merge_cond(inputs: SamplingInputs, cond: Cond | None, n: int, spec: Spec) -> SamplingInputs:
    """What is given, and what `cond` is short for, of n samples."""
    if cond is None:
        return inputs
    if isinstance(cond, Mapping):
        told = {name: expand_value(value, n) for name, value in cond.items()}
        return dataclasses.replace(inputs, conditions={**inputs.conditions, **told})
    value = expand_value(cond, n)
    if isinstance(value, list):
        if (name := find_text_condition(spec)) == "text":
            return dataclasses.replace(inputs, text=value)
        return dataclasses.replace(inputs, conditions={**inputs.conditions, name: value})
    return dataclasses.replace(inputs, **{"picture" if value.ndim == 4 else "labels": value})


def find_text_condition(spec: Spec) -> str:
    """The one condition that strings tell. UserError where there are several."""
    names = [c.name for c in spec.conditions]
    if len(names) > 1:
        example = ", ".join(f'"{name}": ...' for name in names)
        raise UserError(
            f"cond is text, which does not say what of {', '.join(names)}; give a mapping, "
            f"{{{example}}}, or Given(conditions=...)"
        )
    return names[0] if names else "text"


def expand_value(value: object, n: int) -> Tensor | list[str]:
    """One value for n samples, or n values, as a condition has them."""
    if isinstance(value, str):
        return [value] * n
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Integral) and not isinstance(value, bool):
        value = [int(value)] * n
    if isinstance(value, list | tuple) and value and all(isinstance(one, str) for one in value):
        return [str(one) for one in value]
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"cond is {shorten(value)}; give whole numbers, text, or pictures (n, C, H, W)"
        ) from error
