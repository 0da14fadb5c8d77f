"""Muon: steepest descent on matrices in the spectral norm, with AdamW for everything else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from smalti.layers.caption import CaptionEncoder

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic, chosen for a steep slope at 0 (Jordan et al., 2024)."""
NEWTON_SCHULZ_STEPS = 5
MATCHED_RMS = 0.2
"""Root mean square of an update per learning rate, about that of AdamW (arXiv:2502.16982)."""


class Muon(torch.optim.Optimizer):
    """Muon (https://kellerjordan.github.io/posts/muon) for matrices, AdamW for other parameters.

    A matrix moves by its Nesterov momentum with all singular values set to about 1, times
    0.2 sqrt(max(rows, columns)) (arXiv:2502.16982, eq. 4), so that both kinds share one learning
    rate. A convolution's weight (O, I, h, w) is a matrix (O, I h w).
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        *,
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-8,
    ):
        """matrices: weights with two dimensions or more. weight_decay: of the matrices."""
        groups = [
            {"params": list(matrices), "orthogonal": True, "weight_decay": weight_decay},
            {"params": list(others), "orthogonal": False, "weight_decay": 0.0},
        ]
        defaults = {"lr": lr, "momentum": momentum, "betas": betas, "eps": eps}
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update the parameters that have a gradient. A closure is not supported."""
        assert closure is None, "a closure is not supported"
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params and group["orthogonal"]:
                self.update_matrices(params, group)
            elif params:
                self.update_others(params, group)

    def update_matrices(self, params: list[nn.Parameter], group: dict[str, Any]) -> None:
        """Take Muon's step."""
        gradients: list[Tensor] = [p.grad for p in params if p.grad is not None]
        moments = [self.read_state(p, "momentum") for p in params]
        mu = group["momentum"]
        torch._foreach_lerp_(moments, gradients, 1 - mu)  # pyright: ignore
        nesterov = torch._foreach_lerp(gradients, moments, mu)  # pyright: ignore
        torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])  # pyright: ignore
        by_shape: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for k, p in enumerate(params):
            by_shape[p.shape].append(k)
        for rows in by_shape.values():  # equal shapes in one batched product
            stacked = torch.stack([nesterov[k].flatten(1) for k in rows])  # (N, R, C)
            scale = MATCHED_RMS * max(stacked.shape[1:]) ** 0.5
            for k, update in zip(rows, orthogonalize(stacked), strict=True):
                params[k].add_(update.view_as(params[k]), alpha=-group["lr"] * scale)

    def update_others(self, params: list[nn.Parameter], group: dict[str, Any]) -> None:
        """Take AdamW's step, without weight decay: biases, norms and embeddings have none."""
        gradients: list[Tensor] = [p.grad for p in params if p.grad is not None]
        first = [self.read_state(p, "first") for p in params]
        second = [self.read_state(p, "second") for p in params]
        steps = [self.read_state(p, "step", torch.zeros(())) for p in params]
        b1, b2 = group["betas"]
        torch._foreach_add_(steps, 1.0)  # pyright: ignore
        torch._foreach_lerp_(first, gradients, 1 - b1)  # pyright: ignore
        torch._foreach_mul_(second, b2)  # pyright: ignore
        torch._foreach_addcmul_(second, gradients, gradients, 1 - b2)  # pyright: ignore
        for p, m, v, k in zip(params, first, second, steps, strict=True):
            t = float(k)  # on the CPU: no synchronisation with a device
            root = (v / (1 - b2**t)).sqrt_().add_(group["eps"])
            p.addcdiv_(m, root, value=-group["lr"] / (1 - b1**t))

    def read_state(self, p: nn.Parameter, name: str, initial: Tensor | None = None) -> Tensor:
        state = self.state[p]
        if name not in state:
            state[name] = torch.zeros_like(p) if initial is None else initial
        return state[name]


def orthogonalize(x: Tensor) -> Tensor:
    """Set the singular values of matrices (N, R, C) to about 1, within 0.7 to 1.2.

    Five Newton-Schulz steps in float32: a x + (b A + c A^2) x with A = x x^T.
    """
    tall = x.shape[1] > x.shape[2]
    x = x.float().mT if tall else x.float()
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    a, b, c = NEWTON_SCHULZ
    for _ in range(NEWTON_SCHULZ_STEPS):
        A = x @ x.mT  # (N, R, R)
        x = torch.baddbmm(x, torch.baddbmm(A, A, A, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def split_matrices(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Split the trainable parameters into matrices for Muon and others.

    Embeddings are among the others: their rows are looked up, not multiplied.
    """
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    tables |= {id(m.table) for m in model.modules() if isinstance(m, CaptionEncoder)}
    trained = [p for p in model.parameters() if p.requires_grad]
    matrices = [p for p in trained if p.ndim > 1 and id(p) not in tables]
    chosen = {id(p) for p in matrices}
    return matrices, [p for p in trained if id(p) not in chosen]
