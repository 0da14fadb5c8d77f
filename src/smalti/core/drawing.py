"""Draw many pictures in batches, with frames for a GIF."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.core.protocols import GenerativeModel, Sampler, SamplingState
from smalti.core.sampling import check_finite_pictures, stream
from smalti.core.sampling_inputs import SamplingInputs
from smalti.core.short_repr import add_short_repr

MAX_FRAMES = 60
"""Maximum frames of a GIF; of more steps, a subset is shown."""
MAX_GIF_PICTURES = 64
"""Maximum pictures in a GIF."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class DrawnPictures:
    """Samples, and the states of their sampling."""

    pictures: Tensor
    """(N, C, H, W) in [0, 1], on the CPU."""
    frames: tuple[Tensor, ...] = ()
    """Frames of the first pictures, (at most MAX_GIF_PICTURES, C, H, W) each."""


def draw_in_batches(
    model: GenerativeModel,
    seeds: Sequence[int],
    inputs: SamplingInputs = SamplingInputs(),
    sampler: Sampler | None = None,
    *,
    batch_size: int = 64,
    gif: bool = False,
    on_progress: OnProgress = ignore_event,
) -> DrawnPictures:
    """Draw one picture per seed, `batch_size` at a time; the conditions in `inputs` are (N, ...).

    gif: keep frames, too.  Raises UserError as `smalti.sample` does.
    """
    pictures: list[Tensor] = []
    clips: list[list[Tensor]] = []
    for first in range(0, len(seeds), batch_size):
        rows = slice(first, first + batch_size)
        shown = max(0, MAX_GIF_PICTURES - first) if gif else 0
        frames: list[Tensor] = []
        states = stream(model, seeds=seeds[rows], inputs=select_rows(inputs, rows), sampler=sampler)
        state = None
        for state in states:
            where = f"{state.unit} {state.step}/{state.steps}"
            render = partial(render_pictures, model, state)
            on_progress(Progress("drawing", first, len(seeds), where, render))
            if gif and is_frame(state):
                frames.append(render_pictures(model, state)[:shown])
        assert state is not None
        check_finite_pictures(last := render_pictures(model, state))
        pictures.append(last)
        clips.append([*frames, last[:shown]])
        on_progress(Progress("drawing", first + len(last), len(seeds)))
    return DrawnPictures(torch.cat(pictures), tuple(join_frames(clips)) if gif else ())


def is_frame(state: SamplingState) -> bool:
    """Whether a GIF shows the state; the last state is always added."""
    return state.step % max(1, state.steps // MAX_FRAMES) == 0 and state.step != state.steps


def render_pictures(model: GenerativeModel, state: SamplingState) -> Tensor:
    rendered = model.render(state)
    assert isinstance(rendered, Tensor)
    return rendered.cpu()


def select_rows(inputs: SamplingInputs, rows: slice) -> SamplingInputs:
    """Select the conditions of some of the samples."""
    values = {f.name: getattr(inputs, f.name) for f in dataclasses.fields(inputs)}
    cut = {k: v[rows] for k, v in values.items() if isinstance(v, (Tensor, list))}
    if inputs.mask is not None and inputs.mask.ndim == 2:  # one for all
        cut["mask"] = inputs.mask
    conditions = {name: value[rows] for name, value in inputs.conditions.items()}
    return dataclasses.replace(inputs, **cut, conditions=conditions)


def join_frames(clips: list[list[Tensor]]) -> Iterator[Tensor]:
    """Concatenate the frames of all batches, step by step."""
    for frames in zip(*clips, strict=True):
        yield torch.cat(frames)
