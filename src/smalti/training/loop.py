"""The training loop."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric

from smalti.core.checkpoint import load
from smalti.core.errors import UserError
from smalti.core.protocols import Batch
from smalti.data.pictures import Pictures
from smalti.training.average import Average
from smalti.training.config import Training
from smalti.training.device import reduced
from smalti.training.job import Job, last_step, read_state
from smalti.training.order import Order
from smalti.training.player import batch_of, optimise, optimiser


class Diverged(UserError):
    """The loss, or its gradient, is not a number any more."""


@dataclass
class Loop:
    """A run in progress on one process."""

    fabric: Fabric
    model: Any
    """The module as Fabric wraps it."""
    optimizer: Any
    average: Average
    order: Order
    pictures: Pictures
    training: Training
    step: int = 0
    """Optimiser steps done."""
    seconds: float = 0.0
    """Time spent training, over all sittings."""

    def steps(self) -> Iterator[dict[str, float]]:
        """Train to the end; yields the loss's terms after each step."""
        assert self.training.steps is not None
        while self.step < self.training.steps:
            begun = time.perf_counter()
            terms = self.advance()
            self.seconds += time.perf_counter() - begun
            yield terms

    def advance(self) -> dict[str, float]:
        sums = optimise(
            self.fabric, self.model, self.optimizer, self.batches(), self.step, self.training
        )
        names = list(sums)
        values = reduced(self.fabric, torch.stack([sums[n] for n in names]), "mean")
        terms = self.checked(dict(zip(names, values.tolist(), strict=True)))
        self.average.update(self.model.module, self.step)
        self.step += 1
        return terms

    def checked(self, terms: dict[str, float]) -> dict[str, float]:
        """The terms, when all is well. Diverged when loss or gradient is not a number."""
        if self.scale() and not math.isfinite(terms["norm"]):
            terms = {name: value for name, value in terms.items() if name != "norm"}
            # fp16 tries scales: where one is too large, the step is left out
        for name, what in (("loss", "loss"), ("norm", "gradient's norm")):
            if not math.isfinite(terms.get(name, 0)):
                raise Diverged(
                    f"the {what} is {terms[name]} at step {self.step + 1}; the last saved step is "
                    f"kept: train again with a rate below {self.training.rate:g} or precision 32"
                )
        return terms

    def scale(self) -> dict[str, Any]:
        """State of the scale by which fp16 keeps small gradients above 0; else empty."""
        return self.fabric._precision.state_dict()

    def batches(self) -> list[Batch]:
        """This process's parts of the next batch."""
        indices = torch.from_numpy(self.order.indices(self.step))
        mine = indices.chunk(self.fabric.world_size)[self.fabric.global_rank]
        device, flip = self.fabric.device, self.training.flip
        parts = mine.chunk(self.training.accumulate)
        return [batch_of(self.pictures, part, device, flip) for part in parts]

    def state(self) -> dict[str, Any]:
        """Tensors and plain values, from which `restore` goes on as if never stopped."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scale": self.scale(),
            "rng": gathered(self.fabric, rng_state()),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.step, self.seconds = state["step"], state["seconds"]
        self.model.module.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        set_scale(self.fabric, state.get("scale"))
        set_rng_state(state["rng"][self.fabric.global_rank])


def begin(fabric: Fabric, job: Job, pictures: Pictures) -> Loop:
    """A loop at step 0, or at the last saved step of the run."""
    t = job.training
    torch.manual_seed(t.seed)  # the same first weights on every process
    model = job.model.build().to(fabric.device)
    if job.start is not None:
        take_weights(model, job.start)
    average = Average(model, t.ema)
    loop = assemble(fabric, model, average, pictures, t)
    torch.manual_seed(t.seed + 1_000_003 * (1 + fabric.global_rank))
    if directory := last_step(job.out):
        from safetensors.torch import load_file

        state = read_state(directory)
        average.module.load_state_dict(load_file(directory / "model.safetensors"))
        loop.restore(state)
    return loop


def take_weights(model: torch.nn.Module, start: str) -> None:
    """Begin with the weights of another model of the same shape. UserError when it has another."""
    weights, wanted = load(start).state_dict(), model.state_dict()
    for key in sorted(weights.keys() | wanted.keys()):
        shapes = [tuple(w[key].shape) if key in w else None for w in (weights, wanted)]
        if shapes[0] != shapes[1]:
            its, ours = (shape or "missing" for shape in shapes)
            raise UserError(
                f"--start {start} does not fit: its {key} is {its}, this run's is {ours}; "
                "train with the same data, size and model options"
            )
    model.load_state_dict(weights)


def assemble(fabric: Fabric, model: Any, average: Average, pictures: Pictures, t: Training) -> Loop:
    wrapped, optimizer = fabric.setup(model, optimiser(model, t))
    wrapped.mark_forward_method("loss")
    order = Order(len(pictures), t.batch, t.seed)
    return Loop(fabric, wrapped, optimizer, average, order, pictures, t)


def seconds_per_step(fabric: Fabric, job: Job, pictures: Pictures, budget: float) -> float:
    """Median seconds of a step, from a probe of about `budget` seconds that leaves no trace."""
    before = rng_state()
    model = job.model.build().to(fabric.device)
    loop = assemble(fabric, model, Average(model, 0.9), pictures, job.with_steps(10**6).training)
    scale = loop.scale()
    taken: list[float] = []  # of the slowest process, so that all probe equally long
    while len(taken) < 4 or (sum(taken) < budget and len(taken) < 200):
        begun = time.perf_counter()
        loop.advance()
        passed = torch.tensor(time.perf_counter() - begun, dtype=torch.float64)
        taken.append(float(reduced(fabric, passed, "max")))
    set_scale(fabric, scale)
    set_rng_state(before)
    return sorted(taken[2:])[len(taken[2:]) // 2]


def rng_state() -> list[torch.Tensor]:
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state()] if torch.cuda.is_available() else states


def set_rng_state(states: list[torch.Tensor]) -> None:
    torch.set_rng_state(states[0])
    if len(states) > 1 and torch.cuda.is_available():
        torch.cuda.set_rng_state(states[1])


def set_scale(fabric: Fabric, scale: dict[str, Any] | None) -> None:
    if scale:
        fabric._precision.load_state_dict(scale)


def gathered(fabric: Fabric, value: Any) -> list:
    """`value` of every process, in their order."""
    values = [copy.deepcopy(value)] * fabric.world_size
    if fabric.world_size > 1:
        torch.distributed.all_gather_object(values, value)
    return values
