"""Time a few steps, to convert minutes to steps."""

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
from smalti.training.loop import Loop, set_scaler_state
from smalti.training.rng_state import read_rng_state, set_rng_state
from smalti.training.run_record import RunRecord
from smalti.training.start import assemble_loop, pass_start

TOTAL_STEPS, FINAL_STEPS = 10**6, 400
"""Steps of a long training, and its last steps, in which all players take part."""


class ProbeResult(NamedTuple):
    """The result of timing a few steps."""

    seconds: float
    """Seconds per step: the median, or the mean of the medians at both ends of the training."""
    accumulate: int
    """Number of parts in which a batch fits into memory."""


def probe_step_time(
    fabric: Fabric,
    record: RunRecord,
    data: Dataset,
    budget_seconds: float,
    on_note: Callable[[str], None] = ignore_event,
) -> ProbeResult:
    """Time steps for about `budget_seconds`, without side effects.

    Times the first steps, and also the last ones if a player joins later.
    """
    before = read_rng_state()
    model = record.model.build().to(fabric.device)
    pass_start(model, record.start)
    training = replace(record.training, steps=TOTAL_STEPS, max_recoveries=0)
    loop = assemble_loop(fabric, model, EMA(model, 0.9), data, training)
    loop.on_note = on_note
    scale = loop.read_scaler_state()
    ends = (
        [0, TOTAL_STEPS - FINAL_STEPS]
        if any(isinstance(player.module, NeedsTotalSteps) for player in loop.players)
        else [0]
    )
    seconds = [time_steps(loop, step, budget_seconds / len(ends)) for step in ends]
    set_scaler_state(fabric, scale)
    set_rng_state(before)
    return ProbeResult(fmean(seconds), loop.training.accumulate)


def time_steps(loop: Loop, step: int, budget_seconds: float) -> float:
    """Median seconds of the steps from `step` on."""
    taken: list[float] = []  # of the slowest process, so that all time equally many steps
    loop.step = step
    while len(taken) < 4 or (sum(taken) < budget_seconds and len(taken) < FINAL_STEPS // 2):
        begun = time.perf_counter()
        loop.run_step()
        passed = torch.tensor(time.perf_counter() - begun, dtype=torch.float64)
        taken.append(float(all_reduce(loop.fabric, passed, "max")))
    return sorted(taken[2:])[len(taken[2:]) // 2]
