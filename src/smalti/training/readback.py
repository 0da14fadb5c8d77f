"""The numbers of steps, on their way from the device."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor


class StepResult(NamedTuple):
    """A step, and what it came to."""

    step: int
    """From 1."""
    terms: dict[str, float]
    """Of its loss, and the gradient's norm."""
    learning_rate: float


class PendingStep(NamedTuple):
    """The numbers of a step that are not read yet."""

    step: int
    learning_rate: float
    names: list[str]
    values: Tensor
    """On the CPU, or on their way there."""
    arrival: torch.cuda.Event | None
    """None when they are there."""


class Readback:
    """Steps' numbers in order. A GPU copies them while it works; only reading waits for them."""

    def __init__(self) -> None:
        self.pending: deque[PendingStep] = deque()

    def push(self, step: int, learning_rate: float, names: list[str], values: Tensor) -> None:
        """The numbers (one for each name) of the step that the device was just asked for."""
        self.pending.append(PendingStep(step, learning_rate, names, *copy_to_cpu(values)))

    def pop(self, in_flight: int = 0) -> Iterator[StepResult]:
        """All but the last `in_flight` steps."""
        while len(self.pending) > in_flight:
            due = self.pending.popleft()
            if due.arrival is not None:
                due.arrival.synchronize()
            numbers = dict(zip(due.names, due.values.tolist(), strict=True))
            yield StepResult(due.step, numbers, due.learning_rate)

    def clear(self) -> None:
        self.pending.clear()


def copy_to_cpu(values: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
    """A copy on the CPU, and the event of its arrival."""
    if values.device.type != "cuda":
        return values, None
    home = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    home.copy_(values, non_blocking=True)
    arrival = torch.cuda.Event()
    arrival.record()
    return home, arrival
