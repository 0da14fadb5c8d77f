"""PixelCNN, Gated PixelCNN and PixelCNN++: pictures drawn and scored pixel by pixel."""

from smalti.pixelcnn.gated import Gated, GatedConfig
from smalti.pixelcnn.levels import Levels
from smalti.pixelcnn.mixture import LogisticMixture
from smalti.pixelcnn.model import Ancestral, PixelCNN, PixelCNNConfig
from smalti.pixelcnn.output import Categorical
from smalti.pixelcnn.plain import Plain, PlainConfig
from smalti.pixelcnn.plusplus import PlusPlus, PlusPlusConfig

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
