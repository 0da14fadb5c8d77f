"""A network's weights as the walkers' kernels take them: norms folded in, padded, in panels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smalti.core.errors import UserError
from smalti.kernels.panels import pack, padded


def pad_panels(x: Any, dtype: np.dtype, axis: int, halves: int = 1) -> np.ndarray:
    """x with zeros after its axis, or after each half of it, to whole panels."""
    x = x if isinstance(x, np.ndarray) else x.detach().cpu().double().numpy()
    parts = np.split(x, halves, axis)
    pads = [(0, 0)] * x.ndim
    pads[axis] = (0, padded(parts[0].shape[axis], dtype) - parts[0].shape[axis])
    return np.concatenate([np.pad(part, pads) for part in parts], axis).astype(dtype)


def choose_dtype(network: nn.Module) -> np.dtype:
    """Of a walker's numbers: float64 where the weights have it, float32 for all others."""
    double = next(network.parameters()).dtype == torch.float64
    return np.dtype("float64" if double else "float32")


def read_table(network: Any, values: Tensor | None) -> np.ndarray:
    """What the network is shown of each symbol, (count, D): its value, or its own vector for it."""
    if (values is None) != (network.embedding is not None):
        wanted = "values" if values is None else "symbols"
        raise UserError(f"this network takes {wanted}; set `codes` in its config to change that")
    table = network.embedding.weight if values is None else values[:, None]
    return table.detach().cpu().numpy().astype(choose_dtype(network))


def fold_norm(conv: Any, norm: nn.Module | None = None) -> tuple[Tensor, Tensor]:
    """A convolution and the batch norm after it in eval mode, as taps (h, w, i, o) and bias (o,).

    In float64 on the CPU; a norm that is none counts as none.
    """
    kernel = conv.kernel() if hasattr(conv, "kernel") else conv.weight
    taps = kernel.detach().cpu().double().permute(2, 3, 1, 0)
    bias = taps.new_zeros(len(kernel)) if conv.bias is None else conv.bias.detach().cpu().double()
    if not isinstance(norm, nn.BatchNorm2d):
        return taps, bias
    assert norm.running_mean is not None and norm.running_var is not None
    mean, variance, scale, shift = (
        v.detach().cpu().double()
        for v in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    scale = scale * (variance + norm.eps).rsqrt()
    return taps * scale, (bias - mean) * scale + shift


def stack_blocks(blocks: list[dict[str, Tensor]], name: str, taps: tuple[int, ...]) -> Tensor:
    """One tensor of all blocks; of none, with so many taps."""
    if not blocks:
        return torch.zeros(0, *taps, 2, 2, dtype=torch.float64)
    return torch.stack([block[name] for block in blocks])


def pack_taps(taps: Tensor, dtype: np.dtype, halves_in: int = 1, halves: int = 1) -> np.ndarray:
    """Taps (..., i, o) for the kernels; a gated layer's features come in halves."""
    return pack(pad_panels(pad_panels(taps, dtype, -2, halves_in), dtype, -1, halves))


def pack_head(head: Any, dtype: np.dtype) -> dict[str, np.ndarray]:
    """The weights that `record_head` takes."""
    hidden, bias_hidden = fold_norm(head.hidden)
    logits, bias_logits = fold_norm(head.out)
    return {
        "hidden": pack_taps(hidden[0, 0], dtype),
        "bias_hidden": pad_panels(bias_hidden, dtype, -1),
        "logits": pack_taps(logits[0, 0].unflatten(1, (head.channels, -1)).movedim(1, 0), dtype),
        "bias_logits": pad_panels(bias_logits.unflatten(0, (head.channels, -1)), dtype, -1),
    }
