"""A codec accepts an encoder and a decoder of one's own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from smalti import Batch
from smalti.vq import EMAConfig, VQVAEConfig


@dataclass(frozen=True)
class Pooled:
    """Means of 2x2 pixels, and a linear layer."""

    channels: int = 1
    latent_channels: int = 6
    pixel_min: float = 0.0
    downsampling_factor: int = 2
    uses_quant_conv: bool = False

    def build_encoder(self) -> nn.Module:
        return nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(self.channels, self.latent_channels, 1))

    def build_decoder(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(self.latent_channels, self.channels, 1), nn.Upsample(scale_factor=2)
        )


def test_a_network_that_says_what_it_is_makes_a_codec() -> None:
    codec = VQVAEConfig((1, 8, 8), Pooled(), EMAConfig(16, 4)).build()
    x = torch.rand(5, 1, 8, 8)
    loss = codec.loss(Batch(x), 0).total
    loss.backward()
    assert loss.isfinite() and all(p.grad is not None for p in codec.network.encoder.parameters())
    codes = codec.eval().encode(x)
    assert codes.shape == (5, 4, 4) and codec.decode(codes).shape == x.shape
