"""A KL-regularized autoencoder: continuous latents, for diffusion (arXiv:2112.10752)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from smalti.codecs.adversarial import AdversarialGenerator
from smalti.codecs.classifier_distance import ClassifierDistance
from smalti.codecs.discriminator import DiscriminatorConfig
from smalti.codecs.lpips import LPIPS
from smalti.codecs.network import Networks
from smalti.codecs.residual import ResidualConfig
from smalti.codecs.vqgan import Start, check_discriminator
from smalti.codecs.vqvae import check_shape, crop_like
from smalti.core.config import check_fields
from smalti.core.protocols import Batch, Loss
from smalti.core.ranges import PictureShape, Weight, Width

MIN_LOG_VARIANCE, MAX_LOG_VARIANCE = -30.0, 20.0
ACTIVE_NATS = 0.01
"""A channel is active if it carries more than this, per position (arXiv:1509.00519, app. C)."""


@dataclass(frozen=True)
@check_fields
class KLAutoencoderConfig:
    """A KL-regularized autoencoder."""

    shape: PictureShape = (3, 64, 64)
    """Channels, height and width of training pictures. Other sizes work too."""
    network: Networks = field(default_factory=ResidualConfig)
    """Encoder and decoder."""
    latent_channels: Width = 4
    """Channels of the latents."""
    perceptual: ClassifierDistance | LPIPS = field(default_factory=ClassifierDistance)
    """Perceptual distance."""
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    """Patch discriminator."""
    kl_weight: Weight = 1e-3
    """Weight of the KL divergence. In nats per number of a picture."""
    l1_weight: Weight = 1.0
    """Weight of the L1 reconstruction error."""
    perceptual_weight: Weight = 1.0
    """Weight of the perceptual distance. It is not computed at 0."""
    discriminator_weight: Weight = 0.5
    """Weight of the adversarial loss. There is no discriminator at 0."""
    discriminator_start: Start = 0.35
    """Discriminator's start: a step, or below 1 a share. The share is of all training steps."""

    def __post_init__(self) -> None:
        check_shape(self.shape, self.network)
        if self.discriminator_weight:
            check_discriminator(self.discriminator, self.shape)

    def collect_facts(self) -> dict[str, Any]:
        """Facts for the model card."""
        return {"perceptual": self.perceptual.description if self.perceptual_weight else "none"}

    def check_training(self) -> None:
        """Check that the perceptual network's files exist. UserError otherwise."""
        if self.perceptual_weight:
            self.perceptual.build()

    def build(self) -> KLAutoencoder:
        return KLAutoencoder(self)


class Gaussian(NamedTuple):
    """A diagonal normal distribution of latents (B, D, h, w)."""

    mean: Tensor
    log_variance: Tensor

    def sample(self) -> Tensor:
        """Draw by torch's default generator."""
        return self.mean + (0.5 * self.log_variance).exp() * torch.randn_like(self.mean)

    def compute_kl(self) -> Tensor:
        """KL divergence from the standard normal distribution of each number, in nats."""
        return 0.5 * (self.mean.square() + self.log_variance.exp() - 1 - self.log_variance)


class GaussianAutoencoder(nn.Module):
    """Pictures (B, C, H, W) in `pixel_range` to normal distributions of latents, and back.

    H and W are multiples of `downsampling_factor`.
    """

    def __init__(self, networks: Networks, latent_channels: int):
        super().__init__()
        self.pixel_range = (networks.pixel_min, 1.0)
        self.downsampling_factor = networks.downsampling_factor
        self.encoder: Any = networks.build_encoder()
        self.quant_conv = nn.Conv2d(networks.latent_channels, 2 * latent_channels, 1)
        self.post_quant_conv = nn.Conv2d(latent_channels, networks.latent_channels, 1)
        self.decoder: Any = networks.build_decoder()

    def encode_gaussian(self, x: Tensor) -> Gaussian:
        """Encode pictures as distributions."""
        mean, log_variance = self.quant_conv(self.encoder(x)).chunk(2, dim=1)
        return Gaussian(mean, log_variance.clamp(MIN_LOG_VARIANCE, MAX_LOG_VARIANCE))

    def encode_latents(self, x: Tensor) -> Tensor:
        """Encode pictures as the means (B, D, h, w)."""
        return self.encode_gaussian(x).mean

    def decode_latents(self, z: Tensor) -> Tensor:
        """Decode latents (B, D, h, w) to pictures."""
        return self.decoder(self.post_quant_conv(z))

    def forward(self, x: Tensor) -> Tensor:
        return self.decode_latents(self.encode_latents(x))


class KLAutoencoder(AdversarialGenerator):
    """The KL-regularized autoencoder of latent diffusion (arXiv:2112.10752, section 3.1, app. G).

    VQGAN's loss, with the KL divergence of the latents from a standard normal distribution in place
    of the quantizer's loss. The decoder sees latents with noise, so that neighbors of a latent
    decode alike.
    """

    network: GaussianAutoencoder

    def __init__(self, config: KLAutoencoderConfig):
        network = GaussianAutoencoder(config.network, config.latent_channels)
        super().__init__(config, network, "latents")
        self.loss_networks = {}

    @property
    def latent_channels(self) -> int:
        """Channels D of the latents."""
        return self.config.latent_channels

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        """VQGAN's eq. 5 to 7 with the KL divergence; latents are drawn in training only."""
        x = self.to_network_range(batch.require_pictures())
        gaussian = self.network.encode_gaussian(self.pad(x))
        z = gaussian.sample() if self.training else gaussian.mean
        x_hat = crop_like(self.network.decode_latents(z), x)
        kl = gaussian.compute_kl().sum() / x.numel()
        terms = {"kl": kl.detach()}
        return self.compute_generator_loss(x, x_hat, self.config.kl_weight * kl, terms, step)

    @torch.no_grad()
    def decode_latents(self, z: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Decode latents (N, D, h, w) to pictures (N, C, H, W) float32 in [0, 1].

        size: (H, W) to crop to. Default: no cropping.
        """
        x = self.from_network_range(self.network.decode_latents(z.to(self.device)))
        return x if size is None else x[..., : size[0], : size[1]]

    def reconstruct(self, x: Tensor) -> Tensor:
        """Encode and decode pictures (N, C, H, W) in [0, 1]."""
        x = self.check_pictures(x)
        return self.decode_latents(self.encode_latents(x), (x.shape[2], x.shape[3]))

    @torch.no_grad()
    def measure_nats(self, x: Tensor) -> Tensor:
        """Nats of each channel of pictures x (N, C, H, W): (N, D), averaged over positions."""
        x = self.pad(self.to_network_range(self.check_pictures(x).to(self.device)))
        return self.network.encode_gaussian(x).compute_kl().mean((2, 3)).cpu()

    def validate(
        self, read_pictures: Callable[[slice], Tensor], n: int
    ) -> tuple[dict[str, Any], list[str]]:
        """Count the channels that n pictures use; `read_pictures` reads a slice of them.

        Returns numbers for the log, and messages.
        """
        parts = [self.measure_nats(read_pictures(slice(k, k + 64))) for k in range(0, n, 64)]
        nats = torch.cat(parts).mean(0)
        active, D = int((nats > ACTIVE_NATS).sum()), self.latent_channels
        numbers = {"pictures_examined": n, "channels": D, "channels_active": active}
        return numbers, [
            f"{active} of {D} channels of the latents are used, {nats.sum():.1f} nats a position"
        ]
