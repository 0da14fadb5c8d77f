"""How long a step takes here, from which a number of minutes becomes a number of steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import fmean
from typing import NamedTuple

import torch
from lightning_fabric import Fabric

from smalti.core.players import NeedsTotalSteps
from smalti.core.progress import ignore_event
from smalti.core.protocols import Dataset
from smalti.training.device import all_reduce
from smalti.training.ema import EMA
from smalti.training.loop import (
    Loop,
    assemble_loop,
    read_rng_state,
    set_rng_state,
    set_scaler_state,
)
from smalti.training.run_record import RunRecord

TOTAL_STEPS, FINAL_STEPS = 10**6, 400
"""Of a long training, and its end, where all players play."""


class ProbeResult(NamedTuple):
    """What a few steps have shown."""

    seconds: float
    """Of a step: the median, or the mean of medians of the first and the last steps."""
    accumulate: int
    """Parts in which a batch fits into memory."""


def probe_step_time(
    fabric: Fabric,
    record: RunRecord,
    data: Dataset,
    budget_seconds: float,
    on_note: Callable[[str], None] = ignore_event,
) -> ProbeResult:
    """Steps for about `budget_seconds` seconds, which leave no trace: the first ones, and where players
    come in later the last ones, too.
    """
    before = read_rng_state()
    model = record.model.build().to(fabric.device)
    training = replace(record.training, steps=TOTAL_STEPS, max_recoveries=0)
    loop = assemble_loop(fabric, model, EMA(model, 0.9), data, training)
    loop.on_note = on_note
    scale = loop.read_scaler_state()
    ends = (
        [0, TOTAL_STEPS - FINAL_STEPS]
        if any(isinstance(seat.module, NeedsTotalSteps) for seat in loop.players)
        else [0]
    )
    seconds = [time_steps(loop, step, budget_seconds / len(ends)) for step in ends]
    set_scaler_state(fabric, scale)
    set_rng_state(before)
    return ProbeResult(fmean(seconds), loop.training.accumulate)


def time_steps(loop: Loop, step: int, budget_seconds: float) -> float:
    """Median seconds of the steps from this one on."""
    taken: list[float] = []  # of the slowest process, so that all probe equally long
    loop.step = step
    while len(taken) < 4 or (sum(taken) < budget_seconds and len(taken) < FINAL_STEPS // 2):
        begun = time.perf_counter()
        loop.run_step()
        passed = torch.tensor(time.perf_counter() - begun, dtype=torch.float64)
        taken.append(float(all_reduce(loop.fabric, passed, "max")))
    return sorted(taken[2:])[len(taken[2:]) // 2]
