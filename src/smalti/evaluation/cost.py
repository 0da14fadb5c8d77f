"""Cost of a sample: forwards of the network, and parameters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


class ForwardCounter:
    """Counts pictures passed through a network."""

    def __init__(self) -> None:
        self.count = 0


@contextmanager
def count_forwards(model: object) -> Iterator[ForwardCounter | None]:
    """Count pictures passed through `model.network` while entered; None without a network.

    A batch that guidance doubles counts twice.
    """
    network = getattr(model, "network", None)
    if not isinstance(network, nn.Module):
        yield None
        return
    counter = ForwardCounter()

    def count_batch(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if inputs and isinstance(inputs[0], Tensor):
            counter.count += len(inputs[0])

    hook = network.register_forward_pre_hook(count_batch)
    try:
        yield counter
    finally:
        hook.remove()


def count_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())
