"""One autoregressive model: a network over the symbols of a codec."""

from smalti.autoregressive.frozen import Frozen
from smalti.autoregressive.gpt import GPT, GPTConfig
from smalti.autoregressive.indices import Indices
from smalti.autoregressive.mixture import LogisticMixture
from smalti.autoregressive.model import Autoregressive, AutoregressiveConfig, fit
from smalti.autoregressive.output import Categorical
from smalti.layers.choosing import Ancestral
from smalti.layers.conditions import Choice
from smalti.layers.levels import Levels

__all__ = [
    "GPT",
    "Ancestral",
    "Autoregressive",
    "AutoregressiveConfig",
    "Categorical",
    "Choice",
    "Frozen",
    "GPTConfig",
    "Indices",
    "Levels",
    "LogisticMixture",
    "fit",
]
