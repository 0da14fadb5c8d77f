"""8-bit weights for sampling from a GPT: a quarter of the memory to read at every step."""

from __future__ import annotations

from torch import Tensor, nn

from smalti.autoregressive.gpt.network import GPT
from smalti.core.errors import UserError
from smalti.core.int8 import SCALE_SUFFIX, quantize_weights


class Int8Weights:
    """The matrices of linear layers as int8 rows with one scale each, by layer."""

    def __init__(self, network: nn.Module):
        self.matrices: dict[nn.Module, tuple[Tensor, Tensor]] = {}
        for layer in network.modules():
            if isinstance(layer, nn.Linear):
                stored = quantize_weights({"w": layer.weight.detach()})
                self.matrices[layer] = stored["w"].contiguous(), stored["w" + SCALE_SUFFIX]


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
