"""sample and stream: the one way to draw from any model."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from smalti.core.errors import UserError
from smalti.core.given import Given
from smalti.core.protocols import Generative
from smalti.core.rng import Rng

Cond = Tensor | Sequence[int] | Sequence[str] | int | str


def stream(
    model: Generative,
    n: int | None = None,
    *,
    seeds: Sequence[int] | None = None,
    cond: Cond | None = None,
    given: Given | None = None,
    sampler: Any = None,
) -> Iterator:
    """The states of n samples, from the first to the last; `model.render(state)` shows one.

    seeds: one per sample, 0 .. n-1 by default; sample i depends on seed i alone.
    cond: shorthand for `given`: integers are classes, strings are text (one for all, or one each),
    a (n, C, H, W) tensor is a condition picture. Raises UserError for what the model does not take.
    """
    seeds = chosen_seeds(n, seeds)
    given = with_cond(given or Given(), cond, len(seeds))
    for field in dataclasses.fields(given):
        if getattr(given, field.name) is not None and field.name not in model.spec.given:
            raise UserError(
                f"{field.name} is given, but this model takes "
                f"{', '.join(model.spec.given) or 'nothing'}; leave it out"
            )
    if sampler is not None and not isinstance(sampler, model.spec.samplers):
        known = ", ".join(s.__name__ for s in model.spec.samplers) or "no sampler"
        raise UserError(f"sampler {type(sampler).__name__} is not this model's; it takes {known}")
    return model.stream(Rng(seeds), given, sampler)


def sample(
    model: Generative,
    n: int | None = None,
    *,
    seeds: Sequence[int] | None = None,
    cond: Cond | None = None,
    given: Given | None = None,
    sampler: Any = None,
    progress: bool = False,
) -> Tensor | list[str]:
    """n samples: pictures (n, C, H, W) in [0, 1], or sentences. Arguments as `stream` has them."""
    states = stream(model, n, seeds=seeds, cond=cond, given=given, sampler=sampler)
    if progress:
        from rich.progress import track

        states = track(states, "sampling", total=None, transient=True)
    (last,) = deque(states, maxlen=1)
    return model.render(last)


def chosen_seeds(n: int | None, seeds: Sequence[int] | None) -> list[int]:
    if seeds is None:
        if n is None or n < 1:
            raise UserError(f"n is {n}; ask for 1 sample or more, or give seeds")
        return list(range(n))
    if not len(seeds) or (n is not None and n != len(seeds)):
        raise UserError(f"{len(seeds)} seeds are given for n={n}; give one seed per sample")
    return [int(seed) for seed in seeds]


def with_cond(given: Given, cond: Cond | None, n: int) -> Given:
    if cond is None:
        return given
    if isinstance(cond, str):
        return dataclasses.replace(given, text=[cond] * n)
    if isinstance(cond, int):
        cond = [cond] * n
    if isinstance(cond, Tensor):
        field = "picture" if cond.ndim == 4 else "labels"
        return dataclasses.replace(given, **{field: cond})
    if all(isinstance(c, str) for c in cond):
        return dataclasses.replace(given, text=list(cond))
    return dataclasses.replace(given, labels=torch.as_tensor(cond))
