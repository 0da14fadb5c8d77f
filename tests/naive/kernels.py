"""Naive twins of PixelCNN's compiled kernels and walkers."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from smalti.autoregressive.conditioning import to_network_input
from smalti.autoregressive.naive_walker import NaiveWalker
from smalti.pixelcnn import Autoregressive


def product(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """x w, sum by sum."""
    out = np.zeros((len(x), w.shape[1]))
    for r in range(len(x)):
        for o in range(w.shape[1]):
            out[r, o] = math.fsum(float(a) * float(b) for a, b in zip(x[r], w[:, o], strict=True))
    return out


def gate(x: np.ndarray) -> np.ndarray:
    """tanh of the first half times sigmoid of the other."""
    a, b = np.split(x.astype(float), 2, axis=1)
    return np.tanh(a) / (1 + np.exp(-b))


def elu(x: np.ndarray) -> np.ndarray:
    """x above 0, e^x - 1 below."""
    return np.where(x > 0, x, np.expm1(np.minimum(x.astype(float), 0)))


def concat_elu(x: np.ndarray) -> np.ndarray:
    """ELU of x, then of -x."""
    return np.concatenate([elu(x), elu(-x)], axis=1)


def sigmoid_gate(x: np.ndarray) -> np.ndarray:
    """The first half times sigmoid of the other."""
    a, b = np.split(x.astype(float), 2, axis=1)
    return a / (1 + np.exp(-b))


def draw_softmax(logits: np.ndarray, u: float, temperature: float) -> int:
    """The level drawn by inverse transform of u."""
    p = [math.exp((float(x) - float(logits.max())) / temperature) for x in logits]
    total = 0.0
    for level, share in enumerate(p):
        total += share / math.fsum(p)
        if total > u:
            return level
    return len(p) - 1


class Naive(Autoregressive):
    """A model that runs the full network for every symbol."""

    def build_walker(self, n: int, y: Tensor | None) -> NaiveWalker:
        values = self.values
        if values is not None:
            values = to_network_input(
                self.network, torch.arange(len(values)), values, torch.float64
            )
        return NaiveWalker(self.network, n, self.requirements.grid[1:], y, values)


def perturb_weights(module: torch.nn.Module) -> torch.nn.Module:
    """Perturb weights and norm statistics, so that none are 0 and inputs matter."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(2).add_(0.01 * torch.randn_like(parameter))
        for norm in module.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                assert norm.running_mean is not None and norm.running_var is not None
                norm.running_mean.normal_()
                norm.running_var.uniform_(0.5, 2)
    return module.eval()
