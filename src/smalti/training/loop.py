"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule

from smalti.core.config import coerce_value
from smalti.core.errors import UserError
from smalti.core.players import HasPhases
from smalti.core.progress import ignore_event
from smalti.core.protocols import Batch, BatchOrder, Dataset
from smalti.core.ranges import Range
from smalti.training.config import Training
from smalti.training.device import all_gather, is_any_process_true
from smalti.training.ema import EMA
from smalti.training.oom import find_finer_split, is_out_of_memory, release_memory
from smalti.training.players import (
    PlayerState,
    call_after_step,
    collect_training_states,
    find_resumed_modules,
)
from smalti.training.readback import Readback, StepResult
from smalti.training.recovery import (
    HISTORY_LENGTH,
    ROLLBACK_LR_FACTOR,
    DivergenceError,
    Snapshot,
    find_divergence,
)
from smalti.training.rng_state import read_rng_state, seed_noise, set_rng_state
from smalti.training.run_record import Recoveries
from smalti.training.step import (
    MicroBatch,
    WeightedSum,
    accumulate_gradients,
    compute_means,
    make_flipped_batch,
    schedule_learning_rate,
    take_optimizer_step,
)


@dataclass
class Loop:
    """State of a training run on one process."""

    fabric: Fabric
    players: list[PlayerState]
    """The players; the first is the model, which is saved and sampled."""
    ema: EMA
    order: BatchOrder
    data: Dataset
    training: Training
    step: int = 0
    """Optimizer steps done."""
    items: int = 0
    """Items trained on since the run was started or resumed."""
    seconds: float = 0.0
    """Time spent training, including before a resume."""
    recoveries: int = 0
    """Number of rollbacks so far."""
    recent_losses: list[float] = field(default_factory=list)
    """The last losses, to detect divergence."""
    snapshot: Snapshot | None = None
    """The state to roll back to; None if `max_recoveries` is 0."""
    on_note: Callable[[str], None] = ignore_event
    """Called with messages for the user."""
    readback: Readback = field(default_factory=Readback)
    """Results of steps that are not read yet."""
    ending: bool = False
    """Whether to stop after the current step."""

    @property
    def model(self) -> _FabricModule:
        """The first player's module, wrapped by Fabric."""
        return self.players[0].model

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The first player's optimizer."""
        return self.players[0].optimizer

    def run_steps(self) -> Iterator[StepResult]:
        """Train to the last step, or until `ending`; yields the result of every step.

        On a GPU the next step is already running, except at steps to be saved: there `step` is
        that of the yielded result.
        """
        assert self.training.steps is not None
        while self.step < self.training.steps and not self.ending:
            begun = time.perf_counter()
            self.take_step()
            done = self.read_results(in_flight=0 if self.is_save_due() else self.steps_in_flight)
            self.seconds += time.perf_counter() - begun
            yield from done
        yield from self.read_results()

    def run_step(self) -> dict[str, float]:
        """Take one optimizer step; return its terms."""
        self.take_step()
        return self.read_results()[-1].terms

    def take_step(self) -> None:
        """Take one optimizer step, in smaller parts if memory runs out; reads no results."""
        learning_rate = self.compute_learning_rate()
        while (sums := self.compute_gradients()) is None:
            self.increase_accumulation()
        sums |= {name: WeightedSum(norm, 1.0) for name, norm in self.update_weights(sums).items()}
        call_after_step(self.players)
        values = compute_means(self.fabric, sums)
        self.ema.update(self.model.module, self.step)
        self.items += len(self.order.select_indices(self.step))
        self.step += 1
        self.readback.push(self.step, learning_rate, list(sums), values)

    @property
    def steps_in_flight(self) -> int:
        """Steps that may run before the results of one are read."""
        return 1 if self.fabric.device.type == "cuda" else 0

    def is_save_due(self) -> bool:
        return self.step % self.training.save_every == 0 or self.step == self.training.steps

    def read_results(self, in_flight: int = 0) -> list[StepResult]:
        """Read the results of all steps but the last `in_flight`.

        Raises DivergenceError if the loss diverges.
        """
        checked: list[StepResult] = []
        for done in self.readback.pop(in_flight):
            checked.append(done._replace(terms=self.check_terms(done.terms, done.step)))
            self.recent_losses = [*self.recent_losses[1 - HISTORY_LENGTH :], done.terms["loss"]]
        return checked

    def compute_gradients(self) -> dict[str, WeightedSum] | None:
        """Compute gradients of the next batch.

        Returns None, without side effects, if a process is out of memory.
        """
        before = read_rng_state()
        try:
            players = {player.name: player.model for player in self.players}
            parts, planned = self.split_batch(), self.training.accumulate
            sums = accumulate_gradients(self.fabric, players, parts, self.step, planned)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            sums = None  # not here: the error keeps the tensors of its frames alive
        if not is_any_process_true(self.fabric, sums is None):
            return sums
        for player in self.players:
            player.optimizer.zero_grad()
        set_rng_state(before)
        release_memory()
        return None

    def update_weights(self, sums: dict[str, WeightedSum]) -> dict[str, torch.Tensor]:
        """Update the weights; return the gradient `norm`, and by name those of other players."""
        norms = {}
        try:
            for k, player in enumerate(self.players):
                learning_rate = self.compute_learning_rate() * player.lr_scale
                norms["norm" if k == 0 else f"norm_{player.name}"] = take_optimizer_step(
                    self.fabric,
                    player.model,
                    player.optimizer,
                    learning_rate,
                    self.training.max_grad_norm,
                    sums["loss" if k == 0 else player.name].weight,
                )
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise UserError(
                f"out of memory at step {self.step + 1} for the optimizer's state; "
                "choose a smaller model"
            ) from error
        return norms

    def increase_accumulation(self) -> None:
        """Split every batch into more parts. Raises UserError if they cannot be smaller."""
        t = self.training
        share = t.batch_size // t.devices
        if (parts := find_finer_split(t.accumulate, share)) is None:
            raise UserError(
                f"step {self.step + 1} does not fit into memory, even one {self.data.item_name} "
                "at a time; choose a smaller --size or a smaller model"
            )
        self.training = replace(t, accumulate=parts)
        self.on_note(
            f"out of memory at step {self.step + 1}: "
            f"accumulating over {parts} parts of {share // parts} now"
        )

    def compute_learning_rate(self) -> float:
        """Compute the learning rate of the next step."""
        model = self.model.module
        phases = model.list_phases() if isinstance(model, HasPhases) else []
        rate = schedule_learning_rate(self.step, self.training, phases)
        return rate * ROLLBACK_LR_FACTOR**self.recoveries

    def check_terms(self, terms: dict[str, float], step: int) -> dict[str, float]:
        """Return the terms of a step. Raises DivergenceError if the loss diverges."""
        if self.read_scaler_state() and not math.isfinite(terms["norm"]):
            terms = {name: value for name, value in terms.items() if name != "norm"}
            # fp16 tries loss scales: if one is too large, the step is skipped
        t = self.training
        if what := find_divergence(
            terms, self.recent_losses, t.explosion_factor if t.max_recoveries else None
        ):
            error = DivergenceError(
                f"{what} at step {step}; the last checkpoint is kept: "
                f"train again with a learning rate below {t.learning_rate:g} or precision 32"
            )
            error.reason, error.step = what, step
            raise error
        return terms

    def read_scaler_state(self) -> dict[str, Any]:
        """State of fp16's loss scaler; empty for other precisions."""
        return self.fabric._precision.state_dict()

    def split_batch(self) -> list[MicroBatch]:
        """Split this process's share of the next batch into parts."""
        rows = self.order.select_indices(self.step)
        world, n = self.fabric.world_size, self.training.accumulate
        my_rows = split_rows(rows, world)[self.fabric.global_rank]
        even_share = len(rows) / (world * n)
        parts = my_rows.tensor_split(min(n, len(my_rows)))
        return [MicroBatch(self.load_batch(part), len(part) / even_share) for part in parts]

    def load_batch(self, indices: torch.Tensor) -> Batch:
        make_batch = make_flipped_batch if self.training.flip else type(self.data).make_batch
        return make_batch(self.data, indices, self.fabric.device)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values, from which `restore_loop` resumes exactly."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "others": {
                player.name: (player.module.state_dict(), player.optimizer.state_dict())
                for player in self.players[1:]
            },
            "scale": self.read_scaler_state(),
            "kept": collect_training_states(self.players),
            "rng": all_gather(self.fabric, read_rng_state()),
            "recovered": self.recoveries,
            "recent": self.recent_losses,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        steps = self.training.steps or 0
        self.step = coerce_value(state["step"], Annotated[int, Range(0, steps)], "step")
        self.seconds = coerce_value(state["seconds"], Annotated[float, Range(0, 1e9)], "seconds")
        self.model.module.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for player in self.players[1:]:
            weights, moments = state["others"][player.name]
            player.module.load_state_dict(weights)
            player.optimizer.load_state_dict(moments)
        for name, module in find_resumed_modules(self.players):
            if name in (kept := state.get("kept", {})):
                module.load_training_state_dict(kept[name])
        set_scaler_state(self.fabric, state.get("scale"))
        set_rng_state(state["rng"][self.fabric.global_rank])
        self.recoveries = coerce_value(state.get("recovered", 0), Recoveries, "recovered")
        self.recent_losses = [float(loss) for loss in state.get("recent", [])]

    def take_snapshot(self, state: dict[str, Any]) -> None:
        """Keep `state`, the current state_dict, to roll back to."""
        if self.training.max_recoveries:
            self.snapshot = Snapshot({**state, "average": self.ema.module.state_dict()})

    def roll_back(self, recoveries: int) -> None:
        """Restore the last good state, for the `recoveries`-th time.

        The learning rate is lower and the noise differs; the order of the data stays. Time already
        spent still counts.
        """
        assert self.snapshot is not None
        self.readback.clear()
        state = {**self.snapshot.load(), "seconds": self.seconds}
        self.load_state_dict(state)
        self.ema.module.load_state_dict(state["average"])
        self.recoveries = recoveries
        seed_noise(self.fabric, self.training.seed, recoveries)


def split_rows(rows: torch.Tensor, world_size: int) -> Sequence[torch.Tensor]:
    """Split rows over the processes; each gets all rows if there are fewer rows than processes."""
    return [rows] * world_size if len(rows) < world_size else rows.tensor_split(world_size)


def set_scaler_state(fabric: Fabric, scale: dict[str, Any] | None) -> None:
    if scale:
        fabric._precision.load_state_dict(scale)
