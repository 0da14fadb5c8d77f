"""GPT: a decoder-only Transformer over sequences of symbols."""

from smalti.autoregressive.gpt.int8_weights import quantize_for_sampling
from smalti.autoregressive.gpt.network import GPT, GPTConfig

__all__ = ["GPT", "GPTConfig", "quantize_for_sampling"]
