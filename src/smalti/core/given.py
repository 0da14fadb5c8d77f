"""What a sample may be conditioned on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from smalti.core.errors import UserError, shorten

TENSORS = ("labels", "picture", "known", "mask", "start")


@dataclass(frozen=True, eq=False)
class Given:
    """Conditions of n samples; a model's spec names the fields it takes, the rest stay None."""

    labels: Tensor | None = None
    """(n,) integers: classes."""
    text: list[str] | None = None
    """n sentences."""
    picture: Tensor | None = None
    """(n, C, H, W) in [0, 1]: a condition picture."""
    strength: float | None = None
    """How far from that picture, up to 1: the share of the sampler's steps that are walked."""
    known: Tensor | None = None
    """(n, C, H, W) in [0, 1]: these values are kept ..."""
    mask: Tensor | None = None
    """... and what is true here is filled in: (H, W), (n, 1, H, W) or (n, C, H, W)."""
    start: Tensor | None = None
    """x_T, the noise that diffusion starts from."""
    size: tuple[int, int] | None = None
    """Height and width, for models of free size."""

    def __post_init__(self) -> None:
        for name in TENSORS:
            value = getattr(self, name)
            if value is not None and not isinstance(value, Tensor):
                raise UserError(f"{name} is {shorten(value)}; give a tensor")
        if self.labels is not None and self.labels.dtype == torch.bool:
            raise UserError("labels are of torch.bool; give whole numbers")
        text = self.text
        if isinstance(text, str) or not all(isinstance(one, str) for one in text or ()):
            raise UserError(f"text is {shorten(text)}; give a list of sentences")
