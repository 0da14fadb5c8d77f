"""A cascade: samples of one model, enlarged by another (arXiv:2106.15282)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from smalti.core.conditions import find_picture_condition
from smalti.core.drawing import DrawnPictures, draw_in_batches
from smalti.core.errors import UserError
from smalti.core.progress import OnProgress
from smalti.core.sampling_inputs import SamplingInputs
from smalti.diffusion import DiffusionConfig
from smalti.tasks.inputs import SelectedModel, select_model


@dataclass(frozen=True)
class Upscaler:
    """A model conditioned on a picture, and the sizes that it draws one after another."""

    selected: SelectedModel
    sizes: tuple[tuple[int, int] | None, ...]
    """None for the model's own."""

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the results."""
        return self.sizes[-1]

    def enlarge(
        self,
        pictures: Tensor,
        seeds: Sequence[int],
        classes: list[str] | None,
        text: list[str] | None,
        *,
        batch_size: int,
        gif: bool,
        on_progress: OnProgress,
    ) -> DrawnPictures:
        """Enlarge pictures (n, C, H, W); classes and captions are passed on if it takes them."""
        spec = self.selected.spec
        labels = None
        if classes and set(classes) <= {*spec.classes}:
            labels = torch.tensor([spec.classes.index(name) for name in classes])
        drawn = DrawnPictures(pictures, ())
        for size in self.sizes:
            inputs = SamplingInputs(
                labels=labels,
                text=text if "text" in spec.accepted_inputs else None,
                picture=drawn.pictures,
                size=size,
            )
            drawn = draw_in_batches(
                self.selected.model,
                seeds,
                inputs,
                batch_size=batch_size,
                gif=gif,
                on_progress=on_progress,
            )
        return drawn


def plan_sizes(
    start: tuple[int, int], target: tuple[int, int], factor: float
) -> tuple[tuple[int, int], ...]:
    """The sizes from `start` (not included) to `target`, each at most `factor` times the last."""
    sizes = [target]
    while factor > 1 and any(
        side > factor * own for side, own in zip(sizes[0], start, strict=True)
    ):
        h, w = (
            max(own, math.ceil(side / factor)) for side, own in zip(sizes[0], start, strict=True)
        )
        sizes.insert(0, (h, w))
    return tuple(sizes)


def read_factor(model: object) -> float:
    """By how much a model of low resolution enlarges in training; inf for others."""
    config = getattr(model, "config", None)
    picture = getattr(config, "picture", None)
    if (
        not isinstance(config, DiffusionConfig)
        or getattr(picture, "source", "") != "low-resolution"
    ):
        return math.inf
    assert picture is not None
    return min(own / low for own, low in zip(config.shape[1:], picture.shape[1:], strict=True))


def open_upscaler(
    model: object, base: SelectedModel, size: int | tuple[int, int] | None, device: str = "auto"
) -> Upscaler:
    """Open the model that enlarges the samples of another one.

    size: height and width of the results; None for its own. Larger ones than it is trained for are
    reached in several steps. UserError if it takes no pictures as a condition, or pictures of other
    channels.
    """
    selected = select_model(model, device)
    if find_picture_condition(selected.spec.conditions) is None:
        raise UserError(
            f"{selected.name} takes no picture as a condition, so it cannot enlarge any; train one "
            "with `smalti train ddpm --picture low-resolution`"
        )
    if selected.spec.channels != base.spec.channels:
        raise UserError(
            f"{selected.name} has pictures of {selected.spec.channels} channels, but {base.name} "
            f"of {base.spec.channels}; give a model of the same pictures"
        )
    target = selected.check_size(size)
    if target is None:
        return Upscaler(selected, (None,))
    return Upscaler(
        selected, plan_sizes(base.spec.size or target, target, read_factor(selected.model))
    )
