"""Temporary eval mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def eval_mode(module: nn.Module) -> Iterator[None]:
    """Switch to eval mode inside the block, and restore all modules' modes afterwards."""
    parts = [module]
    for part in parts:  # `modules()` also composes names, which takes three times as long
        parts.extend(part.children())
    training = [part for part in parts if part.training]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True
