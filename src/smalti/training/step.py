"""One optimizer step, its learning rate and its gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule
from torch import Tensor, nn

from smalti.core.errors import UserError
from smalti.core.players import HasMirrored, HasOptimizerSettings
from smalti.core.protocols import Batch, Dataset
from smalti.training.config import Training
from smalti.training.device import all_reduce, choose_precision
from smalti.training.optimizers import Muon, split_matrices


def schedule_learning_rate(step: int, training: Training, phases: Sequence[int] = ()) -> float:
    """Learning rate of step 0, 1, ...: linear warm-up, then a cosine to 0 at the last step.

    It stays constant after the warm-up if the schedule says so. phases: steps at which the schedule
    begins again; each cosine ends where the next begins.
    """
    ends = [*phases, training.steps or 1]
    start = max((begin for begin in phases if begin <= step), default=0)
    step, steps = step - start, max(1, min(end for end in ends if end > start) - start)
    warmup = min(training.warmup, steps // 5)
    if step < warmup:
        return training.learning_rate * (step + 1) / warmup
    if training.schedule == "constant":
        return training.learning_rate
    done = (step - warmup) / max(1, steps - warmup)
    return training.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def build_optimizer(model: torch.nn.Module, training: Training) -> torch.optim.Optimizer:
    """Build the optimizer of the trainable parameters; no weight decay for biases and norms."""
    betas = model.betas if isinstance(model, HasOptimizerSettings) else (0.9, 0.99)
    if training.optimizer == "muon":
        settings = {"lr": training.learning_rate, "weight_decay": training.weight_decay}
        return Muon(*split_matrices(model), betas=betas, **settings)
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": training.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    # fp16 clips gradients after unscaling, which the fused optimizer does inside its step
    fused = choose_precision(training) != "16-mixed"
    return torch.optim.AdamW(groups, lr=training.learning_rate, betas=betas, fused=fused)


class MicroBatch(NamedTuple):
    """A part of a batch, computed at once by a process."""

    batch: Batch
    share: float = 1.0
    """Its number of items, relative to an even part."""


class WeightedSum(NamedTuple):
    """A weighted sum over parts of a batch; value / weight is the mean."""

    value: Tensor
    weight: float | Tensor


def make_flipped_batch(data: Dataset, indices: Tensor, device: torch.device) -> Batch:
    """Gather items, each mirrored with probability 1/2. UserError if they have no pictures."""
    if isinstance(data, HasMirrored):
        return data.make_flipped_batch(indices, torch.rand(len(indices)) < 0.5, device)
    batch = data.make_batch(indices, device)
    if batch.pictures is None:
        raise UserError(f"training.flip mirrors pictures, and {data.name} has none; leave it out")
    x = batch.require_pictures()
    mirrored = torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5
    conditions = {k: mirror_pictures(value, mirrored) for k, value in batch.conditions.items()}
    return batch._replace(pictures=torch.where(mirrored, x.flip(3), x), conditions=conditions)


def mirror_pictures(value: Tensor | list[str], mirrored: Tensor) -> Tensor | list[str]:
    """A condition with its pictures (B, C, H, W) mirrored where `mirrored`; others as they are."""
    if isinstance(value, Tensor) and value.ndim == 4 and value.is_floating_point():
        return torch.where(mirrored, value.flip(3), value)
    return value


def accumulate_gradients(
    fabric: Fabric,
    players: dict[str, _FabricModule],
    micro_batches: list[MicroBatch],
    step: int,
    planned_parts: int,
) -> dict[str, WeightedSum]:
    """Accumulate gradients and terms of the loss, weighted, over this process's parts of a batch.

    The players (at least one, by name) are cycled at each part; each gets the `carry` of the one
    before it. The total of the first is `loss`, that of another has its name. All is divided by
    `planned_parts`, the parts of every process. Processes do not wait for each other in here,
    because one may run out of memory.
    """
    sums: dict[str, WeightedSum] = {}
    for batch, share in micro_batches:
        carry: object = None
        for k, (name, model) in enumerate(players.items()):
            with fabric.no_backward_sync(model):
                with fabric.autocast():  # on one device Fabric's marked methods run without it
                    loss = model.loss(batch, step, carry)
                weight = share if loss.weight is None else loss.weight
                fabric.backward(loss.total * weight / planned_parts)
            carry = loss.carry
            total = {"loss" if k == 0 else name: loss.total.detach()}
            for term, value in {**total, **loss.terms}.items():
                before = sums.get(term, WeightedSum(torch.zeros((), device=value.device), 0.0))
                value = before.value + value.float() * weight / planned_parts
                sums[term] = WeightedSum(value, before.weight + weight)
    return {
        term: WeightedSum(value, weight / planned_parts) for term, (value, weight) in sums.items()
    }


def take_optimizer_step(
    fabric: Fabric,
    model: _FabricModule,
    optimizer: torch.optim.Optimizer,
    learning_rate: float,
    max_grad_norm: float,
    weight: float | Tensor,
) -> Tensor:
    """Take an optimizer step; return the gradient norm before clipping.

    weight: divisor of the gradients, which are weighted sums.
    """
    average_gradients(fabric, model, weight)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    norm = fabric.clip_gradients(model, optimizer, max_norm=max_grad_norm, error_if_nonfinite=False)
    assert norm is not None
    optimizer.step()
    optimizer.zero_grad()
    return norm


def average_gradients(fabric: Fabric, model: nn.Module, weight: float | Tensor) -> None:
    """Turn gradient sums into means over the items of all processes."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    if fabric.world_size == 1:
        if isinstance(weight, Tensor) or weight != 1:
            torch._foreach_div_(gradients, weight)  # pyright: ignore
        return
    flat = torch.cat([g.flatten() for g in gradients] + [gradients[0].new_ones(1) * weight])
    flat = all_reduce(fabric, flat, "mean")
    means = (flat[:-1] / flat[-1]).split([g.numel() for g in gradients])
    for gradient, mean in zip(gradients, means, strict=True):
        gradient.copy_(mean.view_as(gradient))


def compute_means(fabric: Fabric, sums: dict[str, WeightedSum]) -> Tensor:
    """Compute means over all processes, in the order of the sums, without reading them."""
    values = torch.stack([value for value, _ in sums.values()])
    weights = torch.stack([torch.ones_like(value) * weight for value, weight in sums.values()])
    values, weights = all_reduce(fabric, torch.stack([values, weights]), "mean")
    return values / weights
