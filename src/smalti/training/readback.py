"""Asynchronous copies of step results from the device."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor


class StepResult(NamedTuple):
    """The result of a step."""

    step: int
    """Counted from 1."""
    terms: dict[str, float]
    """Terms of the loss, and the gradient norm."""
    learning_rate: float


class PendingStep(NamedTuple):
    """A step whose results are not read yet."""

    step: int
    learning_rate: float
    names: list[str]
    values: Tensor
    """On the CPU, or being copied there."""
    arrival: torch.cuda.Event | None
    """Set when the copy is complete; None if it already is."""


class Readback:
    """Queue of step results. A GPU copies them while it computes; only `pop` waits."""

    def __init__(self) -> None:
        self.pending: deque[PendingStep] = deque()

    def push(self, step: int, learning_rate: float, names: list[str], values: Tensor) -> None:
        """Queue the results of the step just launched, one value for each name."""
        self.pending.append(PendingStep(step, learning_rate, names, *copy_to_cpu(values)))

    def pop(self, in_flight: int = 0) -> Iterator[StepResult]:
        """Yield the results of all steps but the last `in_flight`."""
        while len(self.pending) > in_flight:
            due = self.pending.popleft()
            if due.arrival is not None:
                due.arrival.synchronize()
            numbers = dict(zip(due.names, due.values.tolist(), strict=True))
            yield StepResult(due.step, numbers, due.learning_rate)

    def clear(self) -> None:
        self.pending.clear()


def copy_to_cpu(values: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
    """Start a copy to the CPU; return it, and the event of its completion."""
    if values.device.type != "cuda":
        return values, None
    home = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    home.copy_(values, non_blocking=True)
    arrival = torch.cuda.Event()
    arrival.record()
    return home, arrival
