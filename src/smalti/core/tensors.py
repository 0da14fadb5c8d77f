"""Convert NumPy arrays, PIL pictures, numbers, and lists of these to tensors.

uint8 arrays and PIL pictures have levels 0 to 255; they are divided by 255 where pictures in
[0, 1] are expected.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from smalti.core.errors import UserError, shorten


def to_tensor(value: object, name: str) -> Tensor:
    """Convert an array, a PIL picture (C, H, W), or a list of these (stacked) to a tensor.

    UserError, which names `name`, for anything else.
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
    """Convert a PIL picture to uint8 (C, H, W): gray pictures to C = 1, others to RGB."""
    array = np.array(picture if picture.mode == "L" else picture.convert("RGB"))
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1).copy()


def to_pictures(value: object, name: str) -> Tensor:
    """Convert what `to_tensor` takes to floats (n, C, H, W) in [0, 1]; one PIL picture is n = 1.

    UserError, which names `name`, for another type or shape, and for values out of range.
    """
    x = to_float_pictures(value, name)
    has = "have" if name.endswith("s") else "has"
    if x.isnan().any():
        raise UserError(f"{name} {has} NaN values; give pictures in 0 to 1")
    if x.numel() and not (x.min() >= 0 and x.max() <= 1):
        ends = f"{float(x.min()):.4g} to {float(x.max()):.4g}"
        raise UserError(f"{name} {has} values from {ends}; give pictures in 0 to 1")
    return x


def to_float_pictures(value: object, name: str) -> Tensor:
    """As `to_pictures`, without checking the range, which is checked on use."""
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
    """Whether the shape (..., a, b, c) is most likely (..., H, W, C)."""
    return x.ndim >= 3 and x.shape[-1] in (1, 3, 4) and min(x.shape[-3:-1]) >= 8


def suggest_conversion(x: Tensor) -> str:
    """Suggest how to convert a picture to (n, C, H, W); empty if unknown."""
    moved = f".permute({'2, 0, 1' if x.ndim == 3 else '0, 3, 1, 2'})" if is_channels_last(x) else ""
    alone = "[None]" if x.ndim == 3 else ""
    return f", such as x{moved}{alone} for a tensor x" if moved or alone else ""
