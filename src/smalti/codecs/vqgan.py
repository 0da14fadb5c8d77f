"""VQGAN: a codec trained with a perceptual and an adversarial loss."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.codecs.classifier_distance import ClassifierDistance
from smalti.codecs.codebook_quantizers import VQConfig
from smalti.codecs.codec import Codec
from smalti.codecs.discriminator import DiscriminatorConfig, DiscriminatorPlayer, freeze_parameters
from smalti.codecs.fine_tuning import follow_start
from smalti.codecs.lpips import LPIPS
from smalti.codecs.network import Networks, Quantizers
from smalti.codecs.residual import ResidualConfig
from smalti.codecs.unregistered import Unregistered
from smalti.codecs.vqvae import check_shape, compute_error_terms, crop_like
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.protocols import Batch, Loss, ModelConfig
from smalti.core.ranges import PictureShape, Range, Weight

MAX_ADAPTIVE_WEIGHT = 1e4
"""Upper bound of the adaptive weight."""
GRADIENT_SCALE = 2.0**12
"""Multiplies losses before their gradients, which fp16 would round to 0 otherwise."""

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
        if self.discriminator.channels != self.shape[0]:
            raise UserError(
                f"discriminator.channels is {self.discriminator.channels}, but pictures have "
                f"{self.shape[0]}; make them equal"
            )

    def compute_start_step(self, steps: int) -> int:
        """The step at which the discriminator starts, in a training of `steps` steps."""
        start = self.discriminator_start
        return round(start * steps) if start < 1 else int(start)

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


class VQGAN(Codec):
    """VQGAN (arXiv:2012.09841): the first player, the generator. `named_players()` gives both.

    Before `named_players()` is called there is neither discriminator nor perceptual network, and
    the loss is the L1 error and the quantizer's loss. Before its start step, the discriminator's
    term is left out.
    """

    def __init__(self, config: VQGANConfig):
        super().__init__(config)
        self.loss_networks: dict[str, Unregistered] = {}
        self.adaptive_weight = 0.0
        self.total_steps: int | None = None
        """Steps of the training, once known."""
        self.steps_done = 0
        """Training steps done."""

    def set_total_steps(self, total_steps: int) -> None:
        """Set the number of steps of the training."""
        self.total_steps = total_steps

    @property
    def start_step(self) -> float:
        """The step at which the discriminator starts; inf for a share of unknown total steps."""
        if self.total_steps is None and self.config.discriminator_start < 1:
            return math.inf
        return self.config.compute_start_step(self.total_steps or 0)

    @property
    def skips_discriminator(self) -> bool:
        """Whether the discriminator would start after the last step."""
        return self.total_steps is not None and self.start_step >= self.total_steps

    def named_players(self) -> dict[str, nn.Module]:
        """The players in the order of a step. The discriminator is new: checkpoints hold none."""
        discriminator = DiscriminatorPlayer(self.config.discriminator)
        self.loss_networks = {
            "discriminator": Unregistered(discriminator.network),
            "perceptual": Unregistered(self.config.perceptual.build()),
        }
        return {"generator": self, "discriminator": discriminator}

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        """Eq. 5 to 7: reconstruction, quantizer, and from the start step on the adversarial loss.

        In eval mode, on held-out pictures, the adversarial loss is left out.
        """
        c, x = self.config, self.to_network_range(batch.require_pictures())
        x_hat, quantized = self.network.forward_train(self.pad(x))
        x_hat = crop_like(x_hat, x)
        rec = c.l1_weight * F.l1_loss(x_hat, x)
        terms = {
            "absolute": rec.detach(),
            **compute_error_terms(self, F.mse_loss(x_hat.detach(), x)),
        }
        if "perceptual" in self.loss_networks and c.perceptual_weight:
            perceptual = self.measure_perceptual_distance(x_hat, x)
            rec = rec + c.perceptual_weight * perceptual
            terms["perceptual"] = perceptual.detach()
        terms.update(quantized.terms)
        if self.training:
            self.steps_done = step + 1
        if not self.training or "discriminator" not in self.loss_networks or step < self.start_step:
            return Loss(rec + c.quantizer_weight * quantized.loss, terms)
        with freeze_parameters(self.loss_networks["discriminator"].module) as discriminator:
            generator_loss = -discriminator(x_hat).float().mean()
        rec, generator_loss = (pass_back(loss, x_hat) for loss in (rec, generator_loss))
        weight = self.compute_adaptive_weight(rec, generator_loss)
        terms.update(verdict=generator_loss.detach(), adaptive=weight)
        total = rec + c.discriminator_weight * weight * generator_loss
        total = total + c.quantizer_weight * quantized.loss
        return Loss(total, terms, carry=(x.detach(), x_hat.detach()))

    def measure_perceptual_distance(self, x_hat: Tensor, x: Tensor) -> Tensor:
        """Mean perceptual distance of reconstructions x_hat to pictures x."""
        network = self.loss_networks["perceptual"].module.to(x.device)
        low, high = self.network.pixel_range
        return network((x_hat - low) / (high - low), (x - low) / (high - low)).mean()

    def compute_adaptive_weight(self, rec: Tensor, generator_loss: Tensor) -> Tensor:
        """Eq. 7: the weight that makes the norms of both gradients equal at the last layer.

        Each process computes it from its own pictures; their gradients are averaged. Both losses
        have passed `pass_back`, so that their networks are not gone through once more.
        """
        last = self.network.decoder.last_weight
        rec_norm, gan_norm = (
            torch.autograd.grad(loss, last, retain_graph=True)[0].float().norm()
            for loss in (rec, generator_loss)
        )
        weight = (rec_norm / (gan_norm + 1e-4)).clamp(0, MAX_ADAPTIVE_WEIGHT).detach()
        self.adaptive_weight = float(weight)
        return weight

    def list_save_messages(self) -> list[str]:
        """Messages at a save: the adaptive weight, or that the discriminator never started."""
        if self.skips_discriminator and self.steps_done == self.total_steps:
            return [f"warning: the discriminator never started; {self.start_advice}"]
        if self.adaptive_weight:
            return [f"the discriminator's adaptive weight is {self.adaptive_weight:.3g}"]
        return []

    def list_start_messages(self) -> list[str]:
        """Messages before training: the perceptual distance, and when the discriminator starts."""
        perceptual = f"the perceptual distance is {self.config.perceptual.description}"
        if not self.config.perceptual_weight:
            perceptual = "there is no perceptual distance"
        if self.skips_discriminator:
            why = f"its start is step {self.start_step:,} of {self.total_steps:,}"
            warning = f"warning: the discriminator never starts: {why}; {self.start_advice}"
            return [perceptual, warning]
        of = f" of {self.total_steps:,}" if self.total_steps else ""
        return [f"{perceptual}; the discriminator starts at step {self.start_step:,}{of}"]

    @property
    def start_advice(self) -> str:
        return "give a lower --model.discriminator-start, such as 0.35 for a share of the steps"


def pass_back(loss: Tensor, x: Tensor) -> Tensor:
    """The loss, with its gradient at x computed now: later backward passes begin at x.

    The adaptive weight and the step need the gradients of the perceptual network and of the
    discriminator, which are computed once so. x: float32.
    """
    (gradient,) = torch.autograd.grad(loss * GRADIENT_SCALE, x)
    linear = (x * (gradient / GRADIENT_SCALE)).sum()
    return loss.detach() + linear - linear.detach()
