"""What several processes that train one model tell each other; alone, nothing."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor


def is_distributed() -> bool:
    """Whether there are others."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def sum_over_processes(value: Tensor) -> Tensor:
    """The sum over all processes, in place."""
    if is_distributed():
        dist.all_reduce(value)
    return value


def broadcast_from_first(value: Tensor) -> Tensor:
    """The first process's value, in place."""
    if is_distributed():
        dist.broadcast(value, src=0)
    return value
