"""Muon as its author describes it, one matrix at a time."""

from __future__ import annotations

import torch
from torch import Tensor


def take_muon_steps(
    weight: Tensor, gradients: list[Tensor], lr: float, weight_decay: float, momentum: float
) -> Tensor:
    """The weight after a step with each gradient, in float64."""
    w, m = weight.double(), torch.zeros_like(weight, dtype=torch.float64)
    for gradient in gradients:
        g = gradient.double()
        m = momentum * m + (1 - momentum) * g
        update = (1 - momentum) * g + momentum * m
        matrix = update.reshape(len(w), -1)
        scale = 0.2 * max(matrix.shape) ** 0.5
        w = w * (1 - lr * weight_decay) - lr * scale * newton_schulz(matrix).reshape(w.shape)
    return w


def newton_schulz(matrix: Tensor) -> Tensor:
    """The odd polynomial, five times, applied to the singular values."""
    U, s, V = torch.linalg.svd(matrix / matrix.norm(), full_matrices=False)
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return U @ torch.diag(s) @ V
