"""Conditions and other inputs of sampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from smalti.core.errors import UserError, shorten
from smalti.core.short_repr import add_short_repr
from smalti.core.tensors import to_float_pictures, to_tensor

CONVERTERS = {
    "labels": to_tensor,
    "picture": to_float_pictures,
    "known": to_float_pictures,
    "mask": to_tensor,
    "initial_noise": to_tensor,
}


@dataclass(frozen=True, eq=False)
@add_short_repr
class SamplingInputs:
    """Inputs of n samples; a model's spec lists the fields that it accepts, others stay None.

    NumPy arrays become tensors; PIL pictures and uint8 are divided by 255 (`core/tensors.py`).
    """

    labels: Tensor | None = None
    """(n,) integers: classes; shorthand for conditions["class"]."""
    text: list[str] | None = None
    """n sentences; shorthand for conditions["text"]."""
    picture: Tensor | None = None
    """(n, C, H, W) in [0, 1]: a picture to start from, or a model's one picture condition."""
    strength: float | None = None
    """Fraction of the sampler's steps to run on that picture, up to 1 (SDEdit)."""
    known: Tensor | None = None
    """(n, C, H, W) in [0, 1]: known values, kept where `mask` is false."""
    mask: Tensor | None = None
    """Booleans, true where to fill in: (H, W), (n, 1, H, W) or (n, C, H, W)."""
    initial_noise: Tensor | None = None
    """x_T, the initial noise of diffusion."""
    size: tuple[int, int] | None = None
    """Height and width, for models with free size."""
    conditions: Mapping[str, Tensor | list[str]] = field(default_factory=dict)
    """Other conditions by name: (n,) integers, n value names, n texts, or n pictures."""

    def __post_init__(self) -> None:
        for name, convert in CONVERTERS.items():
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, convert(value, name))
        if self.labels is not None and self.labels.dtype == torch.bool:
            raise UserError("labels are of torch.bool; give integers")
        if self.text is not None and not is_text_list(self.text):
            raise UserError(f"text is {shorten(self.text)}; give a list of sentences")
        conditions = {
            k: v if is_text_list(v) else to_tensor(v, k) for k, v in self.conditions.items()
        }
        object.__setattr__(self, "conditions", conditions)


Given = SamplingInputs  # its former name


def is_text_list(value: object) -> bool:
    """Whether this is a list of strings."""
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)


def read_known_and_mask(
    inputs: SamplingInputs, shape: Sequence[int]
) -> tuple[Tensor, Tensor] | None:
    """Return `known` and `mask` of n pictures, both of `shape` (n, C, H, W); None without them.

    UserError if one is missing or invalid.
    """
    known, mask, (n, C, H, W) = inputs.known, inputs.mask, shape
    if known is None and mask is None:
        return None
    if known is None or mask is None:
        raise UserError("completion needs known pictures and a mask; give both")
    check_pictures("known", known, shape)
    if mask.dtype != torch.bool:
        raise UserError(f"mask is of {mask.dtype}; give booleans, true where to fill in")
    if tuple(mask.shape) not in ((H, W), (n, 1, H, W), (n, C, H, W)):
        raise UserError(
            f"mask has shape {tuple(mask.shape)}; give {(H, W)}, {(n, 1, H, W)} or {(n, C, H, W)}"
        )
    return known, mask.expand(n, C, H, W)


def check_pictures(name: str, pictures: Tensor, shape: Sequence[int]) -> None:
    """UserError unless the pictures have this shape and are in [0, 1]."""
    check_shape(name, pictures, shape)
    if not (pictures.min() >= 0 and pictures.max() <= 1):
        raise UserError(
            f"{name} has values from {pictures.min():.4g} to {pictures.max():.4g}; "
            "give pictures in 0 to 1"
        )


def check_shape(name: str, tensor: Tensor, expected_shape: Sequence[int]) -> None:
    if tuple(tensor.shape) != tuple(expected_shape):
        raise UserError(f"{name} has shape {tuple(tensor.shape)}; expected {tuple(expected_shape)}")
