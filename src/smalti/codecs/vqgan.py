"""VQGAN: a codec trained with a perceptual and an adversarial loss."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from smalti.codecs.adversarial import AdversarialGenerator, compute_start_step
from smalti.codecs.classifier_distance import ClassifierDistance
from smalti.codecs.codebook_quantizers import VQConfig
from smalti.codecs.codec import Codec
from smalti.codecs.discriminator import DiscriminatorConfig
from smalti.codecs.fine_tuning import follow_start
from smalti.codecs.lpips import LPIPS
from smalti.codecs.network import Networks, Quantizers
from smalti.codecs.residual import ResidualConfig
from smalti.codecs.vqvae import check_shape, crop_like
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.protocols import Batch, Loss, ModelConfig
from smalti.core.ranges import PictureShape, Range, Weight

Start = Annotated[float, Range(0, 1e9)]


@dataclass(frozen=True)
@check_fields
class VQGANConfig:
    """A VQGAN codec."""

    shape: PictureShape = (3, 64, 64)
    """Channels, height and width of training pictures. Other sizes work too."""
    network: Networks = field(default_factory=ResidualConfig)
    """Encoder and decoder."""
    quantizer: Quantizers = field(default_factory=VQConfig)
    """Quantizer of the latents."""
    perceptual: ClassifierDistance | LPIPS = field(default_factory=ClassifierDistance)
    """Perceptual distance."""
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    """Patch discriminator."""
    l1_weight: Weight = 1.0
    """Weight of the L1 reconstruction error."""
    perceptual_weight: Weight = 1.0
    """Weight of the perceptual distance. It is not computed at 0."""
    quantizer_weight: Weight = 1.0
    """Weight of the quantizer's loss."""
    discriminator_weight: Weight = 0.8
    """Weight of the adversarial loss. It is multiplied by the adaptive weight."""
    discriminator_start: Start = 0.35
    """Discriminator's start: a step, or below 1 a share. The share is of all training steps."""

    def __post_init__(self) -> None:
        check_shape(self.shape, self.network)
        check_discriminator(self.discriminator, self.shape)

    def compute_start_step(self, steps: int) -> int:
        """The step at which the discriminator starts, in a training of `steps` steps."""
        return compute_start_step(self, steps)

    def collect_facts(self) -> dict[str, Any]:
        """Facts for the model card."""
        return {"perceptual": self.perceptual.description if self.perceptual_weight else "none"}

    def check_training(self) -> None:
        """Check that the perceptual network's files exist. UserError otherwise."""
        self.perceptual.build()

    def follow_start(self, start: ModelConfig) -> VQGANConfig:
        """The config with encoder, decoder and quantizer of `start`."""
        return follow_start(self, start)

    def build(self) -> VQGAN:
        return VQGAN(self)


class VQGAN(AdversarialGenerator, Codec):
    """VQGAN (arXiv:2012.09841): the first player, the generator. `named_players()` gives both."""

    def __init__(self, config: VQGANConfig):
        super().__init__(config)
        self.loss_networks = {}

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        """Eq. 5 to 7: reconstruction, quantizer, and from the start step on the adversarial loss.

        In eval mode, on held-out pictures, the adversarial loss is left out.
        """
        x = self.to_network_range(batch.require_pictures())
        x_hat, quantized = self.network.forward_train(self.pad(x))
        latent_loss = self.config.quantizer_weight * quantized.loss
        x_hat = crop_like(x_hat, x)
        return self.compute_generator_loss(x, x_hat, latent_loss, quantized.terms, step)


def check_discriminator(discriminator: DiscriminatorConfig, shape: tuple[int, int, int]) -> None:
    """UserError unless the channels of pictures and discriminator are equal."""
    if discriminator.channels != shape[0]:
        raise UserError(
            f"discriminator.channels is {discriminator.channels}, but pictures have {shape[0]}; "
            "make them equal"
        )
