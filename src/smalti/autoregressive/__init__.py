"""Priors: networks that draw the codes of a trained codec."""

from smalti.autoregressive.frozen import Frozen
from smalti.autoregressive.gpt import GPT, GPTConfig
from smalti.autoregressive.model import Prior, PriorConfig, fit

__all__ = ["GPT", "Frozen", "GPTConfig", "Prior", "PriorConfig", "fit"]
