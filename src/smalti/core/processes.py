"""Communication between the processes that train one model."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor


def is_distributed() -> bool:
    """Whether there are several processes."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def sum_over_processes(value: Tensor) -> Tensor:
    """Sum over all processes, in place."""
    if is_distributed():
        dist.all_reduce(value)
    return value


def broadcast_from_first(value: Tensor) -> Tensor:
    """Broadcast the first process's value, in place."""
    if is_distributed():
        dist.broadcast(value, src=0)
    return value
