"""Start a codec from another one, of other channels or size."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from smalti.core.errors import UserError
from smalti.core.protocols import ModelConfig
from smalti.layers.start_weights import replace_fields, require_family

C = TypeVar("C")


def follow_start(config: C, start: ModelConfig) -> C:
    """The config of a codec with encoder, decoder and quantizer of the start.

    A VQGAN may start from a VQ-VAE, and the other way. UserError for another family.
    """
    from smalti.codecs.vqgan import VQGANConfig
    from smalti.codecs.vqvae import VQVAEConfig

    own: Any = config
    begun = require_family(start, config, VQVAEConfig, VQGANConfig)
    if type(own.network) is not type(begun.network):
        raise UserError(
            f"start has a network of another kind, {type(begun.network).__name__}; this "
            f"recipe's is {type(own.network).__name__}; give another start or recipe"
        )
    network = replace_fields(begun.network, channels=own.shape[0])
    return replace(own, network=network, quantizer=begun.quantizer)
