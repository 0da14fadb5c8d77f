"""What several processes that train one model tell each other; alone, nothing."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor


def together() -> bool:
    """Whether there are others."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def summed(value: Tensor) -> Tensor:
    """The sum over all processes, in place."""
    if together():
        dist.all_reduce(value)
    return value


def from_first(value: Tensor) -> Tensor:
    """The first process's value, in place."""
    if together():
        dist.broadcast(value, src=0)
    return value
