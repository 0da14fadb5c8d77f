"""How long a step takes here, from which a number of minutes becomes a number of steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from lightning_fabric import Fabric

from smalti.data.pictures import Pictures
from smalti.training.average import Average
from smalti.training.device import reduced
from smalti.training.job import Job
from smalti.training.loop import assemble, rng_state, set_rng_state, set_scale, silent


class Probe(NamedTuple):
    """What a few steps have shown."""

    seconds: float
    """Of a step, their median."""
    accumulate: int
    """Parts in which a batch fits into memory."""


def probe(
    fabric: Fabric,
    job: Job,
    pictures: Pictures,
    budget: float,
    tell: Callable[[str], None] = silent,
) -> Probe:
    """Steps for about `budget` seconds, which leave no trace."""
    before = rng_state()
    model = job.model.build().to(fabric.device)
    training = replace(job.training, steps=10**6, recover=0)
    loop = assemble(fabric, model, Average(model, 0.9), pictures, training)
    loop.tell = tell
    scale = loop.scale()
    taken: list[float] = []  # of the slowest process, so that all probe equally long
    while len(taken) < 4 or (sum(taken) < budget and len(taken) < 200):
        begun = time.perf_counter()
        loop.advance()
        passed = torch.tensor(time.perf_counter() - begun, dtype=torch.float64)
        taken.append(float(reduced(fabric, passed, "max")))
    set_scale(fabric, scale)
    set_rng_state(before)
    return Probe(sorted(taken[2:])[len(taken[2:]) // 2], loop.training.accumulate)
