"""Tensors of what users hold: NumPy arrays, PIL pictures, numbers, and lists of all these.

Bytes mean levels: uint8 and PIL pictures are 0 to 255, and are divided by 255 where pictures in
[0, 1] are wanted.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from smalti.core.errors import UserError, shorten


def to_tensor(value: object, name: str) -> Tensor:
    """A tensor as it is; an array, a PIL picture (C, H, W), or a list of these, stacked, as one.

    UserError, which calls it `name`, for anything else.
    """
    if isinstance(value, Tensor):
        return value
    try:
        if isinstance(value, Image.Image):
            return torch.from_numpy(to_levels(value))
        if isinstance(value, (list, tuple)) and value and not isinstance(value[0], (int, float)):
            return torch.stack([to_tensor(one, f"{name}[{k}]") for k, one in enumerate(value)])
        if isinstance(value, str) or value is None:
            raise TypeError
        array = np.asarray(value)
        return torch.from_numpy(np.ascontiguousarray(array).copy())
    except UserError:
        raise
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise UserError(f"{name} is {shorten(value)}; give a tensor or a NumPy array") from error


def to_levels(picture: Image.Image) -> np.ndarray:
    """uint8 (C, H, W) of a PIL picture: gray as it is, anything else as RGB."""
    array = np.array(picture if picture.mode == "L" else picture.convert("RGB"))
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1).copy()


def to_pictures(value: object, name: str) -> Tensor:
    """Floats (n, C, H, W) in [0, 1] of what `to_tensor` takes; one PIL picture is n = 1.

    UserError, which calls them `name`, for another type or shape, and for values outside.
    """
    x = to_float_pictures(value, name)
    has = "have" if name.endswith("s") else "has"
    if x.isnan().any():
        raise UserError(f"{name} {has} NaN in them, which no picture has; give numbers in 0 to 1")
    if x.numel() and not (x.min() >= 0 and x.max() <= 1):
        ends = f"{float(x.min()):.4g} to {float(x.max()):.4g}"
        raise UserError(f"{name} {has} values from {ends}; give pictures in 0 to 1")
    return x


def to_float_pictures(value: object, name: str) -> Tensor:
    """As `to_pictures`, of any values: where they are used they are looked at."""
    x = to_tensor([value] if isinstance(value, Image.Image) else value, name)
    has = "have" if name.endswith("s") else "has"
    if x.dtype == torch.uint8:
        x = x.float() / 255
    if not x.is_floating_point():
        raise UserError(f"{name} {has} numbers of {x.dtype}; give floats in 0 to 1, or uint8")
    if x.ndim != 4 or is_channels_last(x):
        raise UserError(
            f"{name} {has} shape {tuple(x.shape)}; give (n, C, H, W){suggest_conversion(x)}"
        )
    return x


def is_channels_last(x: Tensor) -> bool:
    """Whether pictures (..., a, b, c) can hardly be anything but (..., H, W, C)."""
    return x.ndim >= 3 and x.shape[-1] in (1, 3, 4) and min(x.shape[-3:-1]) >= 8


def suggest_conversion(x: Tensor) -> str:
    """How a picture of another shape becomes (n, C, H, W), as far as one can tell."""
    moved = f".permute({'2, 0, 1' if x.ndim == 3 else '0, 3, 1, 2'})" if is_channels_last(x) else ""
    alone = "[None]" if x.ndim == 3 else ""
    return f", as x{moved}{alone} is of a tensor x" if moved or alone else ""
