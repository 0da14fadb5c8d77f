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
from smalti.core.config import coerce_value
from smalti.core.errors import UserError, shorten
from smalti.core.progress import ignore_event
from smalti.core.protocols import Batch, BatchOrder, Dataset
from smalti.core.ranges import Range
from smalti.training.compilation import compile_networks
from smalti.training.config import Training
from smalti.training.device import all_gather, is_any_process_true
from smalti.training.ema import EMA
from smalti.training.oom import find_finer_split, is_out_of_memory, release_memory
from smalti.training.players import (
    PlayerState,
    call_after_step,
    collect_training_states,
    find_resumed_modules,
    plan_steps,
    set_up_players,
)
from smalti.training.readback import Readback, StepResult
from smalti.training.recovery import (
    HISTORY_LENGTH,
    ROLLBACK_LR_FACTOR,
    DivergenceError,
    Snapshot,
    find_divergence,
)
from smalti.training.run_record import Recoveries, RunRecord, read_trainer_state
from smalti.training.step import (
    MicroBatch,
    WeightedSum,
    accumulate_gradients,
    compute_means,
    flip_randomly,
    schedule_learning_rate,
    take_optimizer_step,
)


@dataclass
class Loop:
    """A run in progress on one process."""

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
    """Items of the data that they were given in this sitting."""
    seconds: float = 0.0
    """Time spent training, over all sittings."""
    recoveries: int = 0
    """How often the run has stepped back."""
    recent_losses: list[float] = field(default_factory=list)
    """The last losses, which say what is usual."""
    snapshot: Snapshot | None = None
    """The state to step back to; None unless the training may."""
    on_note: Callable[[str], None] = ignore_event
    """Told what the user should know."""
    readback: Readback = field(default_factory=Readback)
    """Numbers of steps that are not read yet."""
    ending: bool = False
    """Whether the step in hand is to be the last."""

    @property
    def model(self) -> _FabricModule:
        """The first player's module as Fabric wraps it."""
        return self.players[0].model

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The first player's."""
        return self.players[0].optimizer

    def run_steps(self) -> Iterator[StepResult]:
        """Train to the end, or until `ending`; yields every step, on a GPU while the next one runs.

        At steps to be saved none is under way: `step` is then that of what is yielded.
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
        """One optimizer step; its terms."""
        self.take_step()
        return self.read_results()[-1].terms

    def take_step(self) -> None:
        """One optimizer step, in finer parts where memory runs out; reads no numbers."""
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
        """Steps that are begun before the numbers of one are read."""
        return 1 if self.fabric.device.type == "cuda" else 0

    def is_save_due(self) -> bool:
        return self.step % self.training.save_every == 0 or self.step == self.training.steps

    def read_results(self, in_flight: int = 0) -> list[StepResult]:
        """Steps that are done, all but the last `in_flight`. Diverged when the loss ran away."""
        checked: list[StepResult] = []
        for done in self.readback.pop(in_flight):
            checked.append(done._replace(terms=self.check_terms(done.terms, done.step)))
            self.recent_losses = [*self.recent_losses[1 - HISTORY_LENGTH :], done.terms["loss"]]
        return checked

    def compute_gradients(self) -> dict[str, WeightedSum] | None:
        """Of the next batch; None when any process ran out of memory, as if it was not tried."""
        before = read_rng_state()
        try:
            players = {seat.name: seat.model for seat in self.players}
            parts, planned = self.split_batch(), self.training.accumulate
            sums = accumulate_gradients(self.fabric, players, parts, self.step, planned)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            sums = None  # the error holds on to the tensors of its frames: it has to be gone
        if not is_any_process_true(self.fabric, sums is None):
            return sums
        for seat in self.players:
            seat.optimizer.zero_grad()
        set_rng_state(before)
        release_memory()
        return None

    def update_weights(self, sums: dict[str, WeightedSum]) -> dict[str, torch.Tensor]:
        """Take the step; returns the gradient's `norm`, and by name those of other players."""
        norms = {}
        try:
            for k, seat in enumerate(self.players):
                rate, clip = (
                    self.compute_learning_rate() * seat.lr_scale,
                    self.training.max_grad_norm,
                )
                weight = sums["loss" if k == 0 else seat.name].weight
                norm = take_optimizer_step(
                    self.fabric, seat.model, seat.optimizer, rate, clip, weight
                )
                norms["norm" if k == 0 else f"norm_{seat.name}"] = norm
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise UserError(
                f"out of memory at step {self.step + 1}, for the optimizer's own numbers: "
                "take a smaller model"
            ) from error
        return norms

    def increase_accumulation(self) -> None:
        """More parts for every batch from now on. UserError when they cannot be smaller."""
        t = self.training
        share = t.batch_size // t.devices
        if (parts := find_finer_split(t.accumulate, share)) is None:
            raise UserError(
                f"step {self.step + 1} does not fit into memory, one {self.data.item_name} at a time; "
                "take a smaller --size, or a smaller model"
            )
        self.training = replace(t, accumulate=parts)
        self.on_note(
            f"out of memory at step {self.step + 1}: "
            f"working in {parts} parts of {share // parts} now"
        )

    def compute_learning_rate(self) -> float:
        """Learning rate of the next step."""
        return (
            schedule_learning_rate(self.step, self.training) * ROLLBACK_LR_FACTOR**self.recoveries
        )

    def check_terms(self, terms: dict[str, float], step: int) -> dict[str, float]:
        """The terms of a step, when all is well. Diverged when the loss ran away."""
        if self.read_scaler_state() and not math.isfinite(terms["norm"]):
            terms = {name: value for name, value in terms.items() if name != "norm"}
            # fp16 tries scales: where one is too large, the step is left out
        t = self.training
        if what := find_divergence(
            terms, self.recent_losses, t.explosion_factor if t.max_recoveries else None
        ):
            error = DivergenceError(
                f"{what} at step {step}; the last saved step is kept: "
                f"train again with a rate below {t.learning_rate:g} or precision 32"
            )
            error.reason, error.step = what, step
            raise error
        return terms

    def read_scaler_state(self) -> dict[str, Any]:
        """State of the scale by which fp16 keeps small gradients above 0; else empty."""
        return self.fabric._precision.state_dict()

    def split_batch(self) -> list[MicroBatch]:
        """This process's parts of the next batch."""
        rows = self.order.select_indices(self.step)
        world, n = self.fabric.world_size, self.training.accumulate
        my_rows = split_rows(rows, world)[self.fabric.global_rank]
        even_share = len(rows) / (world * n)
        parts = my_rows.tensor_split(min(n, len(my_rows)))
        return [MicroBatch(self.load_batch(part), len(part) / even_share) for part in parts]

    def load_batch(self, indices: torch.Tensor) -> Batch:
        batch = self.data.make_batch(indices, self.fabric.device)
        return flip_randomly(batch) if self.training.flip else batch

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values, from which `restore` goes on as if never stopped."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "others": {
                seat.name: (seat.module.state_dict(), seat.optimizer.state_dict())
                for seat in self.players[1:]
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
        for seat in self.players[1:]:
            weights, moments = state["others"][seat.name]
            seat.module.load_state_dict(weights)
            seat.optimizer.load_state_dict(moments)
        for name, module in find_resumed_modules(self.players):
            if name in (kept := state.get("kept", {})):
                module.load_training_state_dict(kept[name])
        set_scaler_state(self.fabric, state.get("scale"))
        set_rng_state(state["rng"][self.fabric.global_rank])
        self.recoveries = coerce_value(state.get("recovered", 0), Recoveries, "recovered")
        self.recent_losses = [float(loss) for loss in state.get("recent", [])]

    def take_snapshot(self, state: dict[str, Any]) -> None:
        """Remember `state()`, which is that of now, to step back to."""
        if self.training.max_recoveries:
            self.snapshot = Snapshot({**state, "average": self.ema.module.state_dict()})

    def roll_back(self, recoveries: int) -> None:
        """From the good state, for the `recoveries`-th time: at a lower rate, with other noise.

        The order of the data stays. Time that was spent is not got back.
        """
        assert self.snapshot is not None
        self.readback.clear()
        state = {**self.snapshot.load(), "seconds": self.seconds}
        self.load_state_dict(state)
        self.ema.module.load_state_dict(state["average"])
        self.recoveries = recoveries
        seed_noise(self.fabric, self.training.seed, recoveries)


def split_rows(rows: torch.Tensor, world_size: int) -> Sequence[torch.Tensor]:
    """A part for every process; all rows for each of them where there are fewer than processes."""
    return [rows] * world_size if len(rows) < world_size else rows.tensor_split(world_size)


def start_loop(fabric: Fabric, record: RunRecord, data: Dataset) -> Loop:
    """A loop at step 0, or at the last saved step of the run."""
    t = record.training
    torch.manual_seed(t.seed)  # the same first weights on every process
    model = record.model.build().to(fabric.device)
    if record.start is not None:
        load_start_weights(model, record.start)
    ema = EMA(model, t.ema)
    loop = assemble_loop(fabric, model, ema, data, t)
    seed_noise(fabric, t.seed)
    if record.resume_from:
        restore_loop(loop, record.resume_from)
    if t.max_recoveries:
        loop.take_snapshot(loop.state_dict())
    if record.recoveries > loop.recoveries:  # the run stepped back after that save
        loop.roll_back(record.recoveries)
    return loop


def restore_loop(loop: Loop, directory: Path) -> None:
    """Put the loop where it was when a step was saved. UserError when its files do not fit."""
    state = read_trainer_state(directory)
    try:
        loop.ema.module.load_state_dict(load_file(directory / "model.safetensors"))
        loop.load_state_dict(state)
    except Exception as error:  # a state of other types or shapes raises nearly anything
        why = shorten(str(error), 120)
        raise UserError(f"{directory} does not fit its run: {why}; train anew") from error


def seed_noise(fabric: Fabric, seed: int, recoveries: int = 0) -> None:
    """Each process draws its own; other noise after every step back."""
    own = seed + 1_000_003 * (1 + fabric.global_rank) + 15_485_863 * recoveries
    torch.manual_seed(own % 2**64)


def load_start_weights(model: torch.nn.Module, start: str) -> None:
    """Begin with the weights of another model of the same shape. UserError when it has another."""
    weights, expected = load(start).state_dict(), model.state_dict()
    for key in sorted(weights.keys() | expected.keys()):
        shapes = [tuple(w[key].shape) if key in w else None for w in (weights, expected)]
        if shapes[0] != shapes[1]:
            its, ours = (shape or "missing" for shape in shapes)
            raise UserError(
                f"--start {start} does not fit: its {key} is {its}, this run's is {ours}; "
                "train with the same data, size and model options"
            )
    model.load_state_dict(weights)


def assemble_loop(
    fabric: Fabric, model: nn.Module, ema: EMA, data: Dataset, training: Training
) -> Loop:
    if training.compile:
        compile_networks(model)
    order, seats = (
        data.plan_batches(training.seed, training.batch_size),
        set_up_players(fabric, model, training),
    )
    plan_steps(seats, training.steps)
    return Loop(fabric, seats, ema, order, data, training)


def read_rng_state() -> list[torch.Tensor]:
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state()] if torch.cuda.is_available() else states


def set_rng_state(states: list[torch.Tensor]) -> None:
    torch.set_rng_state(states[0])
    if len(states) > 1 and torch.cuda.is_available():
        torch.cuda.set_rng_state(states[1])


def set_scaler_state(fabric: Fabric, scale: dict[str, Any] | None) -> None:
    if scale:
        fabric._precision.load_state_dict(scale)
