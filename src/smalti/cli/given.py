"""Pictures that a verb is given: read as the model's own are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from smalti.core.protocols import Spec
from smalti.data.decode import look_of
from smalti.data.single import read_file

BACKGROUND = "white"


def read_pictures(paths: Sequence[Path], spec: Spec, size: tuple[int, int] | None) -> Tensor:
    """(n, C, H, W) in [0, 1], of the model's channels, cropped and resized to `size` or to its own.

    Raises UserError, naming the file, for what is no picture.
    """
    return torch.stack([read_one(path, spec.channels, size or spec.size) for path in paths])


def read_one(path: Path, channels: int, size: tuple[int, int] | None) -> Tensor:
    """(C, H, W) in [0, 1]."""
    look = look_of(size, "grey" if channels == 1 else "rgb", BACKGROUND, crop=True)
    levels = torch.from_numpy(read_file(path, look)).float() / 255
    return levels.expand(channels, -1, -1)  # grey pictures come with one channel
