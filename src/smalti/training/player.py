"""One optimiser step, and the numbers that steer it."""

from __future__ import annotations

import math
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from smalti.core.protocols import Batch
from smalti.data.pictures import Pictures
from smalti.training.config import Training
from smalti.training.device import precision_of


def rate_at(step: int, training: Training) -> float:
    """Learning rate of step 0, 1, ...: linear warm-up, then a cosine to 0 at the last step."""
    steps = training.steps or 1
    warmup = min(training.warmup, steps // 5)
    if step < warmup:
        return training.rate * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return training.rate * 0.5 * (1 + math.cos(math.pi * done))


def optimiser(model: torch.nn.Module, training: Training) -> torch.optim.Optimizer:
    """AdamW over what is trained; weights decay, biases and norms do not."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": training.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    # with fp16 gradients are clipped between unscaling and step, which the fused one does at once
    fused = precision_of(training) != "16-mixed"
    return torch.optim.AdamW(groups, lr=training.rate, betas=(0.9, 0.99), fused=fused)


def batch_of(pictures: Pictures, indices: Tensor, device: torch.device, flip: bool) -> Batch:
    x = pictures.take(indices).to(device).float() / 255  # (B, C, H, W)
    if flip:
        mirrored = torch.rand(len(x), 1, 1, 1, device=device) < 0.5
        x = torch.where(mirrored, x.flip(3), x)
    labels = None if pictures.labels is None else pictures.labels[indices].to(device)
    return Batch(x, labels)


def optimise(
    fabric: Fabric, model: Any, optimizer: Any, batches: list[Batch], step: int, training: Training
) -> dict[str, Tensor]:
    """One optimiser step over the parts of a batch.

    Returns the means of the loss's terms, and `norm`, the gradient's norm before it is clipped.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate_at(step, training)
    sums: dict[str, Tensor] = {}
    for i, batch in enumerate(batches):
        with fabric.no_backward_sync(model, enabled=i < len(batches) - 1):
            with fabric.autocast():  # on one device Fabric's marked methods run without it
                loss = model.loss(batch, step)
            fabric.backward(loss.total / len(batches))
        for name, value in {"loss": loss.total.detach(), **loss.terms}.items():
            sums[name] = sums.get(name, 0) + value.float() / len(batches)
    norm = fabric.clip_gradients(model, optimizer, max_norm=training.clip, error_if_nonfinite=False)
    assert norm is not None
    optimizer.step()
    optimizer.zero_grad()
    return {**sums, "norm": norm}
