"""Public names of the PixelCNNs, and the likelihood of the logistic mixture."""

import sys

from smalti.autoregressive import (
    Ancestral,
    Autoregressive,
    AutoregressiveConfig,
    Categorical,
    Choice,
    Levels,
    LogisticMixture,
    build_config,
    logistic,
)
from smalti.autoregressive.pixelcnn.gated.network import GatedPixelCNN, GatedPixelCNNConfig
from smalti.autoregressive.pixelcnn.plain.network import PixelCNN, PixelCNNConfig
from smalti.autoregressive.pixelcnn.plusplus.network import PixelCNNPlusPlus, PixelCNNPlusPlusConfig

__all__ = [
    "Ancestral",
    "Autoregressive",
    "AutoregressiveConfig",
    "Categorical",
    "Choice",
    "GatedPixelCNN",
    "GatedPixelCNNConfig",
    "Levels",
    "LogisticMixture",
    "PixelCNN",
    "PixelCNNConfig",
    "PixelCNNPlusPlus",
    "PixelCNNPlusPlusConfig",
    "build_config",
]

sys.modules["smalti.pixelcnn.logistic"] = logistic  # `from smalti.pixelcnn.logistic import nll`
