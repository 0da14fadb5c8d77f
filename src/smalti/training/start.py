"""A loop at its start: step 0, or the last saved step of a run."""

from __future__ import annotations

from pathlib import Path

import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file
from torch import nn

from smalti.core.checkpoint import check_shapes, load
from smalti.core.errors import UserError, shorten
from smalti.core.players import NeedsTrainingData
from smalti.core.protocols import Dataset
from smalti.training.compilation import compile_networks
from smalti.training.config import Training
from smalti.training.ema import EMA
from smalti.training.loop import Loop
from smalti.training.players import plan_steps, set_up_players
from smalti.training.rng_state import seed_noise
from smalti.training.run_record import RunRecord, read_trainer_state


def start_loop(fabric: Fabric, record: RunRecord, data: Dataset) -> Loop:
    """Create a loop at step 0, or at the last saved step of the run."""
    t = record.training
    torch.manual_seed(t.seed)  # the same initial weights on every process
    model = record.model.build().to(fabric.device)
    if record.start is not None:
        load_start_weights(model, record.start)
    pass_data(model, data)
    ema = EMA(model, t.ema)
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


def load_start_weights(model: torch.nn.Module, start: str) -> None:
    """Load the weights of another model. Raises UserError if the shapes differ."""
    weights, expected = load(start).state_dict(), model.state_dict()
    for key in sorted(weights.keys() | expected.keys()):
        shapes = [tuple(w[key].shape) if key in w else None for w in (weights, expected)]
        if shapes[0] != shapes[1]:
            start_shape, run_shape = (shape or "missing" for shape in shapes)
            raise UserError(
                f"--init-from {start} does not match: its {key} is {start_shape}, this run's is "
                f"{run_shape}; train with the same data, size and model options"
            )
    model.load_state_dict(weights)


def assemble_loop(
    fabric: Fabric, model: nn.Module, ema: EMA, data: Dataset, training: Training
) -> Loop:
    if training.compile:
        compile_networks(model)
    order = data.plan_batches(training.seed, training.batch_size)
    players = set_up_players(fabric, model, training)
    plan_steps(players, training.steps)
    return Loop(fabric, players, ema, order, data, training)
