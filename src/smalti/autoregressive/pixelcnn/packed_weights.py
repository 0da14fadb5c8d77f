"""A network's weights as the walkers' kernels take them: norms folded in, padded, in panels.

Shapes are said of what is packed (as `panels.pack` has it); `K/w` counts panels of K.
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
    """x with zeros after its axis, or after each half of it, to whole panels."""
    x = x if isinstance(x, np.ndarray) else x.detach().cpu().double().numpy()
    size, pads = x.shape[axis] // halves, [(0, 0)] * x.ndim
    if more := round_up_to_panels(size, dtype) - size:
        pads[axis] = (0, more)
        x = np.concatenate([np.pad(part, pads) for part in np.split(x, halves, axis)], axis)
    return x.astype(dtype, "C")


def choose_dtype(network: nn.Module) -> np.dtype:
    """Of a walker's numbers: float64 where the weights have it, float32 for all others."""
    double = next(network.parameters()).dtype == torch.float64
    return np.dtype("float64" if double else "float32")


def read_symbol_table(network: Any, values: Tensor | None) -> tuple[np.ndarray, np.ndarray]:
    """What the network is shown of each symbol, (count, D): its value, or its own vector for it.

    And which numbers of a place that is, for each channel: (C, D).
    """
    if (values is None) != (network.embedding is not None):
        wanted = "values" if values is None else "symbols"
        raise UserError(f"this network takes {wanted}; set `codes` in its config to change that")
    table = network.embedding.weight if values is None else values[:, None]
    columns = np.arange(network.config.inputs).reshape(network.config.channels, -1)
    return table.detach().cpu().numpy().astype(choose_dtype(network)), columns


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


def pack_taps(taps: Tensor, dtype: np.dtype, halves_in: int = 1, halves: int = 1) -> np.ndarray:
    """Taps (..., i, o) for the kernels; a gated layer's features come in halves."""
    return pack_panels(pad_to_panels(pad_to_panels(taps, dtype, -2, halves_in), dtype, -1, halves))


def pack_window(taps: Tensor, dtype: np.dtype, halves: int = 1) -> np.ndarray:
    """Taps (h, w, i, o) of a convolution over what is shown, as one product: (o/w, h w i, w)."""
    return pack_panels(pad_to_panels(taps.flatten(0, 2), dtype, -1, halves))


class HeadWeights:
    """The last layers' (D features in the middle, L outputs for each of C channels)."""

    def __init__(self, head: Head, dtype: np.dtype):
        (hidden, bias_hidden), (logits, bias_logits) = fold_norm(head.hidden), fold_norm(head.out)
        each = (head.channels, -1)
        self.hidden = pack_taps(hidden[0, 0], dtype)  # (D/w, p, w)
        self.bias_hidden = pad_to_panels(bias_hidden, dtype)  # (D,)
        self.logits = pack_taps(logits[0, 0].unflatten(1, each).movedim(1, 0), dtype)
        self.bias_logits = pad_to_panels(bias_logits.unflatten(0, each), dtype)  # (C, L)
