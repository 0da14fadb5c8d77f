"""The numbers of steps, on their way from the device."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor


class Done(NamedTuple):
    """A step, and what it came to."""

    step: int
    """From 1."""
    terms: dict[str, float]
    """Of its loss, and the gradient's norm."""
    rate: float


class Due(NamedTuple):
    """The numbers of a step that are not read yet."""

    step: int
    rate: float
    names: list[str]
    values: Tensor
    """On the CPU, or on their way there."""
    arrival: torch.cuda.Event | None
    """None when they are there."""


class Readback:
    """Steps' numbers in order. A GPU copies them while it works; only reading waits for them."""

    def __init__(self) -> None:
        self.due: deque[Due] = deque()

    def push(self, step: int, rate: float, names: list[str], values: Tensor) -> None:
        """The numbers (one for each name) of the step that the device was just asked for."""
        self.due.append(Due(step, rate, names, *sent_home(values)))

    def pop(self, ahead: int = 0) -> Iterator[Done]:
        """All but the last `ahead` steps."""
        while len(self.due) > ahead:
            due = self.due.popleft()
            if due.arrival is not None:
                due.arrival.synchronize()
            numbers = dict(zip(due.names, due.values.tolist(), strict=True))
            yield Done(due.step, numbers, due.rate)

    def clear(self) -> None:
        self.due.clear()


def sent_home(values: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
    """A copy on the CPU, and the event of its arrival."""
    if values.device.type != "cuda":
        return values, None
    home = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    home.copy_(values, non_blocking=True)
    arrival = torch.cuda.Event()
    arrival.record()
    return home, arrival
