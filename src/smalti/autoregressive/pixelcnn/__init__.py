"""PixelCNN, Gated PixelCNN and PixelCNN++: pictures drawn and scored pixel by pixel."""

from smalti.autoregressive.mixture import LogisticMixture
from smalti.autoregressive.output import Categorical
from smalti.autoregressive.pixelcnn.gated.network import Gated, GatedConfig
from smalti.autoregressive.pixelcnn.model import Ancestral, PixelCNN, PixelCNNConfig
from smalti.autoregressive.pixelcnn.plain.network import Plain, PlainConfig
from smalti.autoregressive.pixelcnn.plusplus.network import PlusPlus, PlusPlusConfig
from smalti.layers.levels import Levels

__all__ = [
    "Ancestral",
    "Categorical",
    "Gated",
    "GatedConfig",
    "Levels",
    "LogisticMixture",
    "PixelCNN",
    "PixelCNNConfig",
    "Plain",
    "PlainConfig",
    "PlusPlus",
    "PlusPlusConfig",
]
