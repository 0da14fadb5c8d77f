"""Naive twins of the codecs' fast code."""

from __future__ import annotations

import torch
from torch import Tensor


def nearest_code(z: Tensor, codes: Tensor) -> Tensor:
    """(N, D), (K, D) -> (N,): one vector and one code at a time; the first of equals."""
    found = []
    for v in z.tolist():
        best, index = float("inf"), 0
        for k, e in enumerate(codes.tolist()):
            distance = sum((a - b) ** 2 for a, b in zip(v, e, strict=True))
            if distance < best:
                best, index = distance, k
        found.append(index)
    return torch.tensor(found, dtype=torch.int64)


def rotation_matrix(z: Tensor, e: Tensor) -> Tensor:
    """The rotation trick's lambda R (D, D) of one latent and one code, both (D,), by eq. 4."""
    zu, eu = z / z.norm(), e / e.norm()
    r = (zu + eu) / (zu + eu).norm()
    R = torch.eye(len(z), dtype=z.dtype) - 2 * torch.outer(r, r) + 2 * torch.outer(eu, zu)
    return e.norm() / z.norm() * R


def fsq_codes(z: Tensor, levels: tuple[int, ...]) -> Tensor:
    """Codes of latents (N, D), by a search over all levels for the nearest."""
    found = []
    for v in z:
        code, stride = 0, 1
        for number, L in zip(v.tolist(), levels, strict=True):
            half = (L - 1) * (1 + 1e-3) / 2
            offset = 0.5 if L % 2 == 0 else 0.0
            shift = torch.tensor(offset / half).atanh()
            bounded = float((torch.tensor(number) + shift).tanh() * half - offset)
            choices = [k - L // 2 for k in range(L)]
            code += stride * min(range(L), key=lambda k: abs(choices[k] - bounded))
            stride *= L
        found.append(code)
    return torch.tensor(found)


def ema_codebook(
    codes: Tensor, count: Tensor, sums: Tensor, steps: list[tuple[Tensor, Tensor]], gamma: float
) -> Tensor:
    """The codebook after steps of (latents (N, D), their codes (N,)), by the paper's N and m.

    Each latent counts K / N, so that an evenly chosen code counts 1.
    """
    N, m, e = count.clone(), sums.clone(), codes.clone()
    for z, chosen in steps:
        for k in range(len(e)):
            mine = z[chosen == k]
            weight = len(e) / len(z)
            N[k] = gamma * N[k] + (1 - gamma) * weight * len(mine)
            m[k] = gamma * m[k] + (1 - gamma) * weight * mine.sum(0)
            e[k] = m[k] / N[k]
    return e
