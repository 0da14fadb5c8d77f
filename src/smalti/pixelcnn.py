"""PixelCNNs under their public name, with the logistic mixture's likelihood beside them."""

import sys

from smalti.autoregressive import (
    Ancestral,
    Autoregressive,
    AutoregressiveConfig,
    Categorical,
    Choice,
    Levels,
    LogisticMixture,
    fit,
    logistic,
)
from smalti.autoregressive.pixelcnn.gated.network import Gated, GatedConfig
from smalti.autoregressive.pixelcnn.plain.network import Plain, PlainConfig
from smalti.autoregressive.pixelcnn.plusplus.network import PlusPlus, PlusPlusConfig

__all__ = [
    "Ancestral",
    "Autoregressive",
    "AutoregressiveConfig",
    "Categorical",
    "Choice",
    "Gated",
    "GatedConfig",
    "Levels",
    "LogisticMixture",
    "Plain",
    "PlainConfig",
    "PlusPlus",
    "PlusPlusConfig",
    "fit",
]

sys.modules["smalti.pixelcnn.logistic"] = logistic  # `from smalti.pixelcnn.logistic import nll`
