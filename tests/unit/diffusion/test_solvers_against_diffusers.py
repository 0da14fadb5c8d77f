"""Trajectories of the fast solvers agree with those of the diffusers library, state by state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler
from torch import Tensor

from smalti.core.rng import Rng
from smalti.diffusion import Diffusion, DPMSolver, UniPC
from tests.unit.diffusion.test_against_diffusers import (
    PREDICTIONS,
    SCHEDULES,
    SEEDS,
    SHAPE,
    T,
    build_model,
    outputs,
    scheduler_settings,
)

each = pytest.mark.parametrize
pytestmark = [
    each("prediction", PREDICTIONS),
    each("schedule", SCHEDULES),
    # set_timesteps puts a tensor through NumPy in a way that is going out of use
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
STEPS = 6


def prepare_scheduler(kind: type, schedule: str, prediction: str, clip: bool, **more: Any) -> Any:
    """Their scheduler at our levels, with its sigmas in float64: so the steps are compared, and
    not the rounding of a float32 table where almost no picture is left.

    Their dynamic threshold of at most 1 is our clip.
    """
    scheduler = kind(
        **scheduler_settings(schedule, prediction),
        timestep_spacing="trailing",
        final_sigmas_type="zero",
        lower_order_final=more.pop("lower_order_final", True),
        thresholding=clip,
        sample_max_value=1.0,
        **more,
    )
    scheduler.set_timesteps(STEPS)
    a = SCHEDULES[schedule].compute_alpha_bars()[scheduler.timesteps]
    exact = torch.cat([((1 - a) / a).sqrt(), torch.zeros(1)])
    torch.testing.assert_close(scheduler.sigmas.double(), exact, rtol=1e-3, atol=1e-6)
    scheduler.sigmas = exact
    return scheduler


def assert_same_states(ours: list[Tensor], theirs: list[Tensor]) -> None:
    """To 1e-4, or a millionth of what is large: DPMSolverMultistepScheduler steps in float32."""
    assert len(ours) == len(theirs)
    for step, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-6, msg=lambda m, s=step: f"{s}: {m}")


def walk(scheduler: Any, model: Diffusion, steps: int = STEPS) -> Iterator[Tensor]:
    yield (x := Rng(SEEDS).normal(*SHAPE))
    for t in scheduler.timesteps[:steps]:
        yield (x := scheduler.step(outputs(model, x, int(t)), t, x).prev_sample)


@each("clip", [True, False])
@each("order", [1, 2])
def test_dpm_solver(prediction: str, schedule: str, order: int, clip: bool) -> None:
    model = build_model(prediction, schedule)
    scheduler = prepare_scheduler(
        DPMSolverMultistepScheduler,
        schedule,
        prediction,
        clip,
        algorithm_type="dpmsolver++",
        solver_order=order,
        solver_type="midpoint",
    )
    sampler = DPMSolver(steps=STEPS, order=order, clip=clip)
    assert sampler.choose_timesteps(T) == scheduler.timesteps.tolist()
    ours = [state.x for state in model.stream(Rng(SEEDS), sampler=sampler)]
    assert_same_states(ours, list(walk(scheduler, model)))


@each("clip", [True, False])
@each("order", [1, 2, 3])
@each("variant", ["bh1", "bh2"])
def test_unipc(prediction: str, schedule: str, order: int, variant: Any, clip: bool) -> None:
    assert_unipc(prediction, schedule, UniPC(STEPS, order, variant, clip=clip))


@each("order", [1, 3])
@each("corrector", [True, False])
def test_unipc_without_its_care(
    prediction: str, schedule: str, order: int, corrector: bool
) -> None:
    sampler = UniPC(STEPS, order, corrector=corrector, lower_order_final=False, clip=False)
    assert_unipc(prediction, schedule, sampler)


def assert_unipc(prediction: str, schedule: str, sampler: UniPC) -> None:
    """Their last step is a number for bh2 of order 1 alone; ours is the predicted x0."""
    model = build_model(prediction, schedule)
    scheduler = prepare_scheduler(
        UniPCMultistepScheduler,
        schedule,
        prediction,
        sampler.clip,
        solver_order=sampler.order,
        solver_type=sampler.variant,
        lower_order_final=sampler.lower_order_final,
        disable_corrector=[] if sampler.corrector else [*range(T)],
    )
    assert sampler.choose_timesteps(T) == scheduler.timesteps.tolist()
    ours = list(model.stream(Rng(SEEDS), sampler=sampler))
    last_order = 1 if sampler.lower_order_final else sampler.order
    steps = STEPS if (sampler.variant, last_order) == ("bh2", 1) else STEPS - 1
    assert_same_states([s.x for s in ours[: steps + 1]], list(walk(scheduler, model, steps)))
    assert torch.equal(ours[-1].x, ours[-1].x0)
