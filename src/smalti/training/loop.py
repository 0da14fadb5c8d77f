"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule
from safetensors.torch import load_file
from torch import nn

from smalti.core.checkpoint import load
from smalti.core.config import fitted
from smalti.core.errors import UserError, shorten
from smalti.core.progress import ignore
from smalti.core.protocols import Batch, Dataset, Order
from smalti.core.ranges import Range
from smalti.training.average import Average
from smalti.training.compiling import compiled
from smalti.training.config import Training
from smalti.training.device import agreed, gathered
from smalti.training.job import Job, Recoveries, read_state
from smalti.training.memory import finer, give_back, ran_out
from smalti.training.player import Part, Sum, differentiate, means, mirror, rate_at, update
from smalti.training.readback import Done, Readback
from smalti.training.recovery import BACK, HISTORY, Diverged, Snapshot, complaint
from smalti.training.seats import Seat, end_step, keepers, kept_states, plan, seated


@dataclass
class Loop:
    """A run in progress on one process."""

    fabric: Fabric
    seats: list[Seat]
    """The players; the first is the model, which is saved and sampled."""
    average: Average
    order: Order
    data: Dataset
    training: Training
    step: int = 0
    """Optimiser steps done."""
    items: int = 0
    """Items of the data that they were given in this sitting."""
    seconds: float = 0.0
    """Time spent training, over all sittings."""
    recovered: int = 0
    """How often the run has stepped back."""
    recent: list[float] = field(default_factory=list)
    """The last losses, which say what is usual."""
    good: Snapshot | None = None
    """The state to step back to; None unless the training may."""
    tell: Callable[[str], None] = ignore
    """Told what the user should know."""
    readback: Readback = field(default_factory=Readback)
    """Numbers of steps that are not read yet."""
    ending: bool = False
    """Whether the step in hand is to be the last."""

    @property
    def model(self) -> _FabricModule:
        """The first player's module as Fabric wraps it."""
        return self.seats[0].model

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The first player's."""
        return self.seats[0].optimizer

    def steps(self) -> Iterator[Done]:
        """Train to the end, or until `ending`; yields every step, on a GPU while the next one runs.

        At steps to be saved none is under way: `step` is then that of what is yielded.
        """
        assert self.training.steps is not None
        while self.step < self.training.steps and not self.ending:
            begun = time.perf_counter()
            self.take_step()
            done = self.read(ahead=0 if self.is_saved() else self.ahead)
            self.seconds += time.perf_counter() - begun
            yield from done
        yield from self.read()

    def advance(self) -> dict[str, float]:
        """One optimiser step; its terms."""
        self.take_step()
        return self.read()[-1].terms

    def take_step(self) -> None:
        """One optimiser step, in finer parts where memory runs out; reads no numbers."""
        rate = self.rate()
        while (sums := self.gradients()) is None:
            self.split_finer()
        sums |= {name: Sum(norm, 1.0) for name, norm in self.update(sums).items()}
        end_step(self.seats)
        values = means(self.fabric, sums)
        self.average.update(self.model.module, self.step)
        self.items += len(self.order.indices(self.step))
        self.step += 1
        self.readback.push(self.step, rate, list(sums), values)

    @property
    def ahead(self) -> int:
        """Steps that are begun before the numbers of one are read."""
        return 1 if self.fabric.device.type == "cuda" else 0

    def is_saved(self) -> bool:
        return self.step % self.training.save == 0 or self.step == self.training.steps

    def read(self, ahead: int = 0) -> list[Done]:
        """Steps that are done, all but the last `ahead`. Diverged when the loss ran away."""
        checked: list[Done] = []
        for done in self.readback.pop(ahead):
            checked.append(done._replace(terms=self.checked(done.terms, done.step)))
            self.recent = [*self.recent[1 - HISTORY :], done.terms["loss"]]
        return checked

    def gradients(self) -> dict[str, Sum] | None:
        """Of the next batch; None when any process ran out of memory, as if it was not tried."""
        before = rng_state()
        try:
            players = {seat.name: seat.model for seat in self.seats}
            parts, planned = self.parts(), self.training.accumulate
            sums = differentiate(self.fabric, players, parts, self.step, planned)
        except Exception as error:
            if not ran_out(error):
                raise
            sums = None  # the error holds on to the tensors of its frames: it has to be gone
        if not agreed(self.fabric, sums is None):
            return sums
        for seat in self.seats:
            seat.optimizer.zero_grad()
        set_rng_state(before)
        give_back()
        return None

    def update(self, sums: dict[str, Sum]) -> dict[str, torch.Tensor]:
        """Take the step; returns the gradient's `norm`, and by name those of other players."""
        norms = {}
        try:
            for k, seat in enumerate(self.seats):
                rate, clip = self.rate() * seat.lr_scale, self.training.clip
                weight = sums["loss" if k == 0 else seat.name].weight
                norm = update(self.fabric, seat.model, seat.optimizer, rate, clip, weight)
                norms["norm" if k == 0 else f"norm_{seat.name}"] = norm
        except Exception as error:
            if not ran_out(error):
                raise
            raise UserError(
                f"out of memory at step {self.step + 1}, for the optimiser's own numbers: "
                "take a smaller model"
            ) from error
        return norms

    def split_finer(self) -> None:
        """More parts for every batch from now on. UserError when they cannot be smaller."""
        t = self.training
        share = t.batch // t.devices
        if (parts := finer(t.accumulate, share)) is None:
            raise UserError(
                f"step {self.step + 1} does not fit into memory, one {self.data.item} at a time; "
                "take a smaller --size, or a smaller model"
            )
        self.training = replace(t, accumulate=parts)
        self.tell(
            f"out of memory at step {self.step + 1}: "
            f"working in {parts} parts of {share // parts} now"
        )

    def rate(self) -> float:
        """Learning rate of the next step."""
        return rate_at(self.step, self.training) * BACK**self.recovered

    def checked(self, terms: dict[str, float], step: int) -> dict[str, float]:
        """The terms of a step, when all is well. Diverged when the loss ran away."""
        if self.scale() and not math.isfinite(terms["norm"]):
            terms = {name: value for name, value in terms.items() if name != "norm"}
            # fp16 tries scales: where one is too large, the step is left out
        t = self.training
        if what := complaint(terms, self.recent, t.explode if t.recover else None):
            error = Diverged(
                f"{what} at step {step}; the last saved step is kept: "
                f"train again with a rate below {t.rate:g} or precision 32"
            )
            error.what, error.step = what, step
            raise error
        return terms

    def scale(self) -> dict[str, Any]:
        """State of the scale by which fp16 keeps small gradients above 0; else empty."""
        return self.fabric._precision.state_dict()

    def parts(self) -> list[Part]:
        """This process's parts of the next batch."""
        rows = self.order.indices(self.step)
        world, n = self.fabric.world_size, self.training.accumulate
        own = cut(rows, world)[self.fabric.global_rank]
        even = len(rows) / (world * n)
        parts = own.tensor_split(min(n, len(own)))
        return [Part(self.batch(part), len(part) / even) for part in parts]

    def batch(self, indices: torch.Tensor) -> Batch:
        batch = self.data.batch(indices, self.fabric.device)
        return mirror(batch) if self.training.flip else batch

    def state(self) -> dict[str, Any]:
        """Tensors and plain values, from which `restore` goes on as if never stopped."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "others": {
                seat.name: (seat.player.state_dict(), seat.optimizer.state_dict())
                for seat in self.seats[1:]
            },
            "scale": self.scale(),
            "kept": kept_states(self.seats),
            "rng": gathered(self.fabric, rng_state()),
            "recovered": self.recovered,
            "recent": self.recent,
        }

    def restore(self, state: dict[str, Any]) -> None:
        steps = self.training.steps or 0
        self.step = fitted(state["step"], Annotated[int, Range(0, steps)], "step")
        self.seconds = fitted(state["seconds"], Annotated[float, Range(0, 1e9)], "seconds")
        self.model.module.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for seat in self.seats[1:]:
            player, moments = state["others"][seat.name]
            seat.player.load_state_dict(player)
            seat.optimizer.load_state_dict(moments)
        for name, module in keepers(self.seats):
            if name in (kept := state.get("kept", {})):
                module.restore_training(kept[name])
        set_scale(self.fabric, state.get("scale"))
        set_rng_state(state["rng"][self.fabric.global_rank])
        self.recovered = fitted(state.get("recovered", 0), Recoveries, "recovered")
        self.recent = [float(loss) for loss in state.get("recent", [])]

    def keep(self, state: dict[str, Any]) -> None:
        """Remember `state()`, which is that of now, to step back to."""
        if self.training.recover:
            self.good = Snapshot({**state, "average": self.average.module.state_dict()})

    def step_back(self, recovered: int) -> None:
        """From the good state, for the `recovered`-th time: at a lower rate, with other noise.

        The order of the data stays. Time that was spent is not got back.
        """
        assert self.good is not None
        self.readback.clear()
        state = {**self.good.state(), "seconds": self.seconds}
        self.restore(state)
        self.average.module.load_state_dict(state["average"])
        self.recovered = recovered
        seed_noise(self.fabric, self.training.seed, recovered)


def cut(rows: torch.Tensor, world: int) -> Sequence[torch.Tensor]:
    """A part for every process; all rows for each of them where there are fewer than processes."""
    return [rows] * world if len(rows) < world else rows.tensor_split(world)


def begin(fabric: Fabric, job: Job, data: Dataset) -> Loop:
    """A loop at step 0, or at the last saved step of the run."""
    t = job.training
    torch.manual_seed(t.seed)  # the same first weights on every process
    model = job.model.build().to(fabric.device)
    if job.start is not None:
        take_weights(model, job.start)
    average = Average(model, t.ema)
    loop = assemble(fabric, model, average, data, t)
    seed_noise(fabric, t.seed)
    if job.saved:
        restore_from(loop, job.saved)
    if t.recover:
        loop.keep(loop.state())
    if job.recovered > loop.recovered:  # the run stepped back after that save
        loop.step_back(job.recovered)
    return loop


def restore_from(loop: Loop, directory: Path) -> None:
    """Put the loop where it was when a step was saved. UserError when its files do not fit."""
    state = read_state(directory)
    try:
        loop.average.module.load_state_dict(load_file(directory / "model.safetensors"))
        loop.restore(state)
    except Exception as error:  # a state of other types or shapes raises nearly anything
        why = shorten(str(error), 120)
        raise UserError(f"{directory} does not fit its run: {why}; train anew") from error


def seed_noise(fabric: Fabric, seed: int, recovered: int = 0) -> None:
    """Each process draws its own; other noise after every step back."""
    own = seed + 1_000_003 * (1 + fabric.global_rank) + 15_485_863 * recovered
    torch.manual_seed(own % 2**64)


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


def assemble(
    fabric: Fabric, model: nn.Module, average: Average, data: Dataset, t: Training
) -> Loop:
    if t.compile:
        compiled(model)
    order, seats = data.plan(t.seed, t.batch), seated(fabric, model, t)
    plan(seats, t.steps)
    return Loop(fabric, seats, average, order, data, t)


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
