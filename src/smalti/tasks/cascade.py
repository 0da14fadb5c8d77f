"""A cascade: samples of one model, enlarged by another (arXiv:2106.15282)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from smalti.core.conditions import find_picture_condition
from smalti.core.drawing import DrawnPictures, draw_in_batches
from smalti.core.errors import UserError
from smalti.core.progress import OnProgress
from smalti.core.sampling_inputs import SamplingInputs
from smalti.tasks.inputs import SelectedModel, select_model


@dataclass(frozen=True)
class Upscaler:
    """A model conditioned on a picture, and the size that it draws."""

    selected: SelectedModel
    size: tuple[int, int] | None
    """None for the model's own."""

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
        inputs = SamplingInputs(
            labels=labels,
            text=text if "text" in spec.accepted_inputs else None,
            picture=pictures,
            size=self.size,
        )
        return draw_in_batches(
            self.selected.model,
            seeds,
            inputs,
            batch_size=batch_size,
            gif=gif,
            on_progress=on_progress,
        )


def open_upscaler(
    model: object, base: SelectedModel, size: int | tuple[int, int] | None, device: str = "auto"
) -> Upscaler:
    """Open the model that enlarges the samples of another one.

    size: height and width of the results; None for its own. UserError if it takes no pictures as a
    condition, or pictures of other channels.
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
    return Upscaler(selected, selected.check_size(size))
