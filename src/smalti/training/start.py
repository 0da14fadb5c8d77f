"""A loop at its start: step 0, or the last saved step of a run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file
from torch import Tensor, nn

from smalti.core.checkpoint import check_shapes, load
from smalti.core.errors import UserError, shorten
from smalti.core.players import ConvertsStart, NeedsStart, NeedsTotalSteps, NeedsTrainingData
from smalti.core.protocols import Dataset
from smalti.training.compilation import compile_networks
from smalti.training.config import Training
from smalti.training.ema import EMA
from smalti.training.loop import Loop
from smalti.training.players import set_up_players
from smalti.training.rng_state import seed_noise
from smalti.training.run_record import RunRecord, read_trainer_state

MAX_NAMED = 6
"""Modules that a report names."""


def start_loop(fabric: Fabric, record: RunRecord, data: Dataset) -> Loop:
    """Create a loop at step 0, or at the last saved step of the run."""
    t = record.training
    torch.manual_seed(t.seed)  # the same initial weights on every process
    model = record.model.build().to(fabric.device)
    if record.start is not None and record.resume_from is None:
        load_start_weights(model, record.start)
    pass_data(model, data)
    ema = EMA(model, t.ema)
    for one in (model, ema.module):  # averages are validated by the same loss
        pass_start(one, record.start)
        pass_steps(one, t.steps)
    loop = assemble_loop(fabric, model, ema, data, t)
    seed_noise(fabric, t.seed)
    if record.resume_from:
        restore_loop(loop, record.resume_from)
    if t.max_recoveries:
        loop.take_snapshot(loop.state_dict())
    if record.recoveries > loop.recoveries:  # the run was rolled back after that save
        loop.roll_back(record.recoveries)
    return loop


def pass_data(model: nn.Module, data: Dataset) -> None:
    """Pass the training data to a model that needs something of them."""
    if isinstance(model, NeedsTrainingData):
        model.set_training_data(data)


def pass_start(model: nn.Module, start: str | None) -> None:
    """Pass the start, which may be None, to a model that learns from it."""
    if isinstance(model, NeedsStart):
        model.set_start(load(start) if start is not None else None)


def pass_steps(model: nn.Module, steps: int | None) -> None:
    """Pass the total number of steps to a player that needs it."""
    if steps is not None and isinstance(model, NeedsTotalSteps):
        model.set_total_steps(steps)


def restore_loop(loop: Loop, directory: Path) -> None:
    """Restore a saved step. Raises UserError if its files do not match the run."""
    state = read_trainer_state(directory)
    try:
        load_averages(loop.ema.module, directory)
        loop.load_state_dict(state)
    except Exception as error:  # other types or shapes can raise almost any error
        why = shorten(str(error), 120)
        raise UserError(f"{directory} does not match its run: {why}; start a new run") from error


def load_averages(module: torch.nn.Module, directory: Path) -> None:
    """Load the averaged weights of a step; a weight with two names is stored under one."""
    weights = load_file(directory / "model.safetensors")
    check_shapes(module, {name: tuple(w.shape) for name, w in weights.items()}, directory)
    module.load_state_dict(weights, strict=False)


class StartReport(NamedTuple):
    """What a run took of the model that it starts from."""

    share: float
    """Of the run's weights."""
    anew: tuple[str, ...]
    """Parts that begin anew."""

    def describe(self, start: str) -> str:
        """One line for the log."""
        taken = f"starting from {start}: {format_share(self.share)} of the weights are taken"
        return f"{taken}; anew: {', '.join(self.anew)}" if self.anew else taken


def load_start_weights(model: nn.Module, start: str) -> StartReport:
    """Load what fits of another model's weights. Raises UserError if nothing fits."""
    source = load(start)
    if isinstance(model, ConvertsStart):
        weights, notes = model.convert_start(source)
    else:
        weights, notes = dict(source.state_dict()), ()
    own = model.state_dict()
    fitting = {name: w for name, w in weights.items() if has_shape(w, own.get(name))}
    if not fitting:
        kinds = f"{type(source).__name__} and this run's {type(model).__name__}"
        raise UserError(
            f"start {start} has no weight that fits: {kinds} differ; give another model"
        )
    model.load_state_dict(fitting, strict=False)
    lost = [name for name in own if name not in fitting]
    total = sum(w.numel() for w in own.values())
    share = 1 - sum(own[name].numel() for name in lost) / total
    return StartReport(share, (*notes, *summarize_names(lost)))


def has_shape(w: Tensor, other: Tensor | None) -> bool:
    return other is not None and w.shape == other.shape


def summarize_names(names: list[str]) -> tuple[str, ...]:
    """Name weights by their modules, the first few: network.first.weight becomes network.first."""
    modules = list(dict.fromkeys(".".join(name.split(".")[:2]) for name in names))
    more = (f"{len(modules) - MAX_NAMED} more",) if len(modules) > MAX_NAMED else ()
    return (*modules[:MAX_NAMED], *more)


def format_share(share: float) -> str:
    """Percent; never rounded to all or nothing."""
    return f"{share:.0%}" if share == 1 else f"{min(max(100 * share, 0.1), 99.9):.3g}%"


def assemble_loop(
    fabric: Fabric, model: nn.Module, ema: EMA, data: Dataset, training: Training
) -> Loop:
    if training.compile:
        compile_networks(model)
    order = data.plan_batches(training.seed, training.batch_size)
    players = set_up_players(fabric, model, training)
    for player in players:
        pass_steps(player.module, training.steps)
    return Loop(fabric, players, ema, order, data, training)
