"""Autoregressive models: a network over the symbols of a codec."""

from smalti.autoregressive.caption_tokens import CaptionTokens
from smalti.autoregressive.config import AutoregressiveConfig, build_config
from smalti.autoregressive.coordinates import CoordinateCodec
from smalti.autoregressive.gpt import GPT, GPTConfig, quantize_for_sampling
from smalti.autoregressive.indices import IndexCodec
from smalti.autoregressive.logistic_mixture import LogisticMixture
from smalti.autoregressive.model import Autoregressive
from smalti.autoregressive.orders import Alternate, RowMajor, Spiral
from smalti.autoregressive.output import Categorical
from smalti.autoregressive.picture_condition import PictureCondition
from smalti.layers.condition_encoder import Choice
from smalti.layers.frozen_codec import FrozenCodec
from smalti.layers.pixel_levels import Levels
from smalti.layers.symbol_sampling import Ancestral

__all__ = [
    "GPT",
    "Alternate",
    "Ancestral",
    "Autoregressive",
    "AutoregressiveConfig",
    "CaptionTokens",
    "Categorical",
    "Choice",
    "CoordinateCodec",
    "FrozenCodec",
    "GPTConfig",
    "IndexCodec",
    "Levels",
    "LogisticMixture",
    "PictureCondition",
    "RowMajor",
    "Spiral",
    "build_config",
    "quantize_for_sampling",
]
