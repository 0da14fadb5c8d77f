"""Another model's weights, rearranged for a model with other conditions or channels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from smalti.core.config import find_config_tag
from smalti.core.errors import UserError
from smalti.layers.caption import CaptionConfig
from smalti.layers.condition_encoder import ConditionConfigs

Column = tuple[str, str | int | None]
"""What a number of a condition vector is: the condition's name, and its value, None for "none"."""
N = TypeVar("N")
C = TypeVar("C")
FAMILIES = {
    "diffusion": "a diffusion model",
    "autoregressive": "an autoregressive model",
    "vqvae": "a VQ-VAE",
    "vqgan": "a VQGAN",
    "kl-autoencoder": "an autoencoder",
    "translator": "a translator",
    "classifier": "a classifier",
    "segmentation": "a codec of label maps",
}
"""What a model is, by its config's tag."""


def require_family(start: object, config: object, *classes: type[C]) -> C:
    """Return `start`, the config of another model, if its class is one of these.

    UserError for another family than that of `config`.
    """
    if isinstance(start, classes):
        return start
    given, wanted = (FAMILIES.get(find_config_tag(type(c)), "a model") for c in (start, config))
    raise UserError(f"start is {given}, but this recipe trains {wanted}; give one, or leave it out")


def list_columns(conditions: ConditionConfigs, reserve_none: bool) -> tuple[Column, ...]:
    """What each number of a `ConditionEncoder`'s vector is; captions count their numbers."""
    columns: list[Column] = []
    for c in conditions:
        if isinstance(c, CaptionConfig):
            columns += [(c.name, k) for k in range(c.width)]
        else:
            columns += [(c.name, value) for value in (*c.values, *([None] * reserve_none))]
    return tuple(columns)


def find_neutral_columns(
    w: Tensor, columns: Sequence[Column], knows_none: bool
) -> dict[str, Tensor]:
    """The column (F,) of w (F, D) that stands for no value of each choice.

    That is the column of "none", or the mean of all values if the model was never trained with it.
    """
    found: dict[str, Tensor] = {}
    for name in dict.fromkeys(name for name, value in columns if not isinstance(value, int)):
        own = [k for k, (n, value) in enumerate(columns) if n == name and value is not None]
        none = [k for k, column in enumerate(columns) if column == (name, None)]
        found[name] = w[:, none if none and knows_none else own].mean(dim=1)
    return found


def match_columns(
    w: Tensor, before: Sequence[Column], after: Sequence[Column], neutral: Mapping[str, Tensor]
) -> Tensor:
    """Arrange the columns `before` of w (F, D) as the columns `after`.

    A value that is new begins as its condition's neutral column, a condition that is new as 0, so
    that the network's function stays as it was.
    """
    places = {column: k for k, column in enumerate(before)}
    zero = w.new_zeros(len(w))
    columns = [
        w[:, places[column]] if column in places else neutral.get(column[0], zero)
        for column in after
    ]
    return torch.stack(columns, dim=1)


def describe_new_columns(before: Sequence[Column], after: Sequence[Column]) -> tuple[str, ...]:
    """Describe conditions and values that the start does not have: "2 of 3 values of class"."""
    notes: list[str] = []
    for name in dict.fromkeys(name for name, _ in after):
        own = [c for c in after if c[0] == name and c[1] is not None]
        new = [c for c in own if c not in before]
        if new:
            is_choice = isinstance(own[0][1], str)
            notes.append(f"{len(new)} of {len(own)} values of {name}" if is_choice else name)
    return tuple(notes)


def convert_channels(
    weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], before: int, after: int
) -> dict[str, Tensor]:
    """Convert convolutions between gray and colored pictures, where shapes differ by that alone.

    weights and expected: by name. Channels may be split by a space-to-depth of any factor. Input
    weights of a color are a third of gray's, gray's are the sum of the colors'; outputs are equal
    for every color, and gray's their mean: so gray pictures are seen and made as before.
    """
    if {before, after} != {1, 3}:
        return {}
    found: dict[str, Tensor] = {}
    for name, w in weights.items():
        if name not in expected or w.shape == expected[name].shape:
            continue
        for dim in range(min(2, w.ndim)):
            if w.ndim not in (1, 4) or w.shape[dim] * after != expected[name].shape[dim] * before:
                continue
            converted = convert_dimension(w, dim, before, after)
            if converted.shape == expected[name].shape:
                found[name] = converted
    return found


def convert_dimension(w: Tensor, dim: int, before: int, after: int) -> Tensor:
    """Convert inputs (dim 1) or outputs (dim 0) of a convolution, or its bias; see above."""
    parts = w.unflatten(dim, (before, -1))  # space-to-depth keeps each channel's numbers together
    is_input = dim == 1
    if after > before:
        sizes = [-1] * parts.ndim
        sizes[dim] = after
        return (parts.expand(sizes) / (after if is_input else 1)).flatten(dim, dim + 1)
    return parts.sum(dim) if is_input else parts.mean(dim)


def replace_fields(config: N, **values: object) -> N:
    """Copy a config with these fields changed, but those that its type does not have."""
    names = {field.name for field in dataclasses.fields(config)}  # pyright: ignore
    changes = {name: value for name, value in values.items() if name in names}
    return dataclasses.replace(config, **changes)  # pyright: ignore
