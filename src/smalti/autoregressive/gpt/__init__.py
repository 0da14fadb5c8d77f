"""GPT: a decoder-only Transformer over sequences of symbols."""

from smalti.autoregressive.gpt.network import GPT, GPTConfig

__all__ = ["GPT", "GPTConfig"]
