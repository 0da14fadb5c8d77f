"""8-bit weights for sampling from a GPT: a quarter of the memory to read at every step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from smalti.autoregressive.gpt.network import GPT
from smalti.core.errors import UserError
from smalti.core.int8 import SCALE_SUFFIX, quantize_weights
from smalti.kernels.huge_pages import allocate


class Int8Weights:
    """The matrices of linear layers as int8 rows with one scale each, by layer."""

    def __init__(self, network: nn.Module):
        layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
        self.matrices: dict[nn.Module, tuple[Tensor, Tensor]] = {}
        matrices = allocate([layer.weight.shape for layer in layers], torch.int8)
        for layer, matrix in zip(layers, matrices, strict=True):
            stored = quantize_weights({"w": layer.weight.detach()})
            self.matrices[layer] = matrix.copy_(stored["w"]), stored["w" + SCALE_SUFFIX]


def quantize_for_sampling(model: object) -> None:
    """Let a model of a GPT sample with int8 weights and a bfloat16 cache from now on, on a CPU.

    model: an `Autoregressive`, which is changed. Its weights, and what it saves, trains and scores,
    stay as they are. UserError for other networks.
    """
    network = getattr(model, "network", None)
    if not isinstance(network, GPT):
        raise UserError(
            f"the model's network is {type(network).__name__}, which samples in its own precision "
            "only; give a model of a GPT"
        )
    network.int8_weights = Int8Weights(network)
