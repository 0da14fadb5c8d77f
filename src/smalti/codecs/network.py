"""Encoder, quantizer and decoder as one network."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from smalti.codecs.codebook_quantizers import EMAConfig, SimVQConfig, VQConfig
from smalti.codecs.fsq import FSQConfig
from smalti.codecs.gumbel import GumbelConfig
from smalti.codecs.quantizer import QuantizerOutput
from smalti.codecs.residual import ResidualConfig
from smalti.codecs.strided import StridedConfig


@runtime_checkable
class EncoderDecoderConfig(Protocol):
    """Any encoder and decoder: (B, channels, f h, f w) to (B, latent_channels, h, w), and back."""

    @property
    def channels(self) -> int: ...
    @property
    def pixel_min(self) -> float: ...  # value of black; white is 1
    @property
    def downsampling_factor(self) -> int: ...  # f, pixels along a side of a code
    @property
    def latent_channels(self) -> int: ...
    @property
    def uses_quant_conv(self) -> bool: ...  # always have 1x1 convolutions around the quantizer
    def build_encoder(self) -> nn.Module: ...
    def build_decoder(self) -> nn.Module: ...


Networks = StridedConfig | ResidualConfig | EncoderDecoderConfig
Quantizers = VQConfig | EMAConfig | SimVQConfig | GumbelConfig | FSQConfig


class AutoencoderOutput(NamedTuple):
    """Reconstructions, and the latents before and after the quantizer."""

    x_hat: Tensor
    z_e: Tensor
    z_q: Tensor


class Autoencoder(nn.Module):
    """Pictures (B, C, H, W) in `pixel_range` to codes and back.

    H and W are multiples of `downsampling_factor`. 1x1 convolutions surround the quantizer if its
    width differs from the networks' (in VQGAN always).
    """

    quantizer: Any

    def __init__(self, networks: Networks, quantizer: Quantizers):
        super().__init__()
        self.pixel_range = (networks.pixel_min, 1.0)
        self.downsampling_factor = networks.downsampling_factor
        self.encoder: Any = networks.build_encoder()
        self.decoder: Any = networks.build_decoder()
        uses_quant_conv = networks.uses_quant_conv or quantizer.width != networks.latent_channels
        self.quant_conv = (
            nn.Conv2d(networks.latent_channels, quantizer.width, 1)
            if uses_quant_conv
            else nn.Identity()
        )
        self.quantizer = quantizer.build()
        self.post_quant_conv = (
            nn.Conv2d(quantizer.width, networks.latent_channels, 1)
            if uses_quant_conv
            else nn.Identity()
        )

    def encode_latents(self, x: Tensor) -> Tensor:
        """Encode pictures to z_e (B, D, h, w), before the quantizer."""
        return self.quant_conv(self.encoder(x))

    def decode_latents(self, z: Tensor) -> Tensor:
        """Decode quantized latents z_q (B, D, h, w) to pictures."""
        return self.decoder(self.post_quant_conv(z))

    def forward_train(self, x: Tensor) -> tuple[Tensor, QuantizerOutput]:
        """Reconstruct pictures with gradients. Returns x_hat and the quantizer's output."""
        quantized = self.quantizer(self.encode_latents(x))
        return self.decode_latents(quantized.z), quantized

    def forward(self, x: Tensor) -> AutoencoderOutput:
        z_e = self.encode_latents(x)
        z_q = self.quantizer(z_e).z
        return AutoencoderOutput(self.decode_latents(z_q), z_e, z_q)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Encode pictures to codes (B, h, w) int64."""
        return self.quantizer.quantize(self.encode_latents(x))

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Decode codes (B, h, w) to pictures (B, C, f h, f w), about in `pixel_range`."""
        return self.decode_latents(self.quantizer.dequantize(codes))
