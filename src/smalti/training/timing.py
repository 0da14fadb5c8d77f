"""How long a step takes here, from which a number of minutes becomes a number of steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import fmean
from typing import NamedTuple

import torch
from lightning_fabric import Fabric

from smalti.core.players import Planned
from smalti.core.progress import ignore
from smalti.core.protocols import Dataset
from smalti.training.average import Average
from smalti.training.device import reduced
from smalti.training.job import Job
from smalti.training.loop import Loop, assemble, rng_state, set_rng_state, set_scale

STEPS, END = 10**6, 400
"""Of a long training, and its end, where all players play."""


class Probe(NamedTuple):
    """What a few steps have shown."""

    seconds: float
    """Of a step: the median, or the mean of medians of the first and the last steps."""
    accumulate: int
    """Parts in which a batch fits into memory."""


def probe(
    fabric: Fabric,
    job: Job,
    data: Dataset,
    budget: float,
    tell: Callable[[str], None] = ignore,
) -> Probe:
    """Steps for about `budget` seconds, which leave no trace: the first ones, and where players
    come in later the last ones, too.
    """
    before = rng_state()
    model = job.model.build().to(fabric.device)
    training = replace(job.training, steps=STEPS, recover=0)
    loop = assemble(fabric, model, Average(model, 0.9), data, training)
    loop.tell = tell
    scale = loop.scale()
    ends = [0, STEPS - END] if any(isinstance(seat.player, Planned) for seat in loop.seats) else [0]
    seconds = [time_from(loop, step, budget / len(ends)) for step in ends]
    set_scale(fabric, scale)
    set_rng_state(before)
    return Probe(fmean(seconds), loop.training.accumulate)


def time_from(loop: Loop, step: int, budget: float) -> float:
    """Median seconds of the steps from this one on."""
    taken: list[float] = []  # of the slowest process, so that all probe equally long
    loop.step = step
    while len(taken) < 4 or (sum(taken) < budget and len(taken) < END // 2):
        begun = time.perf_counter()
        loop.advance()
        passed = torch.tensor(time.perf_counter() - begun, dtype=torch.float64)
        taken.append(float(reduced(loop.fabric, passed, "max")))
    return sorted(taken[2:])[len(taken[2:]) // 2]
