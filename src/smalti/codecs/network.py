"""Encoder, quantiser and decoder as one network."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from smalti.codecs.codebook_quantizers import EMAConfig, SimVQConfig, VQConfig
from smalti.codecs.fsq import FSQConfig
from smalti.codecs.gumbel import GumbelConfig
from smalti.codecs.quantizer import Quantised
from smalti.codecs.residual import ResidualConfig
from smalti.codecs.strided import StridedConfig


@runtime_checkable
class NetworksConfig(Protocol):
    """Of any encoder and decoder: (B, channels, f h, f w) to (B, latent, h, w), and back."""

    @property
    def channels(self) -> int: ...
    @property
    def low(self) -> float: ...  # what black is to them; white is 1
    @property
    def factor(self) -> int: ...  # f, pixels of a code's side
    @property
    def latent(self) -> int: ...
    @property
    def bridged(self) -> bool: ...  # whether 1x1 convolutions stand around any quantiser
    def encoder(self) -> nn.Module: ...
    def decoder(self) -> nn.Module: ...


Networks = StridedConfig | ResidualConfig | NetworksConfig
Quantisers = VQConfig | EMAConfig | SimVQConfig | GumbelConfig | FSQConfig


class Trip(NamedTuple):
    """There and back: pictures, latents before and after the quantiser."""

    x_hat: Tensor
    z_e: Tensor
    z_q: Tensor


class Autoencoder(nn.Module):
    """Pictures (B, C, H, W) in `range`, H and W multiples of the factor, to codes and back.

    Where the quantiser's width is another than the networks', 1x1 convolutions stand between
    (VQGAN's have them always).
    """

    quantiser: Any

    def __init__(self, networks: Networks, quantiser: Quantisers):
        super().__init__()
        self.range = (networks.low, 1.0)
        self.factor = networks.factor
        self.encoder: Any = networks.encoder()
        self.decoder: Any = networks.decoder()
        bridged = networks.bridged or quantiser.width != networks.latent
        self.before = nn.Conv2d(networks.latent, quantiser.width, 1) if bridged else nn.Identity()
        self.quantiser = quantiser.build()
        self.after = nn.Conv2d(quantiser.width, networks.latent, 1) if bridged else nn.Identity()

    def latents(self, x: Tensor) -> Tensor:
        """z_e, (B, D, h, w)."""
        return self.before(self.encoder(x))

    def drawn(self, z: Tensor) -> Tensor:
        """Quantised latents z_q (B, D, h, w) to pictures."""
        return self.decoder(self.after(z))

    def learn(self, x: Tensor) -> tuple[Tensor, Quantised]:
        """Pictures there and back with gradients, and what the quantiser says."""
        quantised = self.quantiser(self.latents(x))
        return self.drawn(quantised.z), quantised

    def forward(self, x: Tensor) -> Trip:
        z_e = self.latents(x)
        z_q = self.quantiser(z_e).z
        return Trip(self.drawn(z_q), z_e, z_q)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Codes (B, h, w) int64."""
        return self.quantiser.find(self.latents(x))

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Codes (B, h, w) to pictures (B, C, f h, f w) about in `range`."""
        return self.drawn(self.quantiser.look_up(codes))
