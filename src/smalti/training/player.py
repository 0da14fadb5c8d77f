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
from smalti.training.device import precision_of, reduced


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
    betas = getattr(model, "betas", (0.9, 0.99))
    return torch.optim.AdamW(groups, lr=training.rate, betas=betas, fused=fused)


def batch_of(pictures: Pictures, indices: Tensor, device: torch.device, flip: bool) -> Batch:
    x = sent(pictures.take(indices), device).float() / 255  # (B, C, H, W)
    if flip:
        mirrored = torch.rand(len(x), 1, 1, 1, device=device) < 0.5
        x = torch.where(mirrored, x.flip(3), x)
    labels = None if pictures.labels is None else sent(pictures.labels[indices], device)
    text = [pictures.captions[k] for k in indices.tolist()] if pictures.captions else None
    return Batch(x, labels, text)


def sent(x: Tensor, device: torch.device) -> Tensor:
    """x on the device; a GPU's own work goes on meanwhile."""
    if device.type != "cuda" or x.device.type != "cpu":
        return x.to(device)
    return x.pin_memory().to(device, non_blocking=True)


def differentiate(
    fabric: Fabric, players: dict[str, Any], batches: list[Batch], step: int
) -> dict[str, Tensor]:
    """Gradients over the parts of a batch, of this process alone; the means of the loss's terms.

    The players (at least one, by name) have their turn at each part; each is handed what the one
    before it carries. The first one's total is the `loss`, another's bears its name.
    Processes do not wait for each other in here, so that one may run out of memory.
    """
    sums: dict[str, Tensor] = {}
    for batch in batches:
        carry: object = None
        for k, (name, model) in enumerate(players.items()):
            with fabric.no_backward_sync(model):
                with fabric.autocast():  # on one device Fabric's marked methods run without it
                    loss = model.loss(batch, step, carry)
                fabric.backward(loss.total / len(batches))
            carry = loss.carry
            total = {"loss" if k == 0 else name: loss.total.detach()}
            for term, value in {**total, **loss.terms}.items():
                sums[term] = sums.get(term, 0) + value.float() / len(batches)
    return sums


def update(fabric: Fabric, model: Any, optimizer: Any, rate: float, clip: float) -> Tensor:
    """One optimiser step; returns the gradient's norm before it is clipped."""
    share_gradients(fabric, model)
    for group in optimizer.param_groups:
        group["lr"] = rate
    norm = fabric.clip_gradients(model, optimizer, max_norm=clip, error_if_nonfinite=False)
    assert norm is not None
    optimizer.step()
    optimizer.zero_grad()
    return norm


def share_gradients(fabric: Fabric, model: Any) -> None:
    """Every process gets the mean of all."""
    if fabric.world_size == 1:
        return
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    mean = reduced(fabric, torch.cat([g.flatten() for g in gradients]), "mean")
    for gradient, part in zip(gradients, mean.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
