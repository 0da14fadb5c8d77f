"""sample and stream: draw samples from any model."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    """Yield the states of n samples, from the first to the last; `model.render(state)` shows one.

    model: a generative model, its name or its folder.
    n: number of samples; default is the number of seeds, or of conditions in `cond`.
    seeds: one per sample, default 0 .. n-1; sample i depends only on seed i, up to rounding.
    cond: shorthand for `inputs`, one value for all samples or one each: integers are classes;
    strings are captions or class names, depending on the model, and "none" is unconditional; a
    mapping gives several conditions by name; a (n, C, H, W) tensor is a condition picture.
    sampler: one of the model's types, such as `DDIM(steps=20)`, or its name ("ddim").
    Raises UserError for arguments that the model does not accept.
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
    """Draw n samples: pictures (n, C, H, W) in [0, 1], or sentences. Arguments as in `stream`.

    UserError if pictures contain NaN.
    """
    drawer = open_model(model, "draw")
    states = stream(drawer, n, seeds=seeds, cond=cond, inputs=inputs, sampler=sampler)
    if show_progress:
        from rich.progress import track

        states = track(states, "sampling", total=None, transient=True)
    (last,) = deque(states, maxlen=1)
    return render_finite(drawer, last)


def find_sampler(sampler: object, model: HasSpec) -> Sampler:
    """Return a sampler of the model's types, given itself or by name. None stays None.

    A mapping changes fields of the model's default sampler: {"steps": 8}; {"sampler": "ddpm"}
    selects another type, which keeps the fields that both have; a field of a sampler that extends
    the default one selects that: {"seamless": True}. UserError, with the names of the accepted
    samplers, for any other.
    """
    kinds = {find_type_name(type(one)): one for one in model.spec.samplers}
    if isinstance(sampler, Mapping) and kinds:
        fields, native = {**sampler}, model.spec.samplers[0]
        if (name := fields.pop("sampler", None)) is not None:
            native = convert_type(native, type(find_sampler(name, model)))
        elif extensions := list_extensions(native, fields, model.spec.samplers):
            native = convert_type(native, type(extensions[0]))
        return change_config(native, fields, "sampler")
    if sampler is None or any(type(sampler) is type(one) for one in kinds.values()):
        return sampler
    if isinstance(sampler, type):
        raise UserError(f"sampler is the class {sampler.__name__}; give {sampler.__name__}()")
    if not isinstance(sampler, str):
        hint = f"it takes {', '.join(kinds) or 'none'}"
    elif sampler in kinds:
        return kinds[sampler]
    else:
        hint = suggest_name(sampler, kinds)
    raise UserError(f"sampler {shorten(sampler)} is not this model's; {hint}")


def list_extensions(
    native: Sampler, fields: Iterable[str], samplers: Sequence[Sampler]
) -> list[Sampler]:
    """List the samplers that extend the type of `native` by one of these fields."""
    added = {name for name in fields if not hasattr(native, name)}
    return [
        one
        for one in samplers
        if isinstance(one, type(native)) and any(hasattr(one, name) for name in added)
    ]


def find_type_name(cls: type) -> str:
    """Find the tag of a config's type, or else the type's name."""
    return next((tag for tag, path in TAGS.items() if path == format_class_path(cls)), cls.__name__)


def render_finite(model: GenerativeModel, state: SamplingState) -> Tensor | list[str]:
    """Render a last state. UserError for NaN or infinite pictures."""
    rendered = model.render(state)
    if isinstance(rendered, Tensor):
        check_finite_pictures(rendered)
    return rendered


def check_finite_pictures(pictures: Tensor) -> None:
    """UserError unless all numbers of generated pictures (n, ...) are finite."""
    if len(bad := (~pictures.flatten(1).isfinite().all(1)).nonzero()):
        n = format_count(len(bad), "picture is", "pictures are")
        raise UserError(
            f"{n} not finite, of {len(pictures)}: the model's weights or the sampler's numbers are "
            "too large; use an earlier step, or the sampler's defaults"
        )


def count_conditions(cond: Cond | None) -> int | None:
    """Count the listed conditions; None if there is one for all samples, or none."""
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
            raise UserError("n is None; give 1 or more, or give seeds")
        return list(range(coerce_value(n, SampleCount, "n")))
    if isinstance(seeds, str) or not isinstance(seeds, Sequence):
        raise UserError(f"seeds is {shorten(seeds)}; give a list, one integer per sample")
    if not len(seeds) or (n is not None and n != len(seeds)):
        raise UserError(f"{len(seeds)} seeds are given for n={n}; give one seed per sample")
    return [coerce_value(seed, Seed, "seed") for seed in seeds]


def merge_cond(inputs: SamplingInputs, cond: Cond | None, n: int, spec: Spec) -> SamplingInputs:
    """Merge `cond` into the inputs of n samples."""
    if cond is None:
        return inputs
    if isinstance(cond, Mapping):
        conditions = {name: expand_value(value, n) for name, value in cond.items()}
        return dataclasses.replace(inputs, conditions={**inputs.conditions, **conditions})
    value = expand_value(cond, n)
    if isinstance(value, list):
        if (name := find_text_condition(spec)) == "text":
            return dataclasses.replace(inputs, text=value)
        return dataclasses.replace(inputs, conditions={**inputs.conditions, name: value})
    return dataclasses.replace(inputs, **{"picture" if value.ndim == 4 else "labels": value})


def find_text_condition(spec: Spec) -> str:
    """Find the condition that strings set. UserError if there are several."""
    names = [c.name for c in spec.conditions]
    if len(names) > 1:
        example = ", ".join(f'"{name}": ...' for name in names)
        raise UserError(
            f"cond is text, which may be any of {', '.join(names)}; give a mapping, "
            f"{{{example}}}, or SamplingInputs(conditions=...)"
        )
    return names[0] if names else "text"


def expand_value(value: object, n: int) -> Tensor | list[str]:
    """Expand one value to n samples, or convert n values."""
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
            f"cond is {shorten(value)}; give integers, text, or pictures (n, C, H, W)"
        ) from error
