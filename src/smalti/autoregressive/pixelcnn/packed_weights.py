"""A network's weights for the walkers' kernels: norms folded in, padded, packed in panels.

Shapes are those after packing (`panels.pack_panels`); `K/w` counts panels of K.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smalti.autoregressive.pixelcnn.head import Head
from smalti.core.errors import UserError
from smalti.kernels.panels import pack_panels, round_up_to_panels


def pad_to_panels(
    x: Tensor | np.ndarray, dtype: np.dtype, axis: int = -1, halves: int = 1
) -> np.ndarray:
    """Pad an axis of x, or each half of it, with zeros to whole panels."""
    x = x if isinstance(x, np.ndarray) else x.detach().cpu().double().numpy()
    size, pads = x.shape[axis] // halves, [(0, 0)] * x.ndim
    if more := round_up_to_panels(size, dtype) - size:
        pads[axis] = (0, more)
        x = np.concatenate([np.pad(part, pads) for part in np.split(x, halves, axis)], axis)
    return x.astype(dtype, "C")


def choose_dtype(network: nn.Module) -> np.dtype:
    """Choose a walker's dtype: float64 for float64 weights, else float32."""
    double = next(network.parameters()).dtype == torch.float64
    return np.dtype("float64" if double else "float32")


def read_symbol_table(network: Any, values: Tensor | None) -> tuple[np.ndarray, np.ndarray]:
    """Read the network input of each symbol (K, D), a value or an embedding.

    Also its input features at a pixel, for each channel: (C, D).
    """
    if (values is None) != (network.embedding is not None):
        expected = "values" if values is None else "symbols"
        raise UserError(f"this network takes {expected}; set embeds_symbols to change that")
    table = network.embedding.weight if values is None else values[:, None]
    columns = np.arange(network.config.inputs).reshape(network.config.channels, -1)
    return table.detach().cpu().numpy().astype(choose_dtype(network)), columns


def fold_norm(conv: Any, norm: nn.Module | None = None) -> tuple[Tensor, Tensor]:
    """Fold the batch norm after a convolution into taps (h, w, i, o) and bias (o,), in eval mode.

    In float64 on the CPU. Any other norm module is ignored.
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


def pack_taps(taps: Tensor, dtype: np.dtype, halves_in: int = 1, halves: int = 1) -> np.ndarray:
    """Pack taps (..., i, o) for the kernels; a gated layer's features are two halves."""
    return pack_panels(pad_to_panels(pad_to_panels(taps, dtype, -2, halves_in), dtype, -1, halves))


def pack_window(taps: Tensor, dtype: np.dtype, halves: int = 1) -> np.ndarray:
    """Pack taps (h, w, i, o) of a first convolution as one product: (o/w, h w i, w)."""
    return pack_panels(pad_to_panels(taps.flatten(0, 2), dtype, -1, halves))


class HeadWeights:
    """Weights of the head (D hidden features, L outputs for each of C channels)."""

    def __init__(self, head: Head, dtype: np.dtype):
        (hidden, bias_hidden), (logits, bias_logits) = fold_norm(head.hidden), fold_norm(head.out)
        each = (head.channels, -1)
        self.hidden = pack_taps(hidden[0, 0], dtype)  # (D/w, p, w)
        self.bias_hidden = pad_to_panels(bias_hidden, dtype)  # (D,)
        self.logits = pack_taps(logits[0, 0].unflatten(1, each).movedim(1, 0), dtype)
        self.bias_logits = pad_to_panels(bias_logits.unflatten(0, each), dtype)  # (C, L)
