"""Pictures that a verb is given: read as the model's own are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from smalti.cli.frames import pixels
from smalti.core.errors import UserError
from smalti.core.protocols import Spec
from smalti.data.decode import look_of

BACKGROUND = "white"


def read_pictures(paths: Sequence[Path], spec: Spec, size: tuple[int, int] | None) -> Tensor:
    """(n, C, H, W) in [0, 1], of the model's channels, cropped and resized to `size` or to its own.

    Raises UserError, naming the file, for what is no picture.
    """
    return torch.stack([read_one(path, spec.channels, size or spec.size) for path in paths])


def read_one(path: Path, channels: int, size: tuple[int, int] | None) -> Tensor:
    """(C, H, W) in [0, 1]."""
    look = look_of(size, "grey" if channels == 1 else "rgb", BACKGROUND, crop=True)
    levels = torch.from_numpy(pixels(path, look)).float() / 255
    return levels.expand(channels, -1, -1)  # grey pictures come with one channel


def read_mask(path: Path, picture: Path, size: tuple[int, int]) -> Tensor:
    """(H, W) booleans, true where the mask is lighter than mid-grey: there it is to be filled in.

    Cropped and resized as the picture that it belongs to. UserError when the two differ in size, or
    the mask is all dark.
    """
    as_they_are = look_of(None, "grey", "black", crop=False)
    (h, w), (H, W) = (pixels(p, as_they_are).shape[1:] for p in (path, picture))
    if (h, w) != (H, W):
        raise UserError(
            f"{path} is {h} x {w} pixels and {picture} {H} x {W}; give a mask of the picture's size"
        )
    mask = torch.from_numpy(pixels(path, look_of(size, "grey", "black", crop=True))[0]) > 127
    if not mask.any():
        raise UserError(f"{path} has nothing white in it; paint white what is to be filled in")
    return mask
