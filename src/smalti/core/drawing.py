"""Drawing many pictures, some at a time, with what they look like on the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from smalti.core.brief import brief
from smalti.core.given import Given
from smalti.core.progress import OnProgress, Progress, ignore
from smalti.core.protocols import Generative, Sampler, State
from smalti.core.sampling import check_finite, stream

FRAMES = 60
"""Most frames of a film: longer walks are thinned out."""
FILMED = 64
"""Most pictures in a film."""


@dataclass(frozen=True, eq=False)
@brief
class Drawn:
    """Samples, and how they came about."""

    pictures: Tensor
    """(N, C, H, W) in [0, 1], on the CPU."""
    frames: tuple[Tensor, ...] = ()
    """The first of them, (at most FILMED, C, H, W) each, from noise to picture."""


def draw_batches(
    model: Generative,
    seeds: Sequence[int],
    given: Given = Given(),
    sampler: Sampler | None = None,
    *,
    batch: int = 64,
    film: bool = False,
    on_progress: OnProgress = ignore,
) -> Drawn:
    """One picture per seed, `batch` at a time; the conditions in `given` are (N, ...).

    film: keep frames, too.  UserError as `smalti.sample` raises it.
    """
    pictures: list[Tensor] = []
    films: list[list[Tensor]] = []
    for first in range(0, len(seeds), batch):
        rows = slice(first, first + batch)
        shown = max(0, FILMED - first) if film else 0
        frames: list[Tensor] = []
        states = stream(model, seeds=seeds[rows], given=pick_rows(given, rows), sampler=sampler)
        state = None
        for state in states:
            where = f"{state.unit} {state.step}/{state.steps}"
            on_progress(Progress("drawing", first, len(seeds), where))
            if film and is_frame(state):
                frames.append(show(model, state)[:shown])
        assert state is not None
        check_finite(last := show(model, state))
        pictures.append(last)
        films.append([*frames, last[:shown]])
        on_progress(Progress("drawing", first + len(last), len(seeds)))
    return Drawn(torch.cat(pictures), tuple(join_films(films)) if film else ())


def is_frame(state: State) -> bool:
    """Whether a film shows the state; the last one always comes beside these."""
    return state.step % max(1, state.steps // FRAMES) == 0 and state.step != state.steps


def show(model: Generative, state: State) -> Tensor:
    rendered = model.render(state)
    assert isinstance(rendered, Tensor)
    return rendered.cpu()


def pick_rows(given: Given, rows: slice) -> Given:
    """The conditions of some of the samples."""
    values = {f.name: getattr(given, f.name) for f in dataclasses.fields(given)}
    cut = {k: v[rows] for k, v in values.items() if isinstance(v, (Tensor, list))}
    if given.mask is not None and given.mask.ndim == 2:  # one for all
        cut["mask"] = given.mask
    conditions = {name: value[rows] for name, value in given.conditions.items()}
    return dataclasses.replace(given, **cut, conditions=conditions)


def join_films(films: list[list[Tensor]]) -> Iterator[Tensor]:
    """The frames of all batches side by side, in time."""
    for frames in zip(*films, strict=True):
        yield torch.cat(frames)
